//! What building layers asks of the place where they are kept.

use std::fmt;

use super::error::LayerError;
use super::key::LayerKey;
use super::stored_file::{NewBlob, StoredFile};
use super::trust::Before;
use crate::digest::{DiffId, Digest};
use crate::fs::FileError;

/// What is known of a layer once it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerRecord {
    /// Names the blob.
    pub digest: Digest,
    /// Names the tar.
    pub diff_id: DiffId,
    /// The blob's size.
    pub blob_size: u64,
    /// The tar's size.
    pub tar_size: u64,
}

/// A made layer's bytes, for a store.
#[derive(Debug)]
pub enum LayerBytes {
    /// A compressed blob.
    Blob(NewBlob),
    /// A plain tar, made of store paths that are there anyway; names how they looked when they
    /// were hashed.
    Plain(Digest),
}

/// A layer's bytes, from a store.
#[derive(Debug)]
pub enum CachedBytes {
    /// A compressed blob.
    Blob(StoredFile),
    /// A plain tar, to be made anew.
    Plain(Before),
}

/// What a store answers about a key.
#[derive(Debug)]
pub enum Lookup {
    /// The layer was made before.
    Hit(LayerRecord, CachedBytes),
    /// Nothing is known.
    Miss(BuildLock),
    /// It was made before, but what is left of it is broken: says what.
    Damaged(String, BuildLock),
    /// Another process or thread is making it.
    InProgress,
}

/// Whatever keeps others from making the same layer meanwhile; to be held until it is put into
/// the store.
pub type BuildLock = Option<Box<dyn fmt::Debug + Send>>;

/// Where layers are kept. [`build`](super::build) asks it for those that were made before, and
/// puts there what it makes.
pub trait LayerCache: fmt::Debug + Send + Sync {
    /// Looks a layer up. While somebody else is making it, waits if it may.
    fn get(&self, key: &LayerKey, may_wait: bool) -> Result<Lookup, LayerError>;

    /// Starts a blob.
    fn create(&self) -> Result<NewBlob, LayerError>;

    /// Keeps a layer: its blob, if there is one, and under its key, if it has one, what is known
    /// of it. Gives the blob's file.
    fn put(
        &self,
        key: Option<&LayerKey>,
        record: &LayerRecord,
        bytes: LayerBytes,
    ) -> Result<Option<StoredFile>, LayerError>;

    /// Returns true if entries were removed since the last call, because their bytes were wrong when
    /// they were read. Work that failed at them succeeds when it is done again.
    fn has_evicted(&self) -> bool {
        false
    }

    /// Whether a layer that could not be written is to be begun once more, as blobs are written
    /// elsewhere now: says why. Else the error, with what the store knows about it.
    fn fallback_reason(&self, error: FileError) -> Result<String, LayerError> {
        Err(error.into())
    }
}
