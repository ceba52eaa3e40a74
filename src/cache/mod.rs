//! Layers that were made before, on disk, by what they were made of.
//!
//! ```text
//! v<version>/lock            held shared by who uses the cache, alone by who removes from it
//! v<version>/layers/<key>    what is known of a layer; its modification time is its last use
//! v<version>/blobs/<digest>  a compressed layer
//! v<version>/tmp/            files that are being written; <key>.lock is held by who makes a layer
//! ```
//!
//! Any number of processes may use one cache. Files appear under their names whole, by a rename;
//! one lock serves removing, and one a layer keeps two from making it. Nothing is made durable: a
//! record says in which life of the machine its blob was last seen whole and as which file, and
//! anything else is hashed before it is believed. So a crash, a flipped byte or a cut file costs
//! one layer's work and nothing more. Where the damage is found only when a blob is read, its record
//! is removed, with a warning, and the command does its work once more.
//! A plain layer has no blob. Its record says how the store paths looked when they were hashed and
//! in which life of the machine; whoever reads the layer looks at them again, and unless all is as
//! it was hashes them and writes down how they look now.
//! A layout on the same file system may share a blob: that it comes or goes changes nothing here,
//! what is removed here stays there, and who writes to it there damages it here.
//!
//! A cache that cannot be written to is read, and what cannot even be read is passed over. Where its
//! disk is full, layers are made elsewhere, and the one that found no room is made again. One that
//! other users can write to is refused: who can put a blob there decides what is in the image. A
//! cooper whose records look different has another version, and so another folder.

mod build_lock;
mod dir;
mod gc;
mod lookup;
mod record;
#[cfg(test)]
mod tests;
mod verify;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

pub use gc::{Info, RemovedFiles};
pub use verify::Verified;

use crate::fs;
use crate::fs::{FileError, UnsafePermissions};
use crate::layer::{
    BuildLock, EphemeralCache, KeepAlive, LayerBytes, LayerCache, LayerError, LayerKey,
    LayerRecord, Lookup, NewBlob, StoredFile,
};
use crate::progress::{NullReporter, Reporter};
use build_lock::LockAttempt;
use dir::{boot_id, check_permissions, create_dirs, open_lock};
use record::{CacheRecord, Evicted, Seen, Witness};

/// How many bytes a cache holds unless told otherwise.
const DEFAULT_LIMIT: u64 = 20 << 30;

/// Of this form of the cache: another form gets the next number.
const VERSION: u32 = 3;

const DIRS: [&str; 3] = ["layers", "blobs", "tmp"];

/// The folder of the cache in `dir` that this cooper uses, and no cooper whose records look
/// different.
pub fn folder(dir: &Path) -> PathBuf {
    dir.join(format!("v{VERSION}"))
}

/// Why a cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// Somebody else's cache, or anybody's.
    #[error("the cache `{path}` {why}")]
    UnsafePermissions {
        /// The folder.
        path: PathBuf,
        /// Who can change what is in it.
        why: UnsafePermissions,
    },
}

/// A cache on disk.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    /// The size that it is kept below, if somebody asked for one.
    size_limit: Option<u64>,
    /// Nothing in a read-only cache that nobody ever locked can go away.
    lock: Option<Arc<File>>,
    writable: bool,
    /// Whether its disk has no room.
    full: AtomicBool,
    /// Whether somebody has removed it, or taken it away, since it was opened.
    removed: AtomicBool,
    /// Whether all store paths are what is registered of them: what was made of others is passed
    /// over then.
    verified: bool,
    /// Whether something may have to go: something was added, or whoever uses it asked for a limit.
    /// Else nobody looks how full it is, which takes a look at every file: a cache that others let
    /// grow stays as it is until there is more of it.
    gc_on_drop: AtomicBool,
    boot: String,
    /// Takes new blobs when the cache cannot.
    fallback: OnceLock<EphemeralCache>,
    /// Entries whose bytes were wrong when they were read.
    evicted: Arc<Evicted>,
    /// Hears of what is hashed and of what is waited for.
    reporter: Arc<dyn Reporter>,
}

impl Cache {
    /// Opens the cache in `dir`, making it if there is none; it is kept below as many bytes as are
    /// asked for, by default 20 GiB. Who asks has it made smaller by using it, and others only by
    /// adding to it.
    pub fn open(dir: &Path, size_limit: Option<u64>) -> Result<Self, CacheError> {
        let home = folder(dir);
        let (writable, full) = match create_dirs(&home) {
            Ok(()) => (true, false),
            Err(error) if is_read_only(&error.source) || is_full(&error) => {
                (false, is_full(&error))
            }
            Err(error) => return Err(error.into()),
        };
        check_permissions(dir)?;
        for folder in DIRS.map(|name| home.join(name)).iter().chain([&home]) {
            check_permissions(folder)?;
        }
        let (writable, full, lock) = match open_lock(&home.join("lock"), writable) {
            Err(error) if is_full(&error) => (false, true, None),
            lock => (writable, full, lock?),
        };
        if let Some(lock) = &lock {
            fs::lock(lock, &home.join("lock"), fs::LockMode::Shared)?;
        }
        Ok(Self {
            dir: home,
            size_limit,
            lock: lock.map(Arc::new),
            writable,
            full: AtomicBool::new(full),
            removed: AtomicBool::new(false),
            verified: false,
            gc_on_drop: AtomicBool::new(false),
            boot: boot_id(),
            fallback: OnceLock::new(),
            evicted: Arc::default(),
            reporter: Arc::new(NullReporter),
        })
    }

    /// Tells of what takes long: hashing blobs, and waiting for other processes.
    #[must_use]
    pub fn with_reporter(mut self, reporter: Arc<dyn Reporter>) -> Self {
        self.reporter = reporter;
        if self.full.load(Ordering::Relaxed) {
            self.reporter.warn(&self.no_space());
        }
        self
    }

    /// Says that the store paths of all layers were just compared with what is registered.
    /// Whatever was made without that may have been made while one was damaged.
    #[must_use]
    pub fn verified_only(mut self) -> Self {
        self.verified = true;
        self
    }

    fn no_space(&self) -> String {
        let dir = self.dir.display();
        format!(
            "no space left for the cache in `{dir}`; `cooper cache gc` with a smaller \
             `--cache-size` makes some, `--cache` names another folder"
        )
    }

    /// Whether new blobs go elsewhere.
    fn is_read_only(&self) -> bool {
        !self.writable || self.full.load(Ordering::Relaxed) || self.removed.load(Ordering::Relaxed)
    }

    fn limit(&self) -> u64 {
        self.size_limit.unwrap_or(DEFAULT_LIMIT)
    }

    fn layer_path(&self, key: &str) -> PathBuf {
        self.dir.join("layers").join(key)
    }

    fn blob_path(&self, hex: &str) -> PathBuf {
        self.dir.join("blobs").join(hex)
    }

    fn temps(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    fn guard(&self) -> Option<KeepAlive> {
        self.lock.as_ref().map(|lock| Arc::clone(lock) as KeepAlive)
    }

    fn fallback(&self) -> Result<&EphemeralCache, LayerError> {
        if let Some(store) = self.fallback.get() {
            return Ok(store);
        }
        let store = EphemeralCache::new()?;
        Ok(self.fallback.get_or_init(|| store))
    }

    /// What became of what was to be kept elsewhere, as this takes nothing.
    fn fallback_error<T>(&self, kept: Result<T, LayerError>) -> Result<T, LayerError> {
        kept.map_err(|error| match error {
            LayerError::File(source) => LayerError::NoStorage {
                store: self.dir.clone(),
                is_full: self.full.load(Ordering::Relaxed),
                fallback: std::env::temp_dir(),
                source,
            },
            error => error,
        })
    }

    /// Waits for whoever is making this layer, if it may.
    fn claim(&self, key: &str, may_wait: bool) -> LockAttempt {
        if !self.writable {
            return LockAttempt::Unclaimed;
        }
        let path = self.temps().join(format!("{key}.lock"));
        match LockAttempt::of(path.clone(), false) {
            LockAttempt::InUse if may_wait => {
                let what = "waiting for another process that makes a layer";
                let _task = self.reporter.start(what, None);
                LockAttempt::of(path, true)
            }
            asked => asked,
        }
    }

    fn store(
        &self,
        key: Option<&LayerKey>,
        record: &LayerRecord,
        bytes: LayerBytes,
    ) -> Result<Option<StoredFile>, FileError> {
        let path = self.blob_path(&record.digest.hex());
        let (kept, seen) = match bytes {
            LayerBytes::Blob(blob) => {
                remove_dir_at(&path)?;
                let kept = blob.persist(path.clone())?;
                (Some(kept), Witness::of(&path, &self.boot)?.map(Seen::Blob))
            }
            LayerBytes::Plain(digest) => (None, Some(Seen::of_plain(digest, &self.boot))),
        };
        self.gc_on_drop.store(true, Ordering::Relaxed);
        if let (Some(key), Some(seen)) = (key, seen) {
            let path = self.layer_path(&key.hex());
            remove_dir_at(&path)?;
            let entry = CacheRecord { record: *record, seen, verified: self.verified };
            match entry.write(&path, &self.temps()) {
                Err(error) if is_full(&error) => self.full.store(true, Ordering::Relaxed),
                Err(error) if is_removed(&error) => self.removed.store(true, Ordering::Relaxed),
                written => written?,
            }
            self.evicted.remove(&path);
        }
        Ok(kept)
    }
}

impl LayerCache for Cache {
    fn get(&self, key: &LayerKey, may_wait: bool) -> Result<Lookup, LayerError> {
        let key = key.hex();
        // Only who uses the cache makes it smaller, and not who looks at it.
        self.gc_on_drop.fetch_or(self.size_limit.is_some(), Ordering::Relaxed);
        if let found @ Lookup::Hit(..) = self.look_up(&key) {
            return Ok(found);
        }
        let claim: BuildLock = match self.claim(&key, may_wait) {
            LockAttempt::Granted(claimed) => Some(Box::new(claimed)),
            LockAttempt::Unclaimed => None,
            LockAttempt::InUse => return Ok(Lookup::InProgress),
            LockAttempt::Late(error) => return Err(error.into()),
        };
        // Somebody else may have made or mended it meanwhile.
        Ok(match self.look_up(&key) {
            Lookup::Miss(_) => Lookup::Miss(claim),
            Lookup::Damaged(why, _) => Lookup::Damaged(why, claim),
            found => found,
        })
    }

    fn create(&self) -> Result<NewBlob, LayerError> {
        if self.is_read_only() {
            return self.fallback_error(self.fallback().and_then(LayerCache::create));
        }
        let temps = self.temps();
        Ok(NewBlob::create(&temps, &temps, self.guard())?)
    }

    fn put(
        &self,
        key: Option<&LayerKey>,
        record: &LayerRecord,
        bytes: LayerBytes,
    ) -> Result<Option<StoredFile>, LayerError> {
        let in_fallback = matches!(&bytes, LayerBytes::Blob(blob) if blob.place() != self.temps());
        if !self.writable || in_fallback {
            return self
                .fallback_error(self.fallback().and_then(|store| store.put(key, record, bytes)));
        }
        Ok(self.store(key, record, bytes)?)
    }

    fn has_evicted(&self) -> bool {
        self.evicted.take_new()
    }

    fn fallback_reason(&self, error: FileError) -> Result<String, LayerError> {
        if is_full(&error) && error.path.starts_with(&self.dir) {
            self.full.store(true, Ordering::Relaxed);
            return Ok(self.no_space());
        }
        if is_removed(&error) && error.path.starts_with(&self.dir) {
            self.removed.store(true, Ordering::Relaxed);
            return Ok(format!(
                "the cache directory `{}` was removed while in use",
                self.dir.display()
            ));
        }
        match self.fallback.get() {
            Some(_) if error.path == std::env::temp_dir() => self.fallback_error(Err(error.into())),
            _ => Err(error.into()),
        }
    }
}

/// A file is replaced by the rename that puts another there, so that who reads it meanwhile has the
/// one or the other. A folder is not.
fn remove_dir_at(path: &Path) -> Result<(), FileError> {
    if path.is_dir() { gc::remove(path) } else { Ok(()) }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// What was there, or could be written to, when the cache was opened.
fn is_removed(error: &FileError) -> bool {
    error.source.kind() == io::ErrorKind::NotFound || is_read_only(&error.source)
}

fn is_full(error: &FileError) -> bool {
    matches!(error.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Drop for Cache {
    fn drop(&mut self) {
        if self.writable && self.gc_on_drop.load(Ordering::Relaxed) {
            // Somebody else is using the cache, or is cleaning it: the next process will.
            let _ = self.trim_to_limit();
        }
    }
}
