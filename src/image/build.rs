//! From layers and a spec to the two documents of an image.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::base_config;
use super::base_config::BaseConfig;
use super::types::{
    Descriptor, Document, History, HistoryEntry, ImageConfig, ImageManifest, MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_MANIFEST, RootFs, RuntimeConfig,
};
use crate::digest::{DiffId, Digest};
use crate::layer::Layer;
use crate::spec::{ImageName, Platform, Spec, Tag};

/// What made a layer, in the history of every image.
pub const CREATED_BY: &str = "cooper";

/// The largest manifest that registries take.
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;
/// The largest config that cooper reads and writes. A history and labels have some kilobytes.
pub const MAX_CONFIG_BYTES: u64 = 8 << 20;

/// Why no image could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// An index of nothing.
    #[error("an index needs at least one image")]
    EmptyIndex,
    /// Images that do not belong together.
    #[error("an index has one name, and its images are called `{0}` and `{1}`")]
    TwoNames(ImageName, ImageName),
    /// Images that ask for different tags, of which the index would get one's.
    #[error("an index has the same tags for all its images, and those of `{0}` have {1} and {2}")]
    TwoTags(ImageName, String, String),
    /// Images between which no client could choose.
    #[error(
        "two images of `{name}` run on {platform}: {first} and {second}; an index has one image \
         for a platform"
    )]
    TwoOfAPlatform {
        /// The images' name.
        name: ImageName,
        /// Their platform.
        platform: Platform,
        /// The manifest of the first.
        first: Digest,
        /// The manifest of the second.
        second: Digest,
    },
    /// A base whose config has fields of another shape than Docker's and OCI's.
    #[error("the config of the base of `{image}` cannot be inherited")]
    BaseConfig {
        /// The image's name.
        image: ImageName,
        /// serde's words.
        source: serde_json::Error,
    },
    /// A document that is larger than readers take.
    #[error("the {document} of `{image}` would have {size} bytes; at most {most} are possible")]
    TooLarge {
        /// `config` or `manifest`.
        document: &'static str,
        /// The image's name.
        image: ImageName,
        /// The number of bytes.
        size: u64,
        /// The largest number.
        most: u64,
    },
    /// A value that has no JSON; a mistake of cooper's.
    #[error("failed to write the {document} of `{image}` as json")]
    Json {
        /// `config` or `manifest`.
        document: &'static str,
        /// The image's name.
        image: ImageName,
        /// serde's words.
        source: serde_json::Error,
    },
}

/// An image, whole: two documents and its layers. Its digest is the manifest's.
#[derive(Debug, Clone)]
pub struct Image {
    /// The repository's name.
    pub name: ImageName,
    /// The tags that it shall get; no part of the digest.
    pub tags: Vec<Tag>,
    /// What it runs on.
    pub platform: Platform,
    /// The manifest.
    pub manifest: Document,
    /// The configuration.
    pub config: Document,
    /// The layers, bottom first, as in the manifest.
    pub layers: Vec<Layer>,
}

impl Image {
    /// The sum of the layers' blobs, in bytes: what a client without any of them pulls.
    pub fn blob_size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.blob_size).sum()
    }
}

/// Makes the config and the manifest; `layers` are the base's, if there is one, and the image's
/// own above them.
pub fn build(
    spec: &Spec,
    lower: Option<&BaseConfig>,
    layers: Vec<Layer>,
) -> Result<Image, ImageError> {
    let config = config(spec, lower, &layers)?;
    let manifest = manifest(spec, lower, &config, &layers)?;
    Ok(Image {
        name: spec.name.clone(),
        tags: spec.tags.clone(),
        platform: spec.platform.clone(),
        manifest,
        config,
        layers,
    })
}

fn config(
    spec: &Spec,
    lower: Option<&BaseConfig>,
    layers: &[Layer],
) -> Result<Document, ImageError> {
    let above = layers.iter().skip(lower.map_or(0, |lower| lower.layers));
    let names = above.map(|layer| layer.name.clone()).collect();
    write_config(spec, lower, names, layers.iter().map(|layer| layer.diff_id).collect())
}

/// The config before any layer is made, where every layer is that of nothing: as many bytes as
/// the real one has, and others only where the spec, the base or the names of layers are others.
pub fn draft_config(
    spec: &Spec,
    lower: Option<&BaseConfig>,
    layers: Vec<String>,
) -> Result<Document, ImageError> {
    let count = lower.map_or(0, |lower| lower.layers) + layers.len();
    write_config(spec, lower, layers, vec![DiffId::of(&[]); count])
}

/// What of the image's config comes from its base, by OCI's names: whole fields, and of lists
/// and sets the entries that are not the image's own.
pub fn inherited(spec: &Spec, lower: &BaseConfig) -> Result<Map<String, Value>, ImageError> {
    base_config::taken(lower, &spec.config)
        .map_err(|source| ImageError::BaseConfig { image: spec.name.clone(), source })
}

fn write_config(
    spec: &Spec,
    lower: Option<&BaseConfig>,
    names: Vec<String>,
    diff_ids: Vec<DiffId>,
) -> Result<Document, ImageError> {
    let created = spec.created.to_string();
    let own = |name| {
        HistoryEntry::Own(History {
            created: created.clone(),
            created_by: CREATED_BY.into(),
            comment: Some(name),
        })
    };
    let (config, unknown) = match lower {
        None => (spec.config.clone(), BTreeMap::new()),
        Some(lower) => base_config::config(lower, &spec.config)
            .map_err(|source| ImageError::BaseConfig { image: spec.name.clone(), source })?,
    };
    let below = lower.map(base_config::history).unwrap_or_default();
    let history = below.into_iter().map(HistoryEntry::Base);
    let value = ImageConfig {
        created: created.clone(),
        platform: spec.platform.clone(),
        config: RuntimeConfig { config, unknown },
        rootfs: RootFs { kind: "layers".into(), diff_ids },
        history: history.chain(names.into_iter().map(own)).collect(),
    };
    let document = Document::new(MEDIA_TYPE_CONFIG, &value);
    checked(spec, "config", document, MAX_CONFIG_BYTES)
}

fn checked(
    spec: &Spec,
    document: &'static str,
    made: serde_json::Result<Document>,
    most: u64,
) -> Result<Document, ImageError> {
    let image = || spec.name.clone();
    let made = made.map_err(|source| ImageError::Json { document, image: image(), source })?;
    match made.descriptor.size {
        size if size > most => Err(ImageError::TooLarge { document, image: image(), size, most }),
        _ => Ok(made),
    }
}

fn manifest(
    spec: &Spec,
    lower: Option<&BaseConfig>,
    config: &Document,
    layers: &[Layer],
) -> Result<Document, ImageError> {
    let digest = lower.and_then(|lower| lower.digest).map(|digest| digest.to_string());
    let name = lower.and_then(|lower| lower.name.clone());
    let base = [("digest", digest), ("name", name)]
        .into_iter()
        .filter_map(|(key, value)| Some((format!("org.opencontainers.image.base.{key}"), value?)));
    let mut annotations: BTreeMap<String, String> = base.collect();
    annotations.extend(spec.annotations.clone());
    let value = ImageManifest {
        schema_version: 2,
        media_type: MEDIA_TYPE_MANIFEST.into(),
        config: config.descriptor.clone(),
        layers: layers.iter().map(Descriptor::of_layer).collect(),
        annotations,
    };
    checked(spec, "manifest", Document::new(MEDIA_TYPE_MANIFEST, &value), MAX_MANIFEST_BYTES)
}
