//! Reads images from layouts, archives and registries.
//!
//! A [`Source`] gives access to bytes. This module interprets them, in one place: documents are
//! verified against their descriptors and against each other before use, and blobs are hashed while
//! they are read. All bytes of a source are untrusted until then.

mod archive;
mod artifact;
mod config;
mod documents;
mod encoding;
mod error;
mod layout;
mod locked;
mod open;
mod platform_label;
mod select;
mod stored;
pub mod tar;
mod verifying_reader;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{self, Read};

use crate::digest::{DiffId, Digest};
use crate::image::{Descriptor, Document};
use crate::spec::Platform;

pub use archive::Archive;
pub(crate) use artifact::phrase;
pub use config::Config;
pub(crate) use documents::{ACCEPTED, is_manifest};
pub use documents::{IndexEntry, Layer, Manifest, Unread, read_manifest};
pub(crate) use documents::{is_blob, is_config};
pub(super) use documents::{parse_entry, parse_index};
pub use encoding::Encoding;
pub(crate) use encoding::{MAX_INFLATED, MAX_RATIO, Magic, most_inflated};
pub use error::SourceError;
pub use layout::Layout;
pub use locked::LockedSource;
pub use open::open_path;
pub(crate) use platform_label::{contradiction, label};
pub use select::{all_images, choose, images};
pub use stored::lazy_layer;
pub use verifying_reader::VerifyingReader;

/// The largest manifest that registries take, and cooper with them.
pub const MANIFEST_LIMIT: u64 = crate::image::MAX_MANIFEST_BYTES;
/// Configs hold a history and labels; a hundred kilobytes are many.
pub const CONFIG_LIMIT: u64 = crate::image::MAX_CONFIG_BYTES;
/// Thousands of images have less together.
const CONFIGS_LIMIT: u64 = 128 << 20;
/// So many indexes may lie one within the other. One in another is rare, in a third a mistake or
/// an attack.
const INDEX_DEPTH: usize = 4;
/// In a layout's index and in annotations: the tag, or the whole name.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// In a layout's index: the whole name, which containerd and Docker read.
pub(crate) const IMAGE_NAME: &str = "io.containerd.image.name";

/// Somewhere that images are read from.
pub trait Source: Debug + Send + Sync {
    /// How messages call it.
    fn name(&self) -> String;

    /// What lies there, by name: images and indexes. Their annotations hold the names.
    fn roots(&self) -> Result<Vec<Descriptor>, SourceError>;

    /// Describes what is listed there and cannot be read, one sentence for each.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// The bytes of a manifest, config or layer. Nothing is checked yet.
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError>;

    /// The document that lists the roots, byte for byte, where there is one.
    fn index_json(&self) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(None)
    }

    /// The same images once more, as Docker's `manifest.json` says them, where a place says them
    /// twice: an archive that is a layout too, of which only older Dockers read this half.
    fn docker_archive(&self) -> Result<Option<Box<dyn Source>>, SourceError> {
        Ok(None)
    }
}

/// An image as it was found: its documents read and checked, its layers known but not read.
#[derive(Debug, Clone)]
pub struct ResolvedImage {
    /// The names that it has there.
    pub names: Vec<String>,
    /// The manifest, byte for byte.
    pub manifest: Document,
    /// The layers, bottom first.
    pub layers: Vec<Layer>,
    /// The configuration, byte for byte.
    pub config: Document,
    /// The same, understood.
    pub parsed: Config,
    /// The platform that an index states, which holds whatever the config says.
    pub stated: Option<Platform>,
}

impl ResolvedImage {
    /// Returns the platform: the index's, or the config's where no index states one.
    pub fn platform(&self) -> &Platform {
        self.stated.as_ref().unwrap_or(&self.parsed.platform)
    }

    /// Returns the platform with the version of its operating system, if that is stated.
    pub fn label(&self) -> String {
        let Config { platform, os_version, .. } = &self.parsed;
        label(&self.manifest.descriptor, platform, os_version.as_deref())
    }

    /// Describes a config that contradicts the index.
    pub fn contradiction(&self) -> Option<String> {
        contradiction(self.stated.as_ref(), &self.parsed.platform)
    }

    /// Returns the first layer whose tar cooper cannot read, with the reason.
    pub fn obstacle(&self) -> Option<(&Layer, String)> {
        self.layers.iter().find_map(|layer| Some((layer, layer.obstacle()?)))
    }

    /// Each layer with the diff id that the config gives it.
    pub fn layers_with_diff_ids(&self) -> impl Iterator<Item = (&Layer, DiffId)> {
        self.layers.iter().zip(self.parsed.diff_ids.iter().copied())
    }
}

/// Reads the document that a descriptor names and checks it against the descriptor.
pub fn read_document(
    source: &dyn Source,
    descriptor: &Descriptor,
    what: &'static str,
    limit: u64,
) -> Result<Document, SourceError> {
    let Descriptor { digest, size, .. } = *descriptor;
    if size > limit {
        return Err(SourceError::TooLarge { what, digest, size, limit });
    }
    let mut bytes = Vec::new();
    let mut checked = VerifyingReader::new(source, descriptor)?;
    checked.read_to_end(&mut bytes).map_err(|error| read_error(source, digest, error))?;
    Ok(Document { descriptor: descriptor.clone(), bytes })
}

/// Tells a wrong blob, which the input is to blame for, from a stream that broke.
pub(crate) fn read_error(source: &dyn Source, digest: Digest, error: io::Error) -> SourceError {
    match error.downcast::<SourceError>() {
        Ok(inner) => inner,
        Err(error) => SourceError::Read { place: source.name(), digest, source: error },
    }
}

/// Reads the manifest and the config that a descriptor leads to.
pub fn read_image(source: &dyn Source, root: &Descriptor) -> Result<ResolvedImage, SourceError> {
    let digest = root.digest;
    let manifest = read_document(source, root, "manifest", MANIFEST_LIMIT)?;
    let (config, layers) = match read_manifest(&manifest)? {
        Manifest::Image { config, layers } => (config, layers),
        Manifest::Artifact { kind, .. } => {
            return Err(SourceError::NotAnImage { what: "manifest", digest, kind });
        }
        Manifest::Index(_) => {
            let why = "it is an index where an image's manifest should be".into();
            return Err(SourceError::Document { what: "manifest", digest, why });
        }
    };
    let config = read_document(source, &config, "config", CONFIG_LIMIT)?;
    let parsed = Config::parse(&config, layers.len())?;
    let stated = root.platform.clone().filter(|platform| !platform.os.is_empty());
    Ok(ResolvedImage { names: names_of(root), manifest, layers, config, parsed, stated })
}

/// Refuses an image more where the documents of those that are kept are too large: many manifests
/// of a few bytes may name one large config.
pub(crate) fn check_configs(
    kept: &[ResolvedImage],
    next: &ResolvedImage,
) -> Result<(), SourceError> {
    let size = |image: &ResolvedImage| {
        image.config.descriptor.size.saturating_add(image.manifest.descriptor.size)
    };
    let sum = kept.iter().chain([next]).map(size).fold(0, u64::saturating_add);
    if sum <= CONFIGS_LIMIT {
        return Ok(());
    }
    let why = format!(
        "with those before it there are {sum} bytes of manifests and configs, more than cooper keeps"
    );
    Err(SourceError::Document { what: "config", digest: next.config.descriptor.digest, why })
}

/// Refuses an index that lies within too many others: `depth` of them.
pub(crate) fn check_depth(index: &Descriptor, depth: usize) -> Result<(), SourceError> {
    if depth < INDEX_DEPTH {
        return Ok(());
    }
    let why = format!("it lies within {depth} others, and cooper follows {INDEX_DEPTH} in all");
    Err(SourceError::Document { what: "index", digest: index.digest, why })
}

/// The names that an entry of an index gives.
pub(crate) fn names_of(descriptor: &Descriptor) -> Vec<String> {
    let name = |key| descriptor.annotations.get(key).cloned();
    name(IMAGE_NAME).or_else(|| name(REF_NAME)).into_iter().collect()
}

/// Describes the entries of an index that are passed over.
pub(crate) fn warnings(entries: &[IndexEntry], place: &str) -> Vec<String> {
    entries.iter().filter_map(|entry| entry.warning(&format!("`{place}`"))).collect()
}

/// An index entry's annotations for a name.
pub(super) fn name_annotations(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(IMAGE_NAME.into(), name.into())])
}

/// What all readers of foreign lists say in their errors, without drowning the reader.
pub(super) fn listed(names: impl IntoIterator<Item = String>) -> String {
    let mut names: Vec<String> = names.into_iter().take(21).collect();
    if names.is_empty() {
        return "none".into();
    }
    if names.len() > 20 {
        names.truncate(20);
        names.push("more".into());
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
