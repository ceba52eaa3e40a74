//! Reads an image back from anywhere and recomputes all that it claims: every digest, size and
//! diff id; and unpacks its layers in the mind, where no file is written.
//!
//! In comes a [`Source`]; out goes a [`Report`] with every mismatch, not the first one. Nothing
//! is trusted because another tool took it: daemons run images whose diff ids are all zero.

mod docker;
mod finding;
mod layer;
mod path;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::digest::{DiffId, Digest};
use crate::image::Descriptor;
use crate::report::Reporter;
use crate::spec::Platform;
use crate::transport::source::{
    self, Layer, MANIFEST_LIMIT, Manifest, Source, SourceError, StoredImage, read_document,
    read_image, read_manifest,
};

pub use finding::{Finding, Kind, Severity};
pub use layer::{Entry, Meta, Scan, scan};
pub use tree::Tree;

/// So many findings are listed; many images may share what is wrong with one layer.
const MOST_FINDINGS: usize = 100_000;

/// An image that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Its names in the source.
    pub names: Vec<String>,
    /// The manifest's digest.
    pub digest: Digest,
    /// What it runs on.
    pub platform: Platform,
    /// How many layers it has.
    pub layers: usize,
    /// The sum of their blobs, in bytes.
    pub blob_size: u64,
    /// The sum of their tars, in bytes.
    pub tar_size: u64,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The images, in the order in which they were found.
    pub images: Vec<Checked>,
    /// Every mismatch.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether everything could be read, be it good or not.
    pub fn is_complete(&self) -> bool {
        self.findings.iter().all(|finding| finding.kind != Kind::Unread)
    }

    /// Whether nothing worse than a warning was found.
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity < Severity::Error)
    }
}

/// Checks the images that the given roots lead to, with at most `jobs` layers at once.
pub fn check(
    source: &dyn Source,
    roots: &[Descriptor],
    jobs: usize,
    reporter: &dyn Reporter,
) -> Report {
    let mut check = Check {
        source,
        report: Report::default(),
        images: Vec::new(),
        known: BTreeSet::new(),
        followed: BTreeSet::new(),
        read: BTreeSet::new(),
        indexes: BTreeMap::new(),
    };
    for root in roots {
        check.root(root, 0);
    }
    let scans = scan_all(source, &check.images, jobs, reporter);
    let images = std::mem::take(&mut check.images);
    for image in &images {
        check.image(image, &scans);
    }
    for finding in docker::compare(&check, roots, &images, jobs, reporter) {
        check.found(finding);
    }
    if check.report.images.is_empty() && check.report.findings.is_empty() {
        let nothing = Finding::error(Kind::Document, source.name(), "it holds no image");
        check.report.findings.push(nothing);
    }
    if let Some(more) = check.report.findings.get_mut(MOST_FINDINGS) {
        more.place = source.name();
    }
    check.report
}

/// What is said of a layer's blob: digest, size and media type. Two manifests may not agree.
type Said = (Digest, u64, &'static str);
type Scans = BTreeMap<Said, Scan>;

fn said(layer: &Layer) -> Said {
    (layer.descriptor.digest, layer.descriptor.size, layer.encoding.media_type())
}

struct Check<'a> {
    source: &'a dyn Source,
    report: Report,
    images: Vec<StoredImage>,
    /// Severity, place and message of each finding.
    known: BTreeSet<(Severity, String, String)>,
    /// What was followed already, by digest, size and media type: in a few kilobytes indexes can
    /// name each other billions of times.
    followed: BTreeSet<(Digest, u64, String)>,
    /// Blobs of what is no image, by digest and size.
    read: BTreeSet<(Digest, u64)>,
    /// What the indexes that were followed name.
    indexes: BTreeMap<Digest, BTreeSet<Digest>>,
}

impl Check<'_> {
    fn found(&mut self, finding: Finding) {
        let Finding { severity, place, message, .. } = finding.clone();
        let is_full = self.known.len() >= MOST_FINDINGS;
        if is_full || self.known.insert((severity, place, message)) {
            finding::push_some(&mut self.report.findings, MOST_FINDINGS, || finding);
        }
    }

    /// A copy of a blob in its descriptor is read instead of it by some clients (image-spec,
    /// descriptor.md, "data").
    fn embedded(&mut self, descriptor: &Descriptor) {
        let Some(data) = descriptor.other.get("data") else { return };
        let bytes = data.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        if bytes.is_none_or(|bytes| Digest::of(&bytes) != descriptor.digest) {
            let message = "the `data` in its descriptor is not the bytes that its digest names";
            self.found(Finding::error(Kind::Bytes, place_of(descriptor), message));
        }
    }

    /// Follows a descriptor to its images, minding what cannot be read.
    fn root(&mut self, root: &Descriptor, depth: usize) {
        self.embedded(root);
        if !self.followed.insert((root.digest, root.size, root.media_type.clone())) {
            return self.again(root);
        }
        let place = place_of(root);
        let document = match read_document(self.source, root, "manifest", MANIFEST_LIMIT) {
            Ok(document) => document,
            Err(error) => return self.found(Finding::error(kind_of(&error), place, chain(&error))),
        };
        match read_manifest(&document) {
            Err(error) => self.found(Finding::error(Kind::Document, place, chain(&error))),
            Ok(Manifest::Index(entries)) => {
                if let Err(error) = source::check_depth(root, depth) {
                    return self.found(Finding::error(Kind::Document, place, chain(&error)));
                }
                self.indexes.insert(root.digest, entries.iter().map(|e| e.digest).collect());
                for entry in &entries {
                    self.root(entry, depth + 1);
                }
            }
            Ok(Manifest::Artifact(blobs)) => self.artifact(&place, &blobs),
            Ok(Manifest::Image { .. }) => match read_image(self.source, root) {
                Ok(image) => self.keep(root, image),
                Err(error) => self.found(Finding::error(kind_of(&error), place, chain(&error))),
            },
        }
    }

    /// Something that is no image has blobs all the same.
    fn artifact(&mut self, place: &str, blobs: &[Descriptor]) {
        for blob in blobs {
            self.embedded(blob);
            if !self.read.insert((blob.digest, blob.size)) {
                continue;
            }
            let read = source::Checked::new(self.source, blob).and_then(|mut checked| {
                std::io::copy(&mut checked, &mut std::io::sink())
                    .map_err(|e| source::read_error(self.source, blob.digest, e))
            });
            if let Err(error) = read {
                self.found(Finding::error(kind_of(&error), place, chain(&error)));
            }
        }
    }

    fn keep(&mut self, root: &Descriptor, image: StoredImage) {
        let layers = image.layers.iter().map(|layer| &layer.descriptor);
        layers.chain([&image.config.descriptor]).for_each(|blob| self.embedded(blob));
        self.compare_platform(root, image.platform());
        if let Err(error) = source::check_configs(&self.images, &image) {
            return self.found(Finding::error(Kind::Document, place_of(root), chain(&error)));
        }
        match self.images.iter_mut().find(|known| known.manifest.bytes == image.manifest.bytes) {
            Some(known) => known.names.extend(image.names),
            None => self.images.push(image),
        }
    }

    /// Another entry for what was followed already.
    fn again(&mut self, root: &Descriptor) {
        let is_same = |image: &&mut StoredImage| image.manifest.descriptor.digest == root.digest;
        let Some(image) = self.images.iter_mut().find(is_same) else { return };
        let platform = image.platform().clone();
        for name in source::names_of(root) {
            if !image.names.contains(&name) {
                image.names.push(name);
            }
        }
        self.compare_platform(root, &platform);
    }

    fn compare_platform(&mut self, root: &Descriptor, own: &Platform) {
        if let Some(stated) = root.platform.as_ref().filter(|stated| !stated.fits(own)) {
            let message = format!("the index says {stated}, and the image's config {own}");
            self.found(Finding::error(Kind::Document, place_of(root), message));
        }
    }

    fn image(&mut self, image: &StoredImage, scans: &Scans) {
        let place = image_place(image);
        let with_layers = image.parsed.history.iter().filter(|entry| {
            entry.get("empty_layer").is_none_or(|empty| empty.as_bool() != Some(true))
        });
        let (history, layers) = (with_layers.count(), image.layers.len());
        if !image.parsed.history.is_empty() && history != layers {
            let message = format!("its history names {history} layers, and it has {layers}");
            self.found(Finding::error(Kind::Document, &place, message));
        }
        let mut tree = Tree::default();
        let mut tar_size = 0;
        for (at, (layer, diff_id)) in image.layers_with_diff_ids().enumerate() {
            let Some(scan) = scans.get(&said(layer)) else { continue };
            let place = format!("{place}, layer {} of {layers}", at + 1);
            tar_size += scan.tar_size;
            for finding in compared(scan, diff_id).into_iter().chain(tree.add(&scan.entries)) {
                self.found(finding.below(&place));
            }
        }
        self.report.images.push(Checked {
            names: image.names.clone(),
            digest: image.manifest.descriptor.digest,
            platform: image.platform().clone(),
            layers,
            blob_size: image.layers.iter().map(|layer| layer.descriptor.size).sum(),
            tar_size,
        });
    }
}

/// What is wrong with a layer by itself and beside its diff id.
fn compared(scan: &Scan, diff_id: DiffId) -> Vec<Finding> {
    let mut findings = scan.findings.clone();
    if let Some(actual) = scan.diff_id.filter(|actual| *actual != diff_id) {
        let message = format!("its diff id is {actual}, and the config says {diff_id}");
        findings.push(Finding::error(Kind::Bytes, "", message));
    }
    findings
}

fn scan_all(
    source: &dyn Source,
    images: &[StoredImage],
    jobs: usize,
    reporter: &dyn Reporter,
) -> Scans {
    let layers = images.iter().flat_map(|image| &image.layers);
    let layers: BTreeMap<Said, &Layer> = layers.map(|layer| (said(layer), layer)).collect();
    let layers: Vec<&Layer> = layers.into_values().collect();
    scan_each(source, &layers, jobs, reporter)
}

/// Reads layers, several at once.
pub fn scan_layers(
    source: &dyn Source,
    layers: &[&Layer],
    jobs: usize,
    reporter: &dyn Reporter,
) -> BTreeMap<Digest, Scan> {
    let scans = scan_each(source, layers, jobs, reporter);
    scans.into_iter().map(|((digest, ..), scan)| (digest, scan)).collect()
}

fn scan_each(
    source: &dyn Source,
    layers: &[&Layer],
    jobs: usize,
    reporter: &dyn Reporter,
) -> Scans {
    let bytes = layers.iter().map(|layer| layer.descriptor.size).sum();
    let task = Mutex::new(reporter.start(&format!("reading {}", source.name()), Some(bytes)));
    let next = AtomicUsize::new(0);
    let scans = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, layers.len().max(1)) {
            scope.spawn(|| {
                while let Some(layer) = layers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let scan = scan(source, layer);
                    if let Ok(task) = task.lock() {
                        task.advance(layer.descriptor.size);
                    }
                    if let Ok(mut scans) = scans.lock() {
                        scans.insert(said(layer), scan);
                    }
                }
            });
        }
    });
    scans.into_inner().unwrap_or_default()
}

fn place_of(root: &Descriptor) -> String {
    root.digest.to_string()
}

fn image_place(image: &StoredImage) -> String {
    match image.names.first() {
        Some(name) => name.clone(),
        None => image.manifest.descriptor.digest.to_string(),
    }
}

/// Whose fault an error is.
fn kind_of(error: &SourceError) -> Kind {
    match error {
        SourceError::Read { .. } => Kind::Unread,
        // A file that is not there was named wrongly; another failure is the disk's.
        SourceError::File(error) if error.source.kind() != io::ErrorKind::NotFound => Kind::Unread,
        #[cfg(feature = "registry")]
        SourceError::Registry(_) => Kind::Unread,
        SourceError::Document { .. } => Kind::Document,
        _ => Kind::Bytes,
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.ends_with(&line) {
            text = format!("{text}: {line}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod bound_tests;
#[cfg(test)]
mod tests;
