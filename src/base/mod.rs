//! The image that another one is put on.
//!
//! A base lies in a layout, an OCI archive or a docker-archive, or is what a lock names: then
//! each of its blobs is a file of its own, as Nix fetches them, or comes from the lock's
//! registry by digest. Before a base is used all of its bytes are checked: digests, sizes and
//! diff ids have to be right. Its layers then pass through untouched; paths and links in them
//! that are odd are warned about, as nothing here unpacks them.
//!
//! What is inherited and how is [`image::inherit`](crate::image::inherit)'s table; how the
//! image's own files meet the base's, `rootfs`'s.

mod lock;

use std::sync::Arc;

use crate::digest::{DiffId, Digest};
use crate::image::Lower;
use crate::layer::Layer;
use crate::report::Reporter;
use crate::rootfs::Below;
use crate::spec::Platform;
use crate::transport::source::{
    self, Source, SourceError, StoredImage, choose, images, unread_layer,
};
use crate::validate::{Finding, Kind, Scan, Tree, scan_layers};

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
    /// A layer that its author keeps elsewhere.
    #[error(
        "layer {digest} of the base image is to be fetched from a place of its own, which cooper \
         does not do; use a base whose layers are all in one place"
    )]
    Foreign {
        /// The layer.
        digest: Digest,
    },
    /// Bytes that did not come, which is not the base's fault.
    #[error("failed to read layer {digest} of the base image: {why}")]
    Unread {
        /// The layer.
        digest: Digest,
        /// The error.
        why: String,
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
    image: StoredImage,
    /// What the lock calls it.
    name: Option<String>,
}

/// A base image that has been read and checked.
#[derive(Debug, Clone)]
pub struct ReadBase {
    /// Its layers, bottom first.
    pub layers: Vec<Layer>,
    /// What the image inherits.
    pub lower: Lower,
    /// What the image's own files meet.
    pub below: Below,
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
        let image = images(&*source, &root, Some(platform))?.into_iter().next();
        let image = image.ok_or_else(|| SourceError::NoSuchImage {
            place: source.name(),
            wanted: platform.to_string(),
            choices: "none".into(),
        })?;
        let base = image.platform();
        if !base.fits(platform) {
            let (place, base, image) = (source.name(), base.clone(), platform.clone());
            return Err(BaseError::Platform { place, base, image });
        }
        if let Some(layer) = image.layers.iter().find(|layer| layer.foreign) {
            return Err(BaseError::Foreign { digest: layer.descriptor.digest });
        }
        Ok(Self { source, image, name })
    }

    /// How many layers it has.
    pub fn layer_count(&self) -> usize {
        self.image.layers.len()
    }

    /// What the image inherits.
    pub fn lower(&self) -> Lower {
        Lower {
            digest: Some(self.image.manifest.descriptor.digest),
            name: self.name.clone(),
            config: self.image.parsed.config.clone(),
            history: self.image.parsed.history.clone(),
            layers: self.layer_count(),
        }
    }

    /// Reads and checks every layer, at most `jobs` at once.
    pub fn read(&self, jobs: usize, reporter: &dyn Reporter) -> Result<ReadBase, BaseError> {
        let wanted: Vec<&source::Layer> = self.image.layers.iter().collect();
        let scans = scan_layers(&*self.source, &wanted, jobs, reporter);
        let mut tree = Tree::default();
        let mut layers = Vec::new();
        let mut warnings = Vec::new();
        for (layer, diff_id) in self.image.layers_with_diff_ids() {
            let digest = layer.descriptor.digest;
            let why = "it could not be read".to_owned();
            let scan = scans.get(&digest).ok_or(BaseError::Layer { digest, why })?;
            check(scan, digest, diff_id)?;
            warnings.extend(scan.findings.iter().cloned());
            warnings.extend(tree.add(&scan.entries));
            let name = format!("layer {} of the base", layers.len() + 1);
            layers.push(unread_layer(&self.source, layer, diff_id, name, scan.tar_size));
        }
        warn(&self.source.name(), &warnings, reporter);
        let directories = tree.directories().into_iter();
        let below = Below {
            links: tree.directory_links(),
            directories: directories.map(|(path, m)| (path, (m.mode, m.uid, m.gid))).collect(),
            files: tree.kept_files(),
        };
        Ok(ReadBase { layers, lower: self.lower(), below })
    }
}

fn check(scan: &Scan, digest: Digest, diff_id: DiffId) -> Result<(), BaseError> {
    for finding in &scan.findings {
        let why = finding.message.clone();
        match finding.kind {
            Kind::Unread => return Err(BaseError::Unread { digest, why }),
            Kind::Bytes => return Err(BaseError::Layer { digest, why }),
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

fn warn(place: &str, findings: &[Finding], reporter: &dyn Reporter) {
    for finding in findings.iter().take(MOST_WARNINGS) {
        let below = if finding.place.is_empty() { "a layer" } else { &finding.place };
        reporter.warn(&format!("base image in `{place}`: {below}: {}", finding.message));
    }
    if findings.len() > MOST_WARNINGS {
        let more = findings.len() - MOST_WARNINGS;
        reporter.warn(&format!(
            "base image in `{place}`: {more} more like these; see `cooper validate`"
        ));
    }
}
