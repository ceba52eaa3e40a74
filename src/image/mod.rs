//! The finished image: config, manifest and index as bytes that were made once and are kept.
//!
//! The only serialiser of the house is [`crate::json::to_bytes`]; what it made is never made again, so
//! that the bytes that were hashed are the bytes that are sent. Nothing here reads or writes
//! files: `transport` moves images.

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
