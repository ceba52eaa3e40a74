//! The lock of a base image: which bytes a name meant, for each platform, when somebody looked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::file::{self, FileError};
use crate::image::Descriptor;
use crate::spec::Platform;
use crate::transport::reference::{Reference, ReferenceError};
use crate::transport::source::{Pinned, Source, SourceError, images};

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
    /// The images by platform, such as `linux/amd64`.
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
    ) -> Result<Self, SourceError> {
        let mut platforms = BTreeMap::new();
        for image in images(source, root, None)? {
            let locked = LockedImage {
                manifest: bare(&image.manifest.descriptor),
                config: bare(&image.config.descriptor),
                layers: image.layers.iter().map(|layer| bare(&layer.descriptor)).collect(),
            };
            platforms.insert(image.platform().to_string(), locked);
        }
        Ok(Self { version: VERSION, reference: reference.into(), root: bare(root), platforms })
    }

    /// Reads a lock from a file.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let bytes = file::read(path, LIMIT)?;
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

    /// The image for a platform; `path` is what errors call the lock.
    pub fn image(&self, platform: &Platform, path: &Path) -> Result<&LockedImage, LockError> {
        let without_variant = Platform { variant: None, ..platform.clone() };
        let with_v8 = Platform { variant: Some("v8".into()), ..platform.clone() };
        let mut names = vec![platform.to_string(), without_variant.to_string()];
        if platform.architecture == "arm64" {
            names.push(with_v8.to_string());
        }
        names.iter().find_map(|name| self.platforms.get(name)).ok_or_else(|| LockError::Platform {
            path: path.into(),
            platform: platform.clone(),
            choices: self.platforms.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }
}

impl LockedImage {
    /// All blobs that are needed, each once.
    pub fn blobs(&self) -> BTreeMap<Digest, &Descriptor> {
        let documents = [&self.manifest, &self.config];
        documents.into_iter().chain(&self.layers).map(|blob| (blob.digest, blob)).collect()
    }

    /// The image as a source, its blobs being files.
    pub fn source(&self, reference: &str, blobs: BTreeMap<Digest, PathBuf>) -> Pinned {
        Pinned::new(reference.into(), self.manifest.clone(), blobs)
    }
}

/// A descriptor without what an index says about it.
fn bare(descriptor: &Descriptor) -> Descriptor {
    Descriptor::new(&descriptor.media_type, descriptor.digest, descriptor.size)
}
