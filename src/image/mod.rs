//! The finished image: config, manifest and index as bytes.
//!
//! [`crate::json::to_bytes`] is the only serializer, and a document is serialized once: the hashed
//! bytes are the bytes that are sent. This module reads and writes no files; `transport` does.

pub mod base_config;
mod build;
mod index;
mod types;

pub use base_config::BaseConfig;
pub use build::{
    CREATED_BY, Image, ImageError, MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, build, draft_config,
    inherited,
};
pub use index::{Index, index};
pub use types::{
    Descriptor, Document, History, HistoryEntry, ImageConfig, ImageIndex, ImageManifest,
    MEDIA_TYPE_CONFIG, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST, RootFs, RuntimeConfig,
};
