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
//! one layer's work and nothing more.
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

mod claim;
mod housekeeping;
mod older;
mod place;
mod record;
#[cfg(test)]
mod tests;
mod verify;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

pub use housekeeping::{Freed, Info};
pub use older::Older;
pub use verify::Verified;

use crate::file::{self, Exposed, FileError};
use crate::layer::{
    Before, Claim, Guard, Had, Kept, Key, LayerError, Lookup, New, NewBlob, Record, Store,
    TempStore,
};
use crate::report::{Reporter, Silent};
use claim::Asked;
use place::{boot_id, make_folders, open_lock, refuse_exposed};
use record::{Entry, Renewal, Seen, Witness};

/// How many bytes a cache holds unless told otherwise.
const DEFAULT_LIMIT: u64 = 20 << 30;

/// Of this form of the cache: another form gets the next number.
const VERSION: u32 = 2;

const FOLDERS: [&str; 3] = ["layers", "blobs", "tmp"];

/// The folder of the cache in `dir` that this cooper uses, and no cooper whose records look
/// different.
pub fn folder(dir: &Path) -> PathBuf {
    dir.join(name_of(VERSION))
}

fn name_of(version: u32) -> String {
    format!("v{version}")
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
    Exposed {
        /// The folder.
        path: PathBuf,
        /// Who can change what is in it.
        why: Exposed,
    },
}

/// A cache on disk.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    /// The size that it is kept below, if somebody asked for one.
    asked: Option<u64>,
    /// Nothing in a read-only cache that nobody ever locked can go away.
    lock: Option<Arc<File>>,
    writable: bool,
    /// Whether its disk has no room.
    full: AtomicBool,
    /// Whether something may have to go: something was added, or whoever uses it asked for a limit.
    /// Else nobody looks how full it is, which takes a look at every file: a cache that others let
    /// grow stays as it is until there is more of it.
    above: AtomicBool,
    boot: String,
    /// Takes new blobs when the cache cannot.
    elsewhere: OnceLock<TempStore>,
    /// Hears of what is hashed and of what is waited for.
    reporter: Arc<dyn Reporter>,
}

impl Cache {
    /// Opens the cache in `dir`, making it if there is none; it is kept below as many bytes as are
    /// asked for, by default 20 GiB. Who asks has it made smaller by using it, and others only by
    /// adding to it.
    pub fn open(dir: &Path, asked: Option<u64>) -> Result<Self, CacheError> {
        let home = folder(dir);
        let (writable, full) = match make_folders(&home) {
            Ok(()) => (true, false),
            Err(error) if is_read_only(&error.source) || is_full(&error) => {
                (false, is_full(&error))
            }
            Err(error) => return Err(error.into()),
        };
        refuse_exposed(dir)?;
        for folder in FOLDERS.map(|name| home.join(name)).iter().chain([&home]) {
            refuse_exposed(folder)?;
        }
        let (writable, full, lock) = match open_lock(&home.join("lock"), writable) {
            Err(error) if is_full(&error) => (false, true, None),
            lock => (writable, full, lock?),
        };
        if let Some(lock) = &lock {
            file::lock(lock, &home.join("lock"), file::Lock::Shared)?;
        }
        Ok(Self {
            dir: home,
            asked,
            lock: lock.map(Arc::new),
            writable,
            full: AtomicBool::new(full),
            above: AtomicBool::new(false),
            boot: boot_id(),
            elsewhere: OnceLock::new(),
            reporter: Arc::new(Silent),
        })
    }

    /// Tells of what takes long: hashing blobs, and waiting for other processes.
    #[must_use]
    pub fn telling(mut self, reporter: Arc<dyn Reporter>) -> Self {
        self.reporter = reporter;
        self
    }

    fn limit(&self) -> u64 {
        self.asked.unwrap_or(DEFAULT_LIMIT)
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

    fn guard(&self) -> Option<Guard> {
        self.lock.as_ref().map(|lock| Arc::clone(lock) as Guard)
    }

    fn elsewhere(&self) -> Result<&TempStore, LayerError> {
        if let Some(store) = self.elsewhere.get() {
            return Ok(store);
        }
        let store = TempStore::new()?;
        Ok(self.elsewhere.get_or_init(|| store))
    }

    /// What became of what was to be kept elsewhere, as this takes nothing.
    fn nowhere<T>(&self, kept: Result<T, LayerError>) -> Result<T, LayerError> {
        kept.map_err(|error| match error {
            LayerError::File(source) => LayerError::Nowhere {
                store: self.dir.clone(),
                is_full: self.full.load(Ordering::Relaxed),
                elsewhere: std::env::temp_dir(),
                source,
            },
            error => error,
        })
    }

    /// Waits for whoever is making this layer, if it may.
    fn claim(&self, key: &str, may_wait: bool) -> Asked {
        match self.writable {
            true => Asked::of(self.temps().join(format!("{key}.lock")), may_wait),
            false => Asked::Unclaimed,
        }
    }

    fn look_up(&self, key: &str) -> Result<Lookup, FileError> {
        match self.find(key) {
            // Somebody else's, who keeps it for themselves.
            Err(error) if !self.writable && is_read_only(&error.source) => Ok(Lookup::Miss(None)),
            found => found,
        }
    }

    fn find(&self, key: &str) -> Result<Lookup, FileError> {
        let path = self.layer_path(key);
        let entry = match Entry::read(&path)? {
            record::Read::Entry(entry) => entry,
            record::Read::Absent => return Ok(Lookup::Miss(None)),
            record::Read::Damaged => {
                return Ok(Lookup::Damaged(format!("`{}` is damaged", path.display()), None));
            }
        };
        let witness = match &entry.seen {
            Seen::Blob(witness) => witness,
            Seen::Plain(seen) => {
                self.touch(&path);
                // Where the kernel does not tell this life, no record is of it.
                let seen = seen.as_ref().filter(|(_, life)| *life == self.boot);
                let seen = seen.map(|(digest, _)| *digest);
                let (record, temps, boot) = (entry.record, self.temps(), self.boot.clone());
                let renew = Arc::new(Renewal { path, temps, record, boot });
                return Ok(Lookup::Hit(record, Had::Plain(Before { seen, renew })));
            }
        };
        let blob = self.blob_path(&entry.record.digest.hex());
        let look = match Witness::of(&blob, &self.boot)? {
            Some(now) if witness.vouches_for(&now) => {
                self.touch(&path);
                now.look
            }
            Some(now) if self.holds(&blob, &entry.record)? => {
                let look = now.look;
                let seen = Entry { record: entry.record, seen: Seen::Blob(now) };
                if self.writable {
                    // Where that fails it is hashed again next time.
                    let _ = seen.write(&path, &self.temps());
                }
                look
            }
            _ => {
                let why = format!("`{}` is not the blob that was put there", blob.display());
                return Ok(Lookup::Damaged(why, None));
            }
        };
        let kept = Kept { path: blob, look, guard: self.guard() };
        Ok(Lookup::Hit(entry.record, Had::Blob(kept)))
    }

    /// Remembers that an entry was used.
    #[allow(
        clippy::disallowed_methods,
        reason = "which layer was used last is a matter of the clock"
    )]
    fn touch(&self, path: &Path) {
        if self.writable {
            let now = std::time::SystemTime::now();
            // An entry that looks older than it is goes earlier, which costs time only.
            let _ = File::open(path).and_then(|file| file.set_modified(now));
        }
    }

    fn holds(&self, blob: &Path, record: &Record) -> Result<bool, FileError> {
        let what = format!("checking the kept {}", record.digest);
        record::holds(blob, record, &*self.reporter.start(&what, Some(record.blob_size)))
    }

    fn keep(
        &self,
        key: Option<&Key>,
        record: &Record,
        bytes: New,
    ) -> Result<Option<Kept>, FileError> {
        let path = self.blob_path(&record.digest.hex());
        let (kept, seen) = match bytes {
            New::Blob(blob) => {
                make_way(&path)?;
                let kept = blob.persist(path.clone())?;
                (Some(kept), Witness::of(&path, &self.boot)?.map(Seen::Blob))
            }
            New::Plain(digest) => (None, Some(Seen::of_plain(digest, &self.boot))),
        };
        self.above.store(true, Ordering::Relaxed);
        if let (Some(key), Some(seen)) = (key, seen) {
            let path = self.layer_path(&key.hex());
            make_way(&path)?;
            match (Entry { record: *record, seen }).write(&path, &self.temps()) {
                Err(error) if is_full(&error) => self.full.store(true, Ordering::Relaxed),
                written => written?,
            }
        }
        Ok(kept)
    }
}

impl Store for Cache {
    fn get(&self, key: &Key, may_wait: bool) -> Result<Lookup, LayerError> {
        let key = key.hex();
        // Only who uses the cache makes it smaller, and not who looks at it.
        self.above.fetch_or(self.asked.is_some(), Ordering::Relaxed);
        if let found @ Lookup::Hit(..) = self.look_up(&key)? {
            return Ok(found);
        }
        let claim: Claim = match self.claim(&key, may_wait) {
            Asked::Granted(claimed) => Some(Box::new(claimed)),
            Asked::Unclaimed => None,
            Asked::InUse => return Ok(Lookup::Elsewhere),
        };
        // Somebody else may have made or mended it meanwhile.
        Ok(match self.look_up(&key)? {
            Lookup::Miss(_) => Lookup::Miss(claim),
            Lookup::Damaged(why, _) => Lookup::Damaged(why, claim),
            found => found,
        })
    }

    fn create(&self) -> Result<NewBlob, LayerError> {
        if !self.writable || self.full.load(Ordering::Relaxed) {
            return self.nowhere(self.elsewhere().and_then(Store::create));
        }
        let temps = self.temps();
        Ok(NewBlob::create(&temps, &temps, self.guard())?)
    }

    fn put(
        &self,
        key: Option<&Key>,
        record: &Record,
        bytes: New,
    ) -> Result<Option<Kept>, LayerError> {
        let is_elsewhere = matches!(&bytes, New::Blob(blob) if blob.place() != self.temps());
        if !self.writable || is_elsewhere {
            return self.nowhere(self.elsewhere().and_then(|store| store.put(key, record, bytes)));
        }
        Ok(self.keep(key, record, bytes)?)
    }

    fn goes_elsewhere(&self, error: FileError) -> Result<String, LayerError> {
        let dir = self.dir.display();
        if is_full(&error) && error.path.starts_with(&self.dir) {
            self.full.store(true, Ordering::Relaxed);
            return Ok(format!(
                "there is no room for the cache in `{dir}`; `cooper cache gc` with a smaller \
                 `--cache-size` makes some, `--cache` names another folder"
            ));
        }
        match self.elsewhere.get() {
            Some(_) if error.path == std::env::temp_dir() => self.nowhere(Err(error.into())),
            _ => Err(error.into()),
        }
    }
}

/// A file is replaced by the rename that puts another there, so that who reads it meanwhile has the
/// one or the other. A folder is not.
fn make_way(path: &Path) -> Result<(), FileError> {
    if path.is_dir() { housekeeping::remove(path) } else { Ok(()) }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

fn is_full(error: &FileError) -> bool {
    matches!(error.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Drop for Cache {
    fn drop(&mut self) {
        if self.writable && self.above.load(Ordering::Relaxed) {
            // Somebody else is using the cache, or is cleaning it: the next process will.
            let _ = self.shrink();
        }
    }
}
