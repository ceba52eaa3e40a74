//! The [`LayerCache`] trait: where layers are stored and looked up.

use std::fmt;

use super::error::LayerError;
use super::key::LayerKey;
use super::stored_file::{NewBlob, StoredFile};
use super::trust::Before;
use crate::digest::{DiffId, Digest};
use crate::fs::FileError;

/// The digests and sizes of a built layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerRecord {
    /// The digest of the blob.
    pub digest: Digest,
    /// The diff id of the tar.
    pub diff_id: DiffId,
    /// The size of the blob in bytes.
    pub blob_size: u64,
    /// The size of the tar in bytes.
    pub tar_size: u64,
}

/// The bytes of a built layer, for a cache to store.
#[derive(Debug)]
pub enum LayerBytes {
    /// A compressed blob.
    Blob(NewBlob),
    /// A plain tar, whose bytes the store paths hold; the digest is the tree stamp of its files.
    Plain(Digest),
}

/// The bytes of a layer from a cache.
#[derive(Debug)]
pub enum CachedBytes {
    /// A compressed blob.
    Blob(StoredFile),
    /// A plain tar, generated again from the store paths.
    Plain(Before),
}

/// The result of a lookup.
#[derive(Debug)]
pub enum Lookup {
    /// The cache has the layer.
    Hit(LayerRecord, CachedBytes),
    /// The cache does not have the layer.
    Miss(BuildLock),
    /// The cache has a damaged entry, with the reason.
    Damaged(String, BuildLock),
    /// Another process or thread is building the layer.
    InProgress,
}

/// A lock that keeps other processes from building the same layer. Hold it until
/// [`LayerCache::put`] returns. `None` if the cache has no locks.
pub type BuildLock = Option<Box<dyn fmt::Debug + Send>>;

/// A store of layers. [`build`](super::build) looks up each layer in it and puts new ones into it.
pub trait LayerCache: fmt::Debug + Send + Sync {
    /// Looks up a layer. If another process is building it, waits when `may_wait` is true.
    fn get(&self, key: &LayerKey, may_wait: bool) -> Result<Lookup, LayerError>;

    /// Creates the file for a new blob.
    fn create(&self) -> Result<NewBlob, LayerError>;

    /// Stores the blob of a layer, if it has one, and the record under its key, if it has one.
    /// Returns the file of the blob.
    fn put(
        &self,
        key: Option<&LayerKey>,
        record: &LayerRecord,
        bytes: LayerBytes,
    ) -> Result<Option<StoredFile>, LayerError>;

    /// Returns true if damaged entries were removed since the last call. Work that failed because of
    /// them succeeds when it is repeated.
    fn has_evicted(&self) -> bool {
        false
    }

    /// Decides what follows a failed write. Returns the reason if the cache switched to a fallback
    /// directory and the layer must be built again; otherwise the error, with added context.
    fn fallback_reason(&self, error: FileError) -> Result<String, LayerError> {
        Err(error.into())
    }
}
