//! A cache that lives as long as the process.

use std::sync::Arc;

use super::cache::{LayerBytes, LayerCache, LayerRecord, Lookup};
use super::error::LayerError;
use super::key::LayerKey;
use super::stored_file::{KeepAlive, NewBlob, StoredFile};
use crate::fs::TempDir;

/// A store that lives as long as this process needs it, for machines without a home.
#[derive(Debug)]
pub struct EphemeralCache {
    /// Goes away with the last blob in it.
    dir: Arc<TempDir>,
}

impl EphemeralCache {
    /// Makes a folder in the system's folder for such (`TMPDIR`).
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
