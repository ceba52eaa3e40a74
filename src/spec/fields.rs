//! The smaller pieces of a spec, each checked as it is read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::capability::Capabilities;
use super::name::Tag;
use super::strict_json::{objects, unique_lists};
use super::time_and_mode::Mode;
use crate::store_path::{PathInfo, StorePath};

/// A regular file of the image's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What is in it, if it is written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A file in the store (or below a store path) that is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Default: 0644, or 0755 when the source is executable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The owner.
    #[serde(default)]
    pub uid: u32,
    /// The group.
    #[serde(default)]
    pub gid: u32,
    /// What the program may do beyond its user's rights, as `setcap` writes it:
    /// `["cap_net_bind_service=ep"]`. Not with a directory as the source.
    #[serde(default, skip_serializing_if = "Capabilities::is_empty")]
    pub capabilities: Capabilities,
}

/// Where a [`File`]'s bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSource<'a> {
    /// The spec itself.
    Text(&'a str),
    /// A path in the store.
    Path(&'a str),
}

impl File {
    /// The one source; `None` when there are none or two.
    pub fn content(&self) -> Option<FileSource<'_>> {
        match (&self.text, &self.source) {
            (Some(text), None) => Some(FileSource::Text(text)),
            (None, Some(path)) => Some(FileSource::Path(path)),
            _ => None,
        }
    }
}

/// A directory with its owner and mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Default: 0755.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The owner.
    #[serde(default)]
    pub uid: u32,
    /// The group.
    #[serde(default)]
    pub gid: u32,
}

/// A line of `/etc/passwd`, without its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's first group.
    pub gid: u32,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// The home directory.
    #[serde(default = "root_dir")]
    pub home: String,
    /// The login shell.
    #[serde(default = "nologin")]
    pub shell: String,
}

/// A line of `/etc/group`, without its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The group's number.
    pub gid: u32,
    /// Names of users.
    #[serde(default)]
    pub members: Vec<String>,
}

/// How a closure is split into layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Layering {
    /// Whether the plan minds the other images of the set.
    pub mode: LayeringMode,
    /// Maximum number of layers, including the base image's and the layer of own files.
    #[schemars(range(min = 1, max = 125))]
    pub max_layers: u32,
    /// Minimum size of a layer in bytes (sum of NAR sizes); smaller layers are merged.
    pub min_layer_size: u64,
    /// Names of packages that change often: `python3.12-numpy`.
    pub changes_often: Vec<String>,
    /// Layers that the author wants.
    #[serde(deserialize_with = "objects")]
    pub groups: Vec<LayerGroup>,
    /// Layers of an earlier plan, bottom first, as names of packages: what they name stays where
    /// it was. One image's entry of a `layers.lock.json`.
    pub lock: Vec<Vec<String>>,
    /// The other images of the set by name, with their references graphs; read in mode `set`.
    #[serde(deserialize_with = "unique_lists")]
    pub siblings: BTreeMap<String, Vec<PathInfo>>,
}

impl Default for Layering {
    fn default() -> Self {
        Self {
            mode: LayeringMode::Image,
            max_layers: 60,
            min_layer_size: 0,
            changes_often: Vec::new(),
            groups: Vec::new(),
            lock: Vec::new(),
            siblings: BTreeMap::new(),
        }
    }
}

impl Layering {
    /// The other images that the plan minds, by name, with their references graphs: those of the
    /// set, or none.
    pub fn others(&self) -> impl Iterator<Item = (&str, &[PathInfo])> {
        let minds = self.mode == LayeringMode::Set;
        let siblings = self.siblings.iter().filter(move |_| minds);
        siblings.map(|(name, graph)| (name.as_str(), graph.as_slice()))
    }
}

/// What a plan may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LayeringMode {
    /// On this image alone.
    Image,
    /// On all images of its set, so that they share layers.
    Set,
}

/// A layer that the author asked for by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerGroup {
    /// How plans call it.
    pub name: String,
    /// What is in it; references do not follow by themselves.
    pub paths: Vec<StorePath>,
}

/// How layers are compressed. The same bytes come out for any number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "algorithm", rename_all = "lowercase", deny_unknown_fields)]
pub enum Compression {
    /// Plain tars.
    None {},
    /// What every consumer reads. Levels 1 to 9.
    Gzip {
        /// Default: 6.
        #[serde(default = "gzip_level", deserialize_with = "gzip_range")]
        #[schemars(range(min = 1, max = 9))]
        level: u32,
    },
    /// Smaller and faster; `crane validate` and old umoci cannot read it. Levels 1 to 19.
    Zstd {
        /// Default: 3.
        #[serde(default = "zstd_level", deserialize_with = "zstd_range")]
        #[schemars(range(min = 1, max = 19))]
        level: u32,
    },
}

impl Default for Compression {
    fn default() -> Self {
        Self::Gzip { level: gzip_level() }
    }
}

/// The base image: an archive or layout at `path`, or the image that a lock names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// An OCI layout, an OCI archive or a docker-archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Which image of it: a tag or an `org.opencontainers.image.ref.name`; needed when there
    /// are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// A file that `cooper lock` wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// The blobs that the lock names, as files, by digest. What is missing here is fetched from
    /// the lock's registry.
    #[serde(
        default,
        deserialize_with = "crate::spec::strict_json::unique",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub blobs: BTreeMap<String, String>,
}

pub(super) fn latest() -> Vec<Tag> {
    "latest".parse().into_iter().collect()
}

pub(super) fn yes() -> bool {
    true
}

fn root_dir() -> String {
    "/".into()
}

fn nologin() -> String {
    "/sbin/nologin".into()
}

fn gzip_level() -> u32 {
    6
}

fn zstd_level() -> u32 {
    3
}

fn gzip_range<'de, D: Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
    level_up_to(d, "gzip", 9)
}

fn zstd_range<'de, D: Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
    level_up_to(d, "zstd", 19)
}

fn level_up_to<'de, D: Deserializer<'de>>(d: D, name: &str, most: u32) -> Result<u32, D::Error> {
    let level = u32::deserialize(d)?;
    match (1..=most).contains(&level) {
        true => Ok(level),
        false => Err(D::Error::custom(format!("{name} has levels 1 to {most}, not {level}"))),
    }
}
