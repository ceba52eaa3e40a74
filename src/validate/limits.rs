//! Limits of one run: memory for paths, and bytes that layers decompress to.
//!
//! All layers of a run take from one [`Workspace`], so that many small layers cost no more than a
//! large one. Memory is an estimate of what the paths, entries and documents of the run take;
//! buffers of threads and of decompressors are not part of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::paths::Paths;

/// The default of [`Limits::memory`].
pub const DEFAULT_MEMORY: u64 = 256 << 20;
/// The default of [`Limits::inflated`].
pub const DEFAULT_INFLATED: u64 = crate::transport::source::MAX_INFLATED;

/// The limits of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The number of layers that are read at the same time.
    pub jobs: usize,
    /// Bytes of memory for paths, entries and documents.
    pub memory: u64,
    /// Bytes that all layers together may decompress to. A run whose blobs are large may
    /// decompress to a multiple of their size instead, if that is more.
    pub inflated: u64,
}

impl Limits {
    /// The default limits for a number of jobs.
    pub fn new(jobs: usize) -> Self {
        Self { jobs, memory: DEFAULT_MEMORY, inflated: DEFAULT_INFLATED }
    }
}

/// More memory is needed than the limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it needs more memory than the limit of {limit} bytes (`--memory-limit`)")]
pub struct OutOfMemory {
    limit: u64,
}

/// State that all layers of a run share.
#[derive(Debug)]
pub struct Workspace {
    limits: Limits,
    used: AtomicU64,
    /// Bytes of blobs read so far, and of the tars that came out of them.
    read: AtomicU64,
    inflated: AtomicU64,
    paths: Mutex<Paths>,
}

impl Workspace {
    /// An empty workspace.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            used: AtomicU64::new(0),
            read: AtomicU64::new(0),
            inflated: AtomicU64::new(0),
            paths: Mutex::default(),
        }
    }

    /// The limits.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes memory from the budget.
    pub fn take(&self, bytes: u64) -> Result<(), OutOfMemory> {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= self.limits.memory {
            return Ok(());
        }
        self.give_back(bytes);
        Err(self.exceeded())
    }

    pub(super) fn exceeded(&self) -> OutOfMemory {
        OutOfMemory { limit: self.limits.memory }
    }

    /// Returns memory to the budget.
    pub fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The paths of the run.
    pub(super) fn paths(&self) -> MutexGuard<'_, Paths> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts bytes of blobs.
    pub(super) fn count_read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes of tars; false if there are more than the limit allows.
    pub(super) fn count_inflated(&self, bytes: u64) -> bool {
        let inflated = self.inflated.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let read = self.read.load(Ordering::Relaxed);
        let most = crate::transport::source::most_inflated(read, self.limits.inflated);
        inflated <= most
    }
}

/// An estimate of the memory that a JSON document takes once it is parsed.
pub(super) fn json_memory(document: &[u8]) -> u64 {
    const VALUE: u64 = 64;
    // An object is a tree of its own, whose first node has room for eleven fields.
    const OBJECT: u64 = 640;
    let memory = |byte: &u8| match byte {
        b'{' => OBJECT,
        b',' | b'[' | b':' => VALUE,
        _ => 0,
    };
    document.len() as u64 + document.iter().map(memory).sum::<u64>()
}
