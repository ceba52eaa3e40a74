//! The smaller pieces of a spec, each checked as it is read.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::name::Tag;
use crate::store_path::{PathInfo, StorePath};

/// What the image runs on, in OCI's words (image-spec, image-index.md, `platform`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, …: Go's names.
    pub architecture: String,
    /// `v8`, …, where the architecture has variants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Default for Platform {
    fn default() -> Self {
        Self { os: "linux".into(), architecture: "amd64".into(), variant: None }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

/// A point in time in whole seconds, not before 1970; RFC 3339 as text. The default is one
/// second past the epoch, which is what Nix gives the files of its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(u64);

impl Time {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

impl Default for Time {
    fn default() -> Self {
        Self(1)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{time}")
    }
}

impl std::str::FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(60).collect();
        let time: jiff::Timestamp = text.parse().map_err(|_| {
            format!("`{shown}` is not a time; write RFC 3339, such as 1970-01-01T00:00:01Z")
        })?;
        u64::try_from(time.as_second()).map(Self).map_err(|_| format!("`{shown}` is before 1970"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

/// Permission bits with setuid, setgid and sticky; `"0644"` as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(u32);

impl Mode {
    /// The twelve bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let octal = (1..=5).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
        match u32::from_str_radix(text, 8) {
            Ok(bits) if octal && bits <= 0o7777 => Ok(Self(bits)),
            _ => {
                let shown: String = text.chars().take(20).collect();
                Err(format!("mode `{shown}` is not octal between 0000 and 7777"))
            }
        }
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{:04o}", self.0))
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

/// A regular file of the image's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The group's number.
    pub gid: u32,
    /// Names of users.
    #[serde(default)]
    pub members: Vec<String>,
}

/// How a closure is split into layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Layering {
    /// Whether the plan minds the other images of the set.
    pub mode: LayeringMode,
    /// At most so many layers, the base's and the image's own files included.
    pub max_layers: u32,
    /// Layers under so many bytes (sum of nar sizes) are merged for good.
    pub min_layer_size: u64,
    /// Names of packages that change often: `python3.12-numpy`.
    pub changes_often: Vec<String>,
    /// Layers that the author wants.
    pub groups: Vec<LayerGroup>,
    /// The other images of the set by name, with their references graphs; read in mode `set`.
    #[serde(deserialize_with = "unique")]
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
            siblings: BTreeMap::new(),
        }
    }
}

/// What a plan may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayeringMode {
    /// On this image alone.
    Image,
    /// On all images of its set, so that they share layers.
    Set,
}

/// A layer that the author asked for by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerGroup {
    /// How plans call it.
    pub name: String,
    /// What is in it; references do not follow by themselves.
    pub paths: Vec<StorePath>,
}

/// How layers are compressed. The same bytes come out for any number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "algorithm", rename_all = "lowercase", deny_unknown_fields)]
pub enum Compression {
    /// Plain tars.
    None {},
    /// What every consumer reads. Levels 1 to 9.
    Gzip {
        /// Default: 6.
        #[serde(default = "gzip_level", deserialize_with = "gzip_range")]
        level: u32,
    },
    /// Smaller and faster; `crane validate` and old umoci cannot read it. Levels 1 to 19.
    Zstd {
        /// Default: 3.
        #[serde(default = "zstd_level", deserialize_with = "zstd_range")]
        level: u32,
    },
}

impl Default for Compression {
    fn default() -> Self {
        Self::Gzip { level: gzip_level() }
    }
}

/// The image that this one is put on: a file or folder by `path`, or what a lock names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(default, deserialize_with = "unique", skip_serializing_if = "BTreeMap::is_empty")]
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

/// OCI writes a set of strings as an object whose values are empty objects.
pub(super) mod set {
    use std::collections::BTreeSet;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Empty {}

    pub(crate) fn serialize<S: Serializer>(
        set: &BTreeSet<String>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        s.collect_map(set.iter().map(|key| (key, Empty {})))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<BTreeSet<String>, D::Error> {
        super::unique::<D, Empty>(d).map(|map| map.into_keys().collect())
    }
}

/// Reads an object and refuses a key that stands twice, as image-spec demands of JSON.
pub(super) fn unique<'de, D, V>(d: D) -> Result<BTreeMap<String, V>, D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de>,
{
    struct Unique<V>(PhantomData<V>);

    impl<'de, V: Deserialize<'de>> Visitor<'de> for Unique<V> {
        type Value = BTreeMap<String, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((key, value)) = access.next_entry::<String, V>()? {
                if map.contains_key(&key) {
                    return Err(A::Error::custom(format!("duplicate field `{key}`")));
                }
                map.insert(key, value);
            }
            Ok(map)
        }
    }

    d.deserialize_map(Unique(PhantomData))
}
