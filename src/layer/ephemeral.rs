//! [`EphemeralCache`]: blobs in a temporary directory, for one process.

use std::sync::Arc;

use super::cache::{LayerBytes, LayerCache, LayerRecord, Lookup};
use super::error::LayerError;
use super::key::LayerKey;
use super::stored_file::{KeepAlive, NewBlob, StoredFile};
use crate::fs::TempDir;

/// A cache in a temporary directory. It finds no earlier layers; it is for machines without a home
/// directory and for the library.
#[derive(Debug)]
pub struct EphemeralCache {
    /// Removed when the last blob in it is dropped.
    dir: Arc<TempDir>,
}

impl EphemeralCache {
    /// Creates its directory in the directory for temporary files (`TMPDIR`).
    pub fn new() -> Result<Self, LayerError> {
        Ok(Self { dir: Arc::new(TempDir::new()?) })
    }
}

impl LayerCache for EphemeralCache {
    fn get(&self, _: &LayerKey, _: bool) -> Result<Lookup, LayerError> {
        Ok(Lookup::Miss(None))
    }

    fn create(&self) -> Result<NewBlob, LayerError> {
        let guard: KeepAlive = Arc::clone(&self.dir) as KeepAlive;
        Ok(NewBlob::create(self.dir.path(), &std::env::temp_dir(), Some(guard))?)
    }

    fn put(
        &self,
        _: Option<&LayerKey>,
        record: &LayerRecord,
        bytes: LayerBytes,
    ) -> Result<Option<StoredFile>, LayerError> {
        let LayerBytes::Blob(blob) = bytes else { return Ok(None) };
        Ok(Some(blob.persist(self.dir.path().join(record.digest.hex()))?))
    }
}
