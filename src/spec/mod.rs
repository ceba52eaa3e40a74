//! The contract between Nix and cooper: `spec.json`, version 1.
//!
//! `nix/lib` writes it, and every command that assembles images reads it. It describes an image
//! completely, except for the content of store paths. An unknown field is an error that names the
//! nearest known field.

mod capability;
mod checks;
mod config;
mod fields;
mod name;
mod parse;
mod platform;
mod schema;
mod source_paths;
mod strict_json;
mod time_and_mode;

pub use capability::{Capabilities, CapabilityError};
pub use checks::{Check, Checks};
pub use config::{Config, ConfigError, Healthcheck};
pub use fields::{
    Base, Compression, Directory, File, FileSource, Group, LayerGroup, Layering, LayeringMode, User,
};
pub use name::{ImageName, NameError, Tag};
pub use parse::{SpecError, parse};
pub use platform::{Platform, PlatformError, Rank};
pub use schema::schema;
pub use time_and_mode::{Mode, Time};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store_path::{PathInfo, StorePath};

/// The one version of the contract that this cooper reads.
pub const VERSION: u64 = 1;

/// One image, declared. Paths in the image are absolute; defaults are those of `nix/lib`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// Always [`VERSION`].
    pub version: u64,
    /// The repository's name, without tag: `betrace-backend`.
    pub name: ImageName,
    /// The tags that the finished image gets; they do not change its digest.
    #[serde(default = "fields::latest")]
    pub tags: Vec<Tag>,
    /// What the image runs on.
    #[serde(default, deserialize_with = "strict_json::object")]
    pub platform: Platform,
    /// The config's `created`.
    #[serde(default)]
    pub created: Time,
    /// The modification time of every file in the layers.
    #[serde(default)]
    pub mtime: Time,
    /// Store paths whose trees are linked into `/`, first one first.
    #[serde(default)]
    pub contents: Vec<StorePath>,
    /// Whether the closure itself goes into the image. Without it, `contents` are copied.
    #[serde(default = "fields::yes")]
    pub include_store_paths: bool,
    /// Regular files of the image's own, by path.
    #[serde(default, deserialize_with = "strict_json::unique_objects")]
    pub files: BTreeMap<String, File>,
    /// Directories with their owners and modes, by path.
    #[serde(default, deserialize_with = "strict_json::unique_objects")]
    pub directories: BTreeMap<String, Directory>,
    /// Symbolic links, path to target.
    #[serde(default, deserialize_with = "strict_json::unique")]
    pub symlinks: BTreeMap<String, String>,
    /// Lines of `/etc/passwd`, by name.
    #[serde(default, deserialize_with = "strict_json::unique_objects")]
    pub users: BTreeMap<String, User>,
    /// Lines of `/etc/group`, by name.
    #[serde(default, deserialize_with = "strict_json::unique_objects")]
    pub groups: BTreeMap<String, Group>,
    /// What a runtime does with the image.
    #[serde(default, deserialize_with = "strict_json::object")]
    pub config: Config,
    /// The manifest's annotations.
    #[serde(default, deserialize_with = "strict_json::unique")]
    pub annotations: BTreeMap<String, String>,
    /// How the closure is split.
    #[serde(default, deserialize_with = "strict_json::object")]
    pub layering: Layering,
    /// How layers are compressed.
    #[serde(default)]
    pub compression: Compression,
    /// The image that this one is put on, if any.
    #[serde(default, deserialize_with = "strict_json::optional")]
    pub base: Option<Base>,
    /// What is checked before the image ships, and what is not.
    #[serde(default, deserialize_with = "strict_json::object")]
    pub checks: Checks,
    /// The references graph of everything that `contents`, `files` and `config` name.
    #[serde(default, deserialize_with = "strict_json::objects")]
    pub closure: Vec<PathInfo>,
}
