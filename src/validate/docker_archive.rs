//! An archive that is a layout and a Docker archive at once says what it holds twice, and which
//! half is read depends on the reader: whether both say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use super::images::compared;
use super::{Check, Finding, Kind, LayerClaim, Scan, Severity, kind_of, said, scan_layers};
use crate::digest::{DiffId, Digest};
use crate::error_chain;
use crate::image::Descriptor;
use crate::progress::Reporter;
use crate::transport::familiar;
use crate::transport::source::{
    Layer, MANIFEST_LIMIT, Manifest, ResolvedImage, Source, SourceError, names_of, read_document,
    read_manifest,
};

const FILE: &str = "manifest.json";
/// Each is held against each; no archive has so many images.
const MOST_IMAGES: usize = 1000;

/// Names in index.json, and the images that they lead to.
struct IndexImages<'a> {
    names: Vec<String>,
    images: Vec<&'a ResolvedImage>,
}

/// An image as `manifest.json` has it.
struct DockerEntry {
    tags: BTreeSet<String>,
    config: Digest,
    layers: Vec<Layer>,
}

/// Compares what the index of a source says with its other half, if it has one: with all of it,
/// or with what is said there about those of its roots that were looked at.
pub(super) fn compare(
    check: &Check<'_>,
    roots: &[Descriptor],
    images: &[ResolvedImage],
    reporter: &dyn Reporter,
) -> Vec<Finding> {
    let (half, all) = match half(check.source) {
        Ok(Some(half)) => half,
        Ok(None) => return Vec::new(),
        Err(error) => {
            return vec![Finding::error(kind_of(&error), FILE, error_chain::one_line(&error))];
        }
    };
    if all.len().max(roots.len()) > MOST_IMAGES {
        let message = format!("cooper compares at most {MOST_IMAGES} images with index.json");
        return vec![Finding::error(Kind::Document, FILE, message)];
    }
    let complete = check.source.roots().is_ok_and(|all| all.iter().all(|r| roots.contains(r)));
    let claims: Vec<IndexImages<'_>> =
        roots.iter().map(|root| claim(check, root, images)).collect();
    let (mut findings, mut layers) = (Vec::new(), Vec::new());
    for listed in &all {
        let images = claims.iter().flat_map(|claim| claim.images.iter().copied());
        let images: Vec<&ResolvedImage> = images.filter(|image| listed.is(image)).collect();
        let is_named = claims.iter().any(|claim| !claim.tags().is_disjoint(&listed.tags));
        let Some(image) = images.first() else {
            findings.extend((complete || is_named).then(|| listed.other_config(&claims)));
            continue;
        };
        let (own, count) = (listed.layers.len(), image.layers.len());
        if own != count {
            let message = format!("it has {own} layers, and the image in index.json {count}");
            findings.push(listed.finding("Layers", message));
        }
        if complete {
            findings.extend(listed.other_tags(&claims));
        }
        layers.extend(listed.other_layers(&images));
    }
    findings.extend(claims.iter().flat_map(|claim| claim.unlisted(&all)));
    findings.extend(compare_layers(check, &*half, &layers, reporter));
    findings
}

fn claim<'a>(check: &Check<'_>, root: &Descriptor, images: &'a [ResolvedImage]) -> IndexImages<'a> {
    let mut reached = BTreeSet::from([root.digest]);
    let mut next = vec![root.digest];
    while let Some(digest) = next.pop() {
        let entries = check.indexes.get(&digest).into_iter().flatten();
        next.extend(entries.filter(|digest| reached.insert(**digest)));
    }
    let is_reached = |image: &&ResolvedImage| reached.contains(&image.manifest.descriptor.digest);
    IndexImages { names: names_of(root), images: images.iter().filter(is_reached).collect() }
}

type Half = (Box<dyn Source>, Vec<DockerEntry>);

fn half(source: &dyn Source) -> Result<Option<Half>, SourceError> {
    let Some(half) = source.docker_archive()? else { return Ok(None) };
    let mut roots: BTreeMap<Digest, (Descriptor, BTreeSet<String>)> = BTreeMap::new();
    for root in half.roots()? {
        let tags = names_of(&root).into_iter().map(|name| familiar(&name).to_owned());
        let tags: Vec<String> = tags.collect();
        roots.entry(root.digest).or_insert((root, BTreeSet::new())).1.extend(tags);
    }
    let mut all = Vec::new();
    for (root, tags) in roots.into_values() {
        let document = read_document(&*half, &root, "manifest", MANIFEST_LIMIT)?;
        if let Manifest::Image { config, layers } = read_manifest(&document)? {
            all.push(DockerEntry { tags, config: config.digest, layers });
        }
    }
    Ok(Some((half, all)))
}

impl DockerEntry {
    fn place(&self, field: &str) -> String {
        let image = self.tags.first().cloned().unwrap_or_else(|| self.config.to_string());
        format!("{FILE}, {image}, {field}")
    }

    fn finding(&self, field: &str, message: String) -> Finding {
        Finding::error(Kind::Document, self.place(field), message)
    }

    fn is(&self, image: &ResolvedImage) -> bool {
        image.config.descriptor.digest == self.config
    }

    /// What to say of a config that index.json leads to under none of the names.
    fn other_config(&self, claims: &[IndexImages<'_>]) -> Finding {
        let own = self.config;
        let named = claims.iter().find(|claim| !claim.tags().is_disjoint(&self.tags));
        self.finding(
            "Config",
            match named.and_then(|claim| claim.images.first()) {
                Some(image) => {
                    let other = image.config.descriptor.digest;
                    format!("it is {own}, and the image of that name in index.json has {other}")
                }
                None => format!("it is {own}, which no image in index.json has"),
            },
        )
    }

    /// Tags under which index.json has another image or none. Where it has no names at all, there
    /// is nothing to compare.
    fn other_tags(&self, claims: &[IndexImages<'_>]) -> Vec<Finding> {
        let about = claims.iter().filter(|claim| claim.images.iter().any(|image| self.is(image)));
        let names: BTreeSet<String> = about.flat_map(IndexImages::tags).collect();
        let other = |tag: &&String| !names.is_empty() && !names.contains(*tag);
        let message = |tag| format!("it has `{tag}`, which index.json does not call the image");
        let others = self.tags.iter().filter(other);
        others.map(|tag| self.finding("RepoTags", message(tag))).collect()
    }

    /// The layers whose blobs are others than those of `images`, each with its place and the diff
    /// id that the config gives it: packed in another way they may still be the same.
    fn other_layers(&self, images: &[&ResolvedImage]) -> Vec<Other<'_>> {
        let is_known = |at: usize, layer: &Layer| {
            let blob = |image: &ResolvedImage| image.layers.get(at).map(|l| l.descriptor.digest);
            images.iter().any(|image| blob(image) == Some(layer.descriptor.digest))
        };
        let diff_ids = images.iter().take(1).flat_map(|image| &image.parsed.diff_ids);
        let layers = self.layers.iter().zip(diff_ids).enumerate();
        layers
            .filter(|(at, (layer, _))| !is_known(*at, layer))
            .map(|(at, (layer, id))| (self.place(&format!("Layers[{at}]")), layer, *id))
            .collect()
    }
}

impl IndexImages<'_> {
    /// The names as Docker lists them; it lists none without a tag.
    fn tags(&self) -> BTreeSet<String> {
        let names = self.names.iter().map(|name| familiar(name));
        let is_tagged = |name: &&str| {
            let last = name.rsplit('/').next().unwrap_or_default();
            last.contains(':') && !last.contains('@')
        };
        names.filter(is_tagged).map(str::to_owned).collect()
    }

    /// What Docker's half lacks: of several images under one name it has one.
    fn unlisted(&self, all: &[DockerEntry]) -> Vec<Finding> {
        let Some(first) = self.images.first() else { return Vec::new() };
        let is_own = |listed: &&DockerEntry| self.images.iter().any(|image| listed.is(image));
        let own: Vec<&DockerEntry> = all.iter().filter(is_own).collect();
        let Some(listed) = own.first() else {
            let digest = first.manifest.descriptor.digest;
            let message = format!("it does not have the image {digest}, which index.json names");
            let severity = Severity::Warning;
            return vec![Finding { severity, ..Finding::error(Kind::Document, FILE, message) }];
        };
        let lacks = |tag: &String| own.iter().all(|listed| !listed.tags.contains(tag));
        let message = |tag| format!("it lacks `{tag}`, which index.json calls the image");
        let missing = self.tags().into_iter().filter(lacks);
        missing.map(|tag| listed.finding("RepoTags", message(tag))).collect()
    }
}

type Other<'a> = (String, &'a Layer, DiffId);

fn compare_layers(
    check: &Check<'_>,
    half: &dyn Source,
    others: &[Other<'_>],
    reporter: &dyn Reporter,
) -> Vec<Finding> {
    let layers: BTreeMap<LayerClaim, &Layer> =
        others.iter().map(|(_, l, _)| (said(l), *l)).collect();
    if layers.is_empty() {
        return Vec::new();
    }
    let layers: Vec<&Layer> = layers.into_values().collect();
    let mut scans: BTreeMap<LayerClaim, Scan> = BTreeMap::new();
    let read = scan_layers(&check.workspace, half, &layers, reporter, |at, scan| {
        scans.extend(layers.get(at).map(|layer| (said(layer), scan.without_entries())));
        Ok::<_, Infallible>(())
    });
    let Ok(()) = read;
    let found = others.iter().flat_map(|(place, layer, diff_id)| {
        let scan = scans.get(&said(layer));
        let found = scan.map(|scan| compared(scan, *diff_id)).unwrap_or_default();
        found.into_iter().map(|finding| finding.below(place))
    });
    found.collect()
}
