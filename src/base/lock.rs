//! The lock of a base image: which bytes a name meant, for each platform, when somebody looked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest;
use crate::fs;
use crate::fs::FileError;
use crate::image::Descriptor;
use crate::progress::Reporter;
use crate::spec::Platform;
use crate::transport::name::reference::{Reference, ReferenceError};
use crate::transport::source::{LockedSource, Source, SourceError, images};

const VERSION: u64 = 1;
const LIMIT: u64 = 16 << 20;

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not JSON, or a field of another shape.
    #[error("`{path}` is not a base image lock")]
    Json {
        /// The file.
        path: PathBuf,
        /// The place and, where it is in one, the field.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A field with a value that cannot be used.
    #[error("`{field}` in the base image lock `{path}` is `{value}`")]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The reason why it cannot be used.
        source: ReferenceError,
    },
    /// A lock that another cooper wrote.
    #[error(
        "`{path}` is of version {version}, and this cooper reads version {VERSION}; write it anew with `cooper lock`"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// A platform that was not locked.
    #[error("`{path}` has nothing for {platform}; it has {choices}")]
    Platform {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        platform: Platform,
        /// What it has.
        choices: String,
    },
}

/// The one field that all versions have.
#[derive(Deserialize)]
struct Versioned {
    version: Option<u64>,
}

/// What `cooper lock` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Always 1.
    pub version: u64,
    /// The name, as it was given.
    pub reference: String,
    /// What the name meant: an image or an index.
    pub root: Descriptor,
    /// The images by platform, such as `linux/amd64`; of several for one platform, with the version
    /// of their operating system, such as `windows(10.0.17763.1)/amd64`.
    #[serde(deserialize_with = "unique")]
    pub platforms: BTreeMap<String, LockedImage>,
}

/// One image of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedImage {
    /// The manifest.
    pub manifest: Descriptor,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, bottom first.
    pub layers: Vec<Descriptor>,
}

impl Lock {
    /// Looks at what a descriptor leads to, now.
    pub fn of(
        source: &dyn Source,
        reference: &str,
        root: &Descriptor,
        reporter: &dyn Reporter,
    ) -> Result<Self, SourceError> {
        let mut platforms = BTreeMap::new();
        let images = images(source, root, None, reporter)?;
        // Only images for Windows state the version of their system, and there several are usual.
        let is_alone = |platform: &Platform| {
            images.iter().filter(|image| image.platform().is_same(platform)).count() == 1
        };
        for image in &images {
            let locked = LockedImage {
                manifest: bare(&image.manifest.descriptor),
                config: bare(&image.config.descriptor),
                layers: image.layers.iter().map(|layer| bare(&layer.descriptor)).collect(),
            };
            let platform = image.platform();
            let key = if is_alone(platform) { platform.to_string() } else { image.label() };
            platforms.insert(key, locked);
        }
        Ok(Self { version: VERSION, reference: reference.into(), root: bare(root), platforms })
    }

    /// Reads a lock from a file.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let bytes = fs::read(path, LIMIT)?;
        let not_a_lock = |source| LockError::Json { path: path.into(), source };
        // A lock of another version can have other fields.
        let versioned: Option<Versioned> = serde_json::from_slice(&bytes).ok();
        if let Some(version) = versioned.and_then(|lock| lock.version).filter(|v| *v != VERSION) {
            return Err(LockError::Version { path: path.into(), version });
        }
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let lock: Self =
            serde_path_to_error::deserialize(&mut json).map_err(|e| not_a_lock(e.into()))?;
        json.end().map_err(|e| not_a_lock(e.into()))?;
        lock.reference(path)?;
        Ok(lock)
    }

    /// The name that was locked; `path` is what errors call the lock.
    pub fn reference(&self, path: &Path) -> Result<Reference, LockError> {
        self.reference.parse().map_err(|source| LockError::Field {
            path: path.into(),
            field: "reference",
            value: self.reference.clone(),
            source,
        })
    }

    /// The blob of that digest, for any platform.
    pub fn blob(&self, digest: Digest) -> Option<&Descriptor> {
        self.platforms.values().find_map(|image| image.blobs().remove(&digest))
    }

    /// Returns the best image for a platform, as an index has it; `path` is what errors call the
    /// lock.
    pub fn image(&self, platform: &Platform, path: &Path) -> Result<LockedImage, LockError> {
        let ranked = self.platforms.iter().filter_map(|(key, image)| {
            let own: Platform = key.parse().ok()?;
            Some((own.rank_on(platform)?, own, image))
        });
        let (_, own, image) = ranked.max_by(|(a, ..), (b, ..)| a.cmp(b)).ok_or_else(|| {
            let choices = self.platforms.keys().cloned().collect::<Vec<_>>().join(", ");
            LockError::Platform { path: path.into(), platform: platform.clone(), choices }
        })?;
        // The lock says what the index said, whatever the config says.
        let manifest = Descriptor { platform: Some(own), ..image.manifest.clone() };
        Ok(LockedImage { manifest, ..image.clone() })
    }
}

impl LockedImage {
    /// All blobs that are needed, each once.
    pub fn blobs(&self) -> BTreeMap<Digest, &Descriptor> {
        let documents = [&self.manifest, &self.config];
        documents.into_iter().chain(&self.layers).map(|blob| (blob.digest, blob)).collect()
    }

    /// The image as a source, its blobs being files.
    pub fn source(&self, reference: &str, blobs: BTreeMap<Digest, PathBuf>) -> LockedSource {
        LockedSource::new(reference.into(), self.manifest.clone(), blobs)
    }
}

/// Reads the images, each platform once.
fn unique<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, LockedImage>, D::Error> {
    struct Platforms;
    impl<'de> Visitor<'de> for Platforms {
        type Value = BTreeMap<String, LockedImage>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("images by platform")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut read: Self::Value = BTreeMap::new();
            while let Some((key, image)) = map.next_entry::<String, LockedImage>()? {
                let second = image.manifest.digest;
                if let Some(first) = read.insert(key.clone(), image) {
                    let first = first.manifest.digest;
                    let message = format!("platforms has `{key}` twice: {first} and {second}");
                    return Err(A::Error::custom(message));
                }
            }
            Ok(read)
        }
    }
    d.deserialize_map(Platforms)
}

/// A descriptor without what an index says about it.
fn bare(descriptor: &Descriptor) -> Descriptor {
    Descriptor::new(&descriptor.media_type, descriptor.digest, descriptor.size)
}
