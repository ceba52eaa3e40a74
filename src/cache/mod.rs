//! The layer cache on disk: layers of earlier builds by their keys.
//!
//! ```text
//! v<version>/lock            locked shared by every user of the cache, exclusively for removal
//! v<version>/layers/<key>    the record of a layer; its modification time is its last use
//! v<version>/blobs/<digest>  a compressed layer
//! v<version>/tmp/            files in progress; <key>.lock is the build lock of a layer
//! ```
//!
//! Any number of processes may use one cache. Files appear complete, by a rename. One lock protects
//! removal, and a build lock for each layer prevents building it twice. Nothing is synced: a record
//! holds the boot id and the stamp of the blob file when its bytes were last known to be correct,
//! and a blob with another boot id or stamp is hashed before use. So a crash, a flipped byte or a
//! truncated file costs one rebuilt layer. If damage is found only while a blob is read, its record
//! is removed with a warning, and the command repeats its work.
//!
//! A plain layer has no blob. Its record holds the boot id and the tree stamp of its store paths. A
//! reader compares the stamp; if it differs, the reader hashes the store paths and writes the new
//! stamp into the record.
//!
//! A layout on the same file system may share a blob through a hard link. A removal on either side
//! does not affect the other; a write to the layout's file damages the cache.
//!
//! A read-only cache is used for lookups, and unreadable entries are ignored. If the disk is full,
//! new layers go to a temporary directory, and the layer that failed is built again. A cache that
//! other users can write to is refused, because its blobs become the content of images. A different
//! record format has another version number, and so another directory.

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

/// The default size limit in bytes.
const DEFAULT_LIMIT: u64 = 20 << 30;

/// The version of the directory's format.
const VERSION: u32 = 3;

const DIRS: [&str; 3] = ["layers", "blobs", "tmp"];

/// Returns the directory in `dir` for the record format of this version of cooper.
pub fn folder(dir: &Path) -> PathBuf {
    dir.join(format!("v{VERSION}"))
}

/// The error of a cache that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A file system call failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Other users can change the cache.
    #[error("the cache `{path}` {why}")]
    UnsafePermissions {
        /// The directory.
        path: PathBuf,
        /// The users who can change it.
        why: UnsafePermissions,
    },
}

/// A cache on disk.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    /// The size limit that the caller set, if any.
    size_limit: Option<u64>,
    /// `None` for a read-only cache without a lock file, from which no process can remove files.
    lock: Option<Arc<File>>,
    writable: bool,
    /// True if the disk has no space left.
    full: AtomicBool,
    /// True if the directory was removed or became read-only after it was opened.
    removed: AtomicBool,
    /// True if the hashes of all store paths were verified; records of unverified builds are
    /// ignored then.
    verified: bool,
    /// True after a layer was added, or if the caller set a limit. Otherwise the drop does not
    /// measure the cache, which would read the metadata of every file.
    gc_on_drop: AtomicBool,
    boot: String,
    /// Stores new blobs when the cache cannot.
    fallback: OnceLock<EphemeralCache>,
    /// Entries whose bytes were wrong when they were read.
    evicted: Arc<Evicted>,
    /// Gets progress of hashing and of waiting.
    reporter: Arc<dyn Reporter>,
}

impl Cache {
    /// Opens the cache in `dir` and creates it if it does not exist. The limit is 20 GiB by default.
    /// With an explicit limit every build trims the cache; otherwise only a build that adds a layer.
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

    /// Sets the reporter for hashing blobs and for waiting for other processes.
    #[must_use]
    pub fn with_reporter(mut self, reporter: Arc<dyn Reporter>) -> Self {
        self.reporter = reporter;
        if self.full.load(Ordering::Relaxed) {
            self.reporter.warn(&self.no_space());
        }
        self
    }

    /// Ignores records of builds that did not verify their store paths, because such a layer may
    /// have been built from damaged ones. The caller has verified the store paths of this build.
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

    /// Returns true if new blobs go to the fallback cache.
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

    /// Adds the state of the cache to an error of the fallback cache.
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

    /// Takes the build lock of a layer; waits for it if `may_wait`.
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
        // A build trims the cache; `cooper cache info` does not.
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
        // Another process may have stored the layer between the lookup and the lock.
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

/// Removes a directory at a path to which a file will be renamed: a rename replaces files only.
fn remove_dir_at(path: &Path) -> Result<(), FileError> {
    if path.is_dir() { gc::remove(path) } else { Ok(()) }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// Returns true if a directory that was writable at the start is missing or read-only now.
fn is_removed(error: &FileError) -> bool {
    error.source.kind() == io::ErrorKind::NotFound || is_read_only(&error.source)
}

fn is_full(error: &FileError) -> bool {
    matches!(error.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Drop for Cache {
    fn drop(&mut self) {
        if self.writable && self.gc_on_drop.load(Ordering::Relaxed) {
            // After a failure, the next process trims the cache.
            let _ = self.trim_to_limit();
        }
    }
}
