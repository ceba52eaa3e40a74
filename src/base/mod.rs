//! Base images: found in a file or through a lock, verified, and read.
//!
//! A base is in a layout, an OCI archive or a Docker archive, or is the image that a lock names. Blobs
//! of a locked base are files, as Nix fetches them, or come from the lock's registry by digest. All
//! bytes of a base are verified before use: digests, sizes and diff ids. Its layers pass through
//! unchanged. Unusual paths and links in them are warnings, because cooper does not unpack them.
//!
//! [`image::base_config`](crate::image::base_config) defines which config fields are inherited;
//! `rootfs` defines how own files are merged with files of the base.

mod accounts;
mod lock;

use std::sync::Arc;

use crate::digest::{DiffId, Digest};
use crate::image::BaseConfig;
use crate::layer::Layer;
use crate::progress::{NullReporter, Reporter};
use crate::rootfs::BaseFilesystem;
use crate::spec::Platform;
use crate::transport::source::{
    self, ResolvedImage, Source, SourceError, choose, images, lazy_layer,
};
use crate::validate::{
    self, Finding, Kind, Limits, OutOfMemory, Scan, Tree, Workspace, scan_layers,
};

pub use lock::{Lock, LockError, LockedImage};

/// Odd paths in a base are shown up to here.
const MOST_WARNINGS: usize = 5;

/// Why a base cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaseError {
    /// It could not be read.
    #[error("failed to read the base image")]
    Source(#[from] SourceError),
    /// A lock that is none, or that does not fit.
    #[error("failed to read the base image's lock")]
    Lock(#[from] LockError),
    /// Another platform than the image's.
    #[error("the base image in `{place}` runs on {base}, and the image on {image}")]
    Platform {
        /// The source.
        place: String,
        /// The base's.
        base: Platform,
        /// The image's.
        image: Platform,
    },
    /// Bytes that did not come, which is not the base's fault.
    #[error("failed to read layer {digest} of the base image: {why}")]
    Unread {
        /// The layer.
        digest: Digest,
        /// The error.
        why: String,
    },
    /// A config that no runtime reads.
    #[error("the config of the base image in `{place}` is unusable: {why}")]
    Config {
        /// The source.
        place: String,
        /// The field, its type, and the type that it must have.
        why: String,
    },
    /// More paths than the memory is for.
    #[error("the base image in `{place}` has too many paths")]
    Memory {
        /// The source.
        place: String,
        /// The limit.
        source: OutOfMemory,
    },
    /// Bytes that are not what they are named.
    #[error("layer {digest} of the base image is unusable: {why}")]
    Layer {
        /// The layer.
        digest: Digest,
        /// What is wrong.
        why: String,
    },
}

/// A base image that has been found, its layers not read yet.
#[derive(Debug, Clone)]
pub struct Base {
    source: Arc<dyn Source>,
    image: ResolvedImage,
    /// What the lock calls it.
    name: Option<String>,
}

/// A base image that has been read and checked.
#[derive(Debug, Clone)]
pub struct LoadedBase {
    /// Its layers, bottom first.
    pub layers: Vec<Layer>,
    /// What the image inherits.
    pub lower: BaseConfig,
    /// What the image's own files meet.
    pub below: BaseFilesystem,
}

impl Base {
    /// Finds the image for a platform: `wanted` names one of several.
    pub fn find(
        source: Arc<dyn Source>,
        wanted: Option<&str>,
        name: Option<String>,
        platform: &Platform,
    ) -> Result<Self, BaseError> {
        let root = choose(&*source, wanted)?;
        let found =
            images(&*source, &root, Some(platform), &NullReporter).map_err(
                |error| match error {
                    SourceError::OtherPlatform { place, own, wanted, .. } => {
                        BaseError::Platform { place, base: own, image: wanted }
                    }
                    error => error.into(),
                },
            )?;
        let image = found.into_iter().next();
        let image = image.ok_or_else(|| SourceError::NoSuchImage {
            place: source.name(),
            wanted: platform.to_string(),
            choices: "none".into(),
        })?;
        if let Some((layer, why)) = image.obstacle() {
            return Err(BaseError::Layer { digest: layer.descriptor.digest, why });
        }
        Ok(Self { source, image, name })
    }

    /// How many layers it has.
    pub fn layer_count(&self) -> usize {
        self.image.layers.len()
    }

    /// What the image inherits.
    pub fn lower(&self) -> BaseConfig {
        BaseConfig {
            digest: Some(self.image.manifest.descriptor.digest),
            name: self.name.clone(),
            config: self.image.parsed.config.clone(),
            history: self.image.parsed.history.clone(),
            layers: self.layer_count(),
        }
    }

    /// Reads and checks the config and every layer.
    pub fn read(&self, limits: Limits, reporter: &dyn Reporter) -> Result<LoadedBase, BaseError> {
        let place = || self.source.name();
        if let Some(why) = validate::config_faults(&self.image.config.bytes).into_iter().next() {
            return Err(BaseError::Config { place: place(), why });
        }
        let workspace = Arc::new(Workspace::new(limits));
        let mut tree = Tree::new(&workspace);
        let mut layers = Vec::new();
        let mut warnings = Warnings::default();
        let all: Vec<(&source::Layer, DiffId)> = self.image.layers_with_diff_ids().collect();
        let wanted: Vec<&source::Layer> = all.iter().map(|(layer, _)| *layer).collect();
        scan_layers(&workspace, &*self.source, &wanted, reporter, |at, scan| {
            let Some((layer, diff_id)) = all.get(at) else { return Ok(()) };
            check(&scan, layer.descriptor.digest, *diff_id)?;
            warnings.add(&scan.findings);
            warnings.add(&tree.add(&scan));
            let name = format!("layer {} of the base", at + 1);
            layers.push(lazy_layer(&self.source, layer, *diff_id, name, scan.tar_size));
            Ok::<_, BaseError>(())
        })?;
        for message in self.image.contradiction().into_iter().chain(self.source.warnings()) {
            reporter.warn(&format!("base image in `{}`: {message}", place()));
        }
        warnings.report(&place(), reporter);
        let full = |source| BaseError::Memory { place: place(), source };
        let directories = tree.directories().map_err(full)?.into_iter();
        let below = BaseFilesystem {
            links: tree.directory_links().map_err(full)?,
            directories: directories.map(|(path, m)| (path, (m.mode, m.uid, m.gid))).collect(),
            accounts: accounts::read(&*self.source, &self.image.layers, &tree)?,
        };
        if let Some((_, target, _)) = tree.entry_at(b"etc").filter(|(_, t, _)| t.starts_with(b"/"))
        {
            let (place, target) = (self.source.name(), String::from_utf8_lossy(&target));
            reporter.warn(&format!(
                "base image in `{place}`: `/etc` is an absolute link to `{}`; containerd 2.2 and \
                 Docker 29 start no container of such an image",
                target.escape_debug()
            ));
        }
        Ok(LoadedBase { layers, lower: self.lower(), below })
    }
}

fn check(scan: &Scan, digest: Digest, diff_id: DiffId) -> Result<(), BaseError> {
    for finding in &scan.findings {
        let why = finding.message.clone();
        match finding.kind {
            Kind::Unread => return Err(BaseError::Unread { digest, why }),
            Kind::Bytes | Kind::Root | Kind::Limit => {
                return Err(BaseError::Layer { digest, why });
            }
            Kind::Document | Kind::Path => {}
        }
    }
    match scan.diff_id {
        Some(actual) if actual == diff_id => Ok(()),
        Some(actual) => {
            let why = format!("its diff id is {actual}, and the base's config says {diff_id}");
            Err(BaseError::Layer { digest, why })
        }
        None => Err(BaseError::Layer { digest, why: "its tar could not be read".into() }),
    }
}

/// Faults of a base that stop nothing: the first few, and the number of all.
#[derive(Debug, Default)]
struct Warnings {
    first: Vec<Finding>,
    count: usize,
}

impl Warnings {
    fn add(&mut self, findings: &[Finding]) {
        let missing = MOST_WARNINGS.saturating_sub(self.first.len());
        self.first.extend(findings.iter().take(missing).cloned());
        self.count += findings.len();
    }

    fn report(&self, place: &str, reporter: &dyn Reporter) {
        for finding in &self.first {
            let below = if finding.place.is_empty() { "a layer" } else { &finding.place };
            reporter.warn(&format!("base image in `{place}`: {below}: {}", finding.message));
        }
        if self.count > self.first.len() {
            let more = self.count - self.first.len();
            reporter.warn(&format!(
                "base image in `{place}`: {more} more like these; see `cooper validate`"
            ));
        }
    }
}
