//! Reads an image from any source and recomputes its digests, sizes and diff ids; applies its
//! layers to a file tree in memory.
//!
//! A [`Source`] becomes a [`Report`] with all mismatches, not only the first. Acceptance by another
//! tool proves nothing: daemons run images whose diff ids are all zero.

mod docker_archive;
mod entries;
mod fields;
mod finding;
mod images;
mod layer;
mod limits;
mod links;
mod path;
mod paths;
mod scans;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::digest::Digest;
use crate::error_chain;
use crate::image::Descriptor;
use crate::progress::Reporter;
use crate::spec::Platform;
use crate::transport::source::{
    self, CONFIG_LIMIT, Encoding, IndexEntry, Layer, MANIFEST_LIMIT, Manifest, ResolvedImage,
    Source, SourceError, read_document, read_image, read_manifest,
};

pub use entries::{Meta, Scan};
pub use finding::{Finding, Kind, Severity};
pub use layer::scan;
pub use limits::{DEFAULT_INFLATED, DEFAULT_MEMORY, Limits, OutOfMemory, Workspace};
pub use scans::scan_layers;
pub use tree::Tree;

/// The largest number of findings; many images may share what is wrong with one layer.
const MOST_FINDINGS: usize = 10_000;

/// An image that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReport {
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
    pub images: Vec<ImageReport>,
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

/// The fields of an image's config that have a type with which no runtime reads it, a message
/// each.
pub fn config_faults(config: &[u8]) -> Vec<String> {
    fields::check(config, fields::CONFIG)
}

/// Checks the images that the given roots lead to.
pub fn check(
    source: &dyn Source,
    roots: &[Descriptor],
    limits: Limits,
    reporter: &dyn Reporter,
) -> Report {
    let mut check = Check {
        source,
        workspace: Arc::new(Workspace::new(limits)),
        report: Report::default(),
        images: Vec::new(),
        known: BTreeSet::new(),
        followed: BTreeSet::new(),
        read: BTreeSet::new(),
        others: BTreeSet::new(),
        top: None,
        keys: BTreeMap::new(),
        indexes: BTreeMap::new(),
    };
    check.index();
    for message in source.warnings() {
        check.found(Finding::warning(source.name(), message));
    }
    for root in roots {
        check.top = Some(root.digest);
        check.root(root, 0);
    }
    let images = std::mem::take(&mut check.images);
    check.layers(&images, reporter);
    for finding in docker_archive::compare(&check, roots, &images, reporter) {
        check.found(finding);
    }
    if check.report.images.is_empty() && check.report.is_good() {
        let others: Vec<&str> = check.others.iter().take(5).map(String::as_str).collect();
        let others = others.join(", ");
        let has = if others.is_empty() { others } else { format!("; it has {others}") };
        let message = format!("it holds no image{has}");
        check.report.findings.push(Finding::error(Kind::Document, source.name(), message));
    }
    if let Some(more) = check.report.findings.get_mut(MOST_FINDINGS) {
        more.place = source.name();
    }
    check.report
}

/// What is said of a layer's blob: digest, size and media type. Two manifests may not agree.
type LayerClaim = (Digest, u64, Option<Encoding>);

fn said(layer: &Layer) -> LayerClaim {
    (layer.descriptor.digest, layer.descriptor.size, layer.encoding)
}

struct Check<'a> {
    source: &'a dyn Source,
    workspace: Arc<Workspace>,
    report: Report,
    images: Vec<ResolvedImage>,
    /// Digests of the findings.
    known: BTreeSet<Digest>,
    /// What was followed already, by digest, size and media type: in a few kilobytes indexes can
    /// name each other billions of times.
    followed: BTreeSet<(Digest, u64, String)>,
    /// Blobs of what is no image, by digest and size.
    read: BTreeSet<(Digest, u64)>,
    /// Phrases for what is not an image.
    others: BTreeSet<String>,
    /// The root that is followed.
    top: Option<Digest>,
    /// The images of each root by their platforms.
    keys: BTreeMap<(Digest, String), Digest>,
    /// What the indexes that were followed name.
    indexes: BTreeMap<Digest, BTreeSet<Digest>>,
}

impl Check<'_> {
    fn found(&mut self, finding: Finding) {
        let is_new = |known: &mut BTreeSet<Digest>| {
            let Finding { severity, place, message, .. } = &finding;
            known.insert(Digest::of(format!("{severity:?}\0{place}\0{message}").as_bytes()))
        };
        if self.known.len() >= MOST_FINDINGS || is_new(&mut self.known) {
            finding::push_some(&mut self.report.findings, MOST_FINDINGS, || finding);
        }
    }

    /// Reports fields of another type than readers expect.
    fn fields(&mut self, place: &str, what: &str, document: &[u8], kind: fields::Type) -> usize {
        let memory = limits::json_memory(document);
        if let Err(error) = self.workspace.take(memory) {
            let message = format!("the {what}: {error}");
            self.found(Finding::error(Kind::Limit, place, message));
            return 1;
        }
        let wrong = fields::check(document, kind);
        self.workspace.give_back(memory);
        let count = wrong.len();
        for message in wrong {
            self.found(Finding::error(Kind::Document, place, format!("the {what}: {message}")));
        }
        count
    }

    /// The document that lists the roots, which has no descriptor.
    fn index(&mut self) {
        // An index that cannot be read was reported when its entries were.
        if let Ok(Some(index)) = self.source.index_json() {
            self.fields("index.json", "index", &index, fields::MANIFEST);
        }
    }

    /// An image that cannot be read; a config of other types is reported field by field.
    fn unread(&mut self, place: String, config: &Descriptor, error: &SourceError) {
        if matches!(error, SourceError::Document { what: "config", .. })
            && let Ok(config) = read_document(self.source, config, "config", CONFIG_LIMIT)
            && self.fields(&place, "config", &config.bytes, fields::CONFIG) > 0
        {
            return;
        }
        self.found(Finding::error(kind_of(error), place, error_chain::one_line(error)));
    }

    /// A copy of a blob in its descriptor is read instead of it by some clients (image-spec,
    /// descriptor.md, "data").
    fn embedded(&mut self, descriptor: &Descriptor) {
        let data = descriptor.other.get("data").filter(|data| !data.is_null());
        let Some(data) = data else { return };
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
        if source::is_blob(root) {
            self.others.insert(source::phrase(&root.media_type));
            return self.artifact(&place, std::slice::from_ref(root));
        }
        let document = match read_document(self.source, root, "manifest", MANIFEST_LIMIT) {
            Ok(document) => document,
            Err(error) => {
                return self.found(Finding::error(
                    kind_of(&error),
                    place,
                    error_chain::one_line(&error),
                ));
            }
        };
        let wrong = self.fields(&place, "manifest", &document.bytes, fields::MANIFEST);
        match read_manifest(&document) {
            // The fields tell more than the reader of the whole does.
            Err(SourceError::Document { .. }) if wrong > 0 => {}
            Err(error) => {
                self.found(Finding::error(Kind::Document, place, error_chain::one_line(&error)));
            }
            Ok(Manifest::Index(entries)) => {
                if let Err(error) = source::check_depth(root, depth) {
                    return self.found(Finding::error(
                        Kind::Document,
                        place,
                        error_chain::one_line(&error),
                    ));
                }
                for message in entries.iter().filter_map(|entry| entry.warning("the index")) {
                    self.found(Finding::warning(&place, message));
                }
                let entries: Vec<_> = entries.iter().filter_map(IndexEntry::read).collect();
                self.indexes.insert(root.digest, entries.iter().map(|e| e.digest).collect());
                for entry in entries {
                    self.root(entry, depth + 1);
                }
            }
            Ok(Manifest::Artifact { kind, blobs }) => {
                self.others.insert(kind);
                self.artifact(&place, &blobs);
            }
            Ok(Manifest::Image { config, .. }) => match read_image(self.source, root) {
                Ok(image) => self.keep(root, image),
                Err(error) => self.unread(place, &config, &error),
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
            let read = source::VerifyingReader::new(self.source, blob).and_then(|mut checked| {
                std::io::copy(&mut checked, &mut std::io::sink())
                    .map_err(|e| source::read_error(self.source, blob.digest, e))
            });
            if let Err(error) = read {
                self.found(Finding::error(kind_of(&error), place, error_chain::one_line(&error)));
            }
        }
    }

    fn keep(&mut self, root: &Descriptor, image: ResolvedImage) {
        let layers = image.layers.iter().map(|layer| &layer.descriptor);
        layers.chain([&image.config.descriptor]).for_each(|blob| self.embedded(blob));
        let (own, version) = (&image.parsed.platform, image.parsed.os_version.as_deref());
        self.compare_platform(root, own, version);
        let place = place_of(root);
        self.fields(&place, "config", &image.config.bytes, fields::CONFIG);
        if let Err(error) = source::check_configs(&self.images, &image) {
            return self.found(Finding::error(
                Kind::Document,
                place,
                error_chain::one_line(&error),
            ));
        }
        let documents = [&image.config.bytes, &image.manifest.bytes];
        let memory = documents.map(|bytes| limits::json_memory(bytes)).iter().sum();
        if let Err(error) = self.workspace.take(memory) {
            return self.found(Finding::error(Kind::Limit, place, error.to_string()));
        }
        match self.images.iter_mut().find(|known| known.manifest.bytes == image.manifest.bytes) {
            Some(known) => known.names.extend(image.names),
            None => self.images.push(image),
        }
    }

    /// Another entry for what was followed already.
    fn again(&mut self, root: &Descriptor) {
        let is_same = |image: &&mut ResolvedImage| image.manifest.descriptor.digest == root.digest;
        let Some(image) = self.images.iter_mut().find(is_same) else { return };
        for name in source::names_of(root) {
            if !image.names.contains(&name) {
                image.names.push(name);
            }
        }
        let (own, version) = (image.parsed.platform.clone(), image.parsed.os_version.clone());
        self.compare_platform(root, &own, version.as_deref());
    }

    /// The index decides what an image is for, and each platform has one image.
    fn compare_platform(&mut self, root: &Descriptor, own: &Platform, version: Option<&str>) {
        if let Some(message) = source::contradiction(root.platform.as_ref(), own) {
            self.found(Finding::warning(place_of(root), format!("{message}; the index decides")));
        }
        let Some(top) = self.top.filter(|top| *top != root.digest) else { return };
        let platform = source::label(root, own, version);
        let first = *self.keys.entry((top, platform.clone())).or_insert(root.digest);
        if first != root.digest {
            let message = format!("it has two images for {platform}: {first} and {}", root.digest);
            self.found(Finding::error(Kind::Document, top.to_string(), message));
        }
    }
}

fn place_of(root: &Descriptor) -> String {
    root.digest.to_string()
}

fn image_place(image: &ResolvedImage) -> String {
    match image.names.first() {
        Some(name) => name.clone(),
        None => image.manifest.descriptor.digest.to_string(),
    }
}

/// Whose fault an error is.
fn kind_of(error: &SourceError) -> Kind {
    match error {
        SourceError::Read { .. } | SourceError::Registry(_) => Kind::Unread,
        // A file that is not there was named wrongly; another failure is the disk's.
        SourceError::File(error) if error.source.kind() != io::ErrorKind::NotFound => Kind::Unread,
        SourceError::Document { .. } => Kind::Document,
        _ => Kind::Bytes,
    }
}

#[cfg(test)]
mod tests;
