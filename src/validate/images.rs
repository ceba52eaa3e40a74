//! Images whose layers are read once and put over each other, image by image.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use super::{
    Check, Finding, ImageReport, Kind, LayerClaim, Scan, Tree, image_place, said, scan_layers,
};
use crate::digest::DiffId;
use crate::progress::Reporter;
use crate::transport::source::ResolvedImage;

/// The number of images, on average, in which an entry of a layer is compared with others. In a few
/// kilobytes each, manifests can name the same layers again and again.
const MAX_SHARING: u64 = 100;
/// The number of entries that are compared in any case.
const MIN_COMPARED: u64 = 10_000_000;

/// Images whose layers are put over each other, one image after the other.
struct Stack<'a> {
    images: &'a [ResolvedImage],
    /// The number of times that each layer is still needed.
    uses: BTreeMap<LayerClaim, usize>,
    ready: BTreeMap<LayerClaim, Scan>,
    /// The image, and its next layer.
    at: (usize, usize),
    tree: Tree,
    /// The sum of the image's tars.
    size: u64,
    /// The numbers of entries that were read, and that were compared.
    entries_read: u64,
    entries_compared: u64,
}

impl Stack<'_> {
    /// Puts a layer over those below it.
    fn add(&mut self, said: &LayerClaim) -> Vec<Finding> {
        let Some(scan) = self.ready.get(said) else { return Vec::new() };
        self.entries_compared += scan.entry_count() as u64;
        if self.entries_compared <= MIN_COMPARED.max(self.entries_read * MAX_SHARING) {
            return self.tree.add(scan);
        }
        let message = format!(
            "its files are not compared with those of other layers: the images have their layers in \
             common more than {MAX_SHARING} times; name one image to check it alone"
        );
        vec![Finding::error(Kind::Limit, "", message)]
    }
}

/// The faults of a layer by itself and in comparison with its diff id.
pub(super) fn compared(scan: &Scan, diff_id: DiffId) -> Vec<Finding> {
    let mut findings = scan.findings.clone();
    if let Some(actual) = scan.diff_id.filter(|actual| *actual != diff_id) {
        let message = format!("its diff id is {actual}, and the config says {diff_id}");
        findings.push(Finding::error(Kind::Bytes, "", message));
    }
    findings
}

impl Check<'_> {
    /// Reads the layers of all images, each once, and puts them over each other image by image.
    pub(super) fn layers(&mut self, images: &[ResolvedImage], reporter: &dyn Reporter) {
        let (mut layers, mut uses) = (Vec::new(), BTreeMap::<LayerClaim, usize>::new());
        for layer in images.iter().flat_map(|image| &image.layers) {
            let count = uses.entry(said(layer)).or_default();
            if *count == 0 {
                layers.push(layer);
            }
            *count += 1;
        }
        let (source, workspace) = (self.source, Arc::clone(&self.workspace));
        let tree = Tree::new(&workspace);
        let mut stack = Stack {
            images,
            uses,
            ready: BTreeMap::new(),
            at: (0, 0),
            tree,
            size: 0,
            entries_read: 0,
            entries_compared: 0,
        };
        let read = scan_layers(&workspace, source, &layers, reporter, |at, scan| {
            stack.entries_read += scan.entry_count() as u64;
            stack.ready.extend(layers.get(at).map(|layer| (said(layer), scan)));
            self.stack(&mut stack);
            Ok::<_, Infallible>(())
        });
        let Ok(()) = read;
        self.stack(&mut stack);
    }

    /// Goes on with the images as far as their layers have been read.
    fn stack(&mut self, stack: &mut Stack<'_>) {
        while let Some(image) = stack.images.get(stack.at.0) {
            let place = image_place(image);
            while let (Some(layer), Some(diff_id)) =
                (image.layers.get(stack.at.1), image.parsed.diff_ids.get(stack.at.1))
            {
                let said = said(layer);
                let Some(scan) = stack.ready.get(&said) else { return };
                stack.at.1 += 1;
                stack.size += scan.tar_size;
                let findings = compared(scan, *diff_id);
                let place = format!("{place}, layer {} of {}", stack.at.1, image.layers.len());
                for finding in findings.into_iter().chain(stack.add(&said)) {
                    self.found(finding.below(&place));
                }
                let uses = stack.uses.get_mut(&said);
                if uses.is_none_or(|uses| std::mem::replace(uses, uses.saturating_sub(1)) <= 1) {
                    stack.ready.remove(&said);
                }
            }
            self.image(image, stack.size);
            stack.tree.restart();
            (stack.at, stack.size) = ((stack.at.0 + 1, 0), 0);
        }
    }

    /// An image whose layers were read.
    fn image(&mut self, image: &ResolvedImage, tar_size: u64) {
        let place = image_place(image);
        let with_layers = image.parsed.history.iter().filter(|entry| {
            entry.get("empty_layer").is_none_or(|empty| empty.as_bool() != Some(true))
        });
        let (history, layers) = (with_layers.count(), image.layers.len());
        if !image.parsed.history.is_empty() && history != layers {
            let message = format!("its history names {history} layers, and it has {layers}");
            self.found(Finding::error(Kind::Document, &place, message));
        }
        self.report.images.push(ImageReport {
            names: image.names.clone(),
            digest: image.manifest.descriptor.digest,
            platform: image.platform().clone(),
            layers,
            blob_size: image.layers.iter().map(|layer| layer.descriptor.size).sum(),
            tar_size,
        });
    }
}
