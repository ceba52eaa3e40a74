//! Layers already made.

use std::path::{Path, PathBuf};

use crate::file::{Context, FileError};
use crate::layer::Store;

/// Bytes.
pub const DEFAULT_LIMIT: u64 = 20_000_000_000;

/// Why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A folder of blobs.
#[derive(Debug)]
pub struct Cache {
    blobs: PathBuf,
}

impl Cache {
    /// Opens or makes it.
    pub fn open(dir: &Path, _limit: u64) -> Result<Self, CacheError> {
        let blobs = dir.join("blobs");
        std::fs::create_dir_all(&blobs).context("create", &blobs)?;
        Ok(Self { blobs })
    }
}

impl Store for Cache {
    fn blobs(&self) -> &Path {
        &self.blobs
    }
}
