//! OCI's documents, as cooper writes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digest::{DiffId, Digest};
use crate::json;
use crate::layer::Layer;
use crate::spec::{Config, Platform};

/// An image manifest (image-spec, manifest.md).
pub const MEDIA_TYPE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An image index (image-spec, image-index.md).
pub const MEDIA_TYPE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An image configuration (image-spec, config.md).
pub const MEDIA_TYPE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Names a blob: what it is, its digest and its size (image-spec, descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the bytes are.
    pub media_type: String,
    /// Their SHA-256.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
    /// For an image in an index: what it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Free metadata; `org.opencontainers.image.ref.name` holds the tag in a layout.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What else somebody says of it, such as `artifactType` and `data`.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
    /// The words in which somebody else's index said all this and more, as they stood there.
    #[serde(skip)]
    pub words: Option<Arc<str>>,
}

impl Descriptor {
    /// Names bytes and says nothing more of them; `size` in bytes.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
            other: BTreeMap::new(),
            words: None,
        }
    }

    /// Names a layer's blob.
    pub fn of_layer(layer: &Layer) -> Self {
        Self::new(layer.media_type(), layer.digest, layer.blob_size)
    }
}

/// JSON bytes with the descriptor that names them. Made once, then kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Names the bytes.
    pub descriptor: Descriptor,
    /// The bytes, canonical where cooper made them.
    pub bytes: Vec<u8>,
}

impl Document {
    /// Serialises a value, once.
    pub fn new<T: Serialize>(media_type: &str, value: &T) -> serde_json::Result<Self> {
        Ok(Self::from_bytes(media_type, json::to_bytes(value)?))
    }

    /// Takes bytes that somebody else made.
    pub fn from_bytes(media_type: &str, bytes: Vec<u8>) -> Self {
        let descriptor = Descriptor::new(media_type, Digest::of(&bytes), bytes.len() as u64);
        Self { descriptor, bytes }
    }
}

/// The manifest of one image for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// Always 2.
    pub schema_version: u32,
    /// Always [`MEDIA_TYPE_MANIFEST`].
    pub media_type: String,
    /// The image configuration.
    pub config: Descriptor,
    /// The layers, bottom first.
    pub layers: Vec<Descriptor>,
    /// Free metadata.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Several images under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIndex {
    /// Always 2.
    pub schema_version: u32,
    /// Always [`MEDIA_TYPE_INDEX`].
    pub media_type: String,
    /// The images, in the order in which clients choose.
    pub manifests: Vec<Descriptor>,
    /// Free metadata.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The image configuration: what a runtime does and which layers make the file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageConfig {
    /// RFC 3339.
    pub created: String,
    /// What the image runs on; three fields of this object.
    #[serde(flatten)]
    pub platform: Platform,
    /// What is run, and how.
    pub config: RuntimeConfig,
    /// The layers by diff id.
    pub rootfs: RootFs,
    /// One entry a layer, bottom first; a base's come as they stand.
    pub history: Vec<HistoryEntry>,
}

/// What is run, and how, with fields of a base that cooper does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuntimeConfig {
    /// What cooper knows.
    #[serde(flatten)]
    pub config: Config,
    /// What it keeps.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// A step of an image's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum HistoryEntry {
    /// Of a base, byte for byte.
    Base(Map<String, Value>),
    /// Of the image's own.
    Own(History),
}

/// The layers of an image configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Bottom first.
    pub diff_ids: Vec<DiffId>,
}

/// How a layer came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// RFC 3339.
    pub created: String,
    /// What made it.
    pub created_by: String,
    /// What is in it, as people read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}
