//! What a run brings into a layout, and takes away again when nothing came to name it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;

use super::{BLOBS, INDEX, INDEX_LIMIT, OCI_LAYOUT, OCI_LAYOUT_FILE, check, write_if_other};
use crate::digest::Digest;
use crate::fs;
use crate::fs::{Context, FileError, FileOp, TryLock, Undo};
use crate::transport::TransportError;

/// So often a folder may go while it is opened.
const ATTEMPTS: usize = 100;

/// Blobs and folders that were not there before.
#[derive(Debug)]
pub(super) struct Brought {
    dir: PathBuf,
    /// What was missing in the beginning, each below those before it.
    missing: Vec<PathBuf>,
    blobs: Mutex<Vec<PathBuf>>,
    /// One for all threads, so that whoever ends the process can have it alone.
    lock: Mutex<Weak<File>>,
    /// Held by who opens the layout, and waits for its lock.
    opening: Mutex<()>,
    named: AtomicBool,
}

impl Brought {
    /// Makes nothing yet. A signal takes away what is brought.
    pub(super) fn new(dir: &Path) -> Arc<Self> {
        let mut missing = missing(dir);
        let blobs = dir.join(BLOBS);
        let within = [dir.join(OCI_LAYOUT_FILE)].into_iter();
        let within = within.chain(blobs.parent().map(Path::to_path_buf)).chain([blobs]);
        missing.extend(within.filter(|path| !path.exists()));
        let brought = Arc::new(Self {
            dir: dir.into(),
            missing,
            blobs: Mutex::default(),
            lock: Mutex::default(),
            opening: Mutex::default(),
            named: AtomicBool::new(false),
        });
        let undo: Arc<dyn Undo> = Arc::clone(&brought) as Arc<dyn Undo>;
        fs::undo_at_a_signal(&undo);
        brought
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes the layout if there is none and locks it.
    pub(super) fn open(&self, kind: fs::LockMode) -> Result<Arc<File>, TransportError> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let held = || self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if kind == fs::LockMode::Shared
            && let Some(lock) = held().upgrade()
        {
            return Ok(lock);
        }
        let dir = &self.dir;
        let mut attempts = 0..ATTEMPTS;
        loop {
            // Who gives up there takes empty folders away.
            let made = create_dir(dir).and_then(|()| File::open(dir).context(FileOp::Open, dir));
            let is_gone = |error: &FileError| error.source.kind() == io::ErrorKind::NotFound;
            let lock = match made {
                Err(error) if is_gone(&error) && attempts.next().is_some() => continue,
                made => Arc::new(made?),
            };
            // Before it is locked, so that a signal never finds it locked by somebody unknown.
            *held() = Arc::downgrade(&lock);
            fs::lock(&lock, dir, kind)?;
            if is_same(&lock, dir) {
                check(dir)?;
                // First of all, so that what a killed process leaves is a layout to go on with.
                write_if_other(&dir.join(OCI_LAYOUT_FILE), OCI_LAYOUT)?;
                create_dir(&dir.join(BLOBS))?;
                return Ok(lock);
            }
        }
    }

    /// Has a blob written, with the layout locked.
    pub(super) fn bring<E: From<FileError>>(
        &self,
        path: &Path,
        write: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        if clear(path)? {
            self.blobs.lock().unwrap_or_else(PoisonError::into_inner).push(path.into());
        }
        write()
    }

    /// It stays, as something names it now.
    pub(super) fn keep(&self) {
        self.named.store(true, Ordering::Relaxed);
    }

    /// Takes it away again, once nobody else is at work there.
    pub(super) fn give_up(&self) {
        if self.named.load(Ordering::Relaxed) || !self.dir.is_dir() {
            self.remove_folders();
            return;
        }
        // Not as for writing: on a full disk nothing can be made.
        let Ok(lock) = File::open(&self.dir) else { return };
        if fs::lock(&lock, &self.dir, fs::LockMode::Exclusive).is_ok() {
            self.take_away(&lock);
        }
    }

    /// The lock is held by nobody else.
    fn take_away(&self, lock: &File) {
        if self.named.load(Ordering::Relaxed)
            || !is_same(lock, &self.dir)
            || check(&self.dir).is_err()
        {
            return;
        }
        // Where nobody can say what is named, all is.
        let Some(named) = named(&self.dir) else { return };
        let Ok(blobs) = self.blobs.try_lock() else { return };
        for path in &*blobs {
            if path.file_name().is_some_and(|name| !named.contains(&*name.to_string_lossy())) {
                let _ = std::fs::remove_file(path);
            }
        }
        self.remove_folders();
    }

    /// Folders go only when they are empty: another process may be at work here.
    fn remove_folders(&self) {
        if self.named.load(Ordering::Relaxed) {
            return;
        }
        let mut removed = self.missing.iter().rev().map(|path| {
            if !path.ends_with(OCI_LAYOUT_FILE) {
                return std::fs::remove_dir(path);
            }
            // It goes with a layout, and that is there as long as anything else of it is.
            match self.dir.join(BLOBS).exists() || self.dir.join(INDEX).exists() {
                true => Err(io::ErrorKind::DirectoryNotEmpty.into()),
                false => std::fs::remove_file(path),
            }
        });
        let _ = removed.all(|removed| match removed {
            Err(error) => error.kind() == io::ErrorKind::NotFound,
            Ok(()) => true,
        });
    }
}

impl Undo for Brought {
    fn undo(&self) {
        let held = self.lock.try_lock().ok().and_then(|lock| lock.upgrade());
        let lock = held.map_or_else(|| File::open(&self.dir).map(Arc::new), Ok);
        // Others who are at work here find blobs that nothing names, as a killed process leaves.
        if let Ok(lock) = lock
            && fs::try_lock(&lock).is_ok_and(|tried| tried != TryLock::InUse)
        {
            self.take_away(&lock);
        }
    }
}

/// Whether the folder that is locked has the name still: whoever gave up meanwhile may have removed
/// it.
fn is_same(lock: &File, dir: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let now = std::fs::metadata(dir);
    now.is_ok_and(|now| lock.metadata().is_ok_and(|old| old.ino() == now.ino()))
}

/// Makes way for a file of that name; whether there is none. What is written is never written
/// through a link, nor into a pipe or a device.
pub(super) fn clear(path: &Path) -> Result<bool, FileError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Ok(meta) if !meta.is_file() && !meta.is_dir() => {
            std::fs::remove_file(path).context(FileOp::Remove, path).map(|()| true)
        }
        _ => Ok(false),
    }
}

/// The folders that would have to be made, from the top.
fn missing(path: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> =
        path.ancestors().take_while(|dir| !dir.exists()).map(Path::to_path_buf).collect();
    missing.retain(|dir| !dir.as_os_str().is_empty());
    missing.reverse();
    missing
}

/// Readable by all, whatever the umask.
fn create_dir(path: &Path) -> Result<(), FileError> {
    use std::os::unix::fs::PermissionsExt;
    // A signal that takes away what was made comes before all of it or after.
    fs::before_the_end(|| {
        let missing = missing(path);
        std::fs::create_dir_all(path).context(FileOp::CreateDir, path)?;
        for dir in missing {
            // There are file systems on which all folders have the same mode.
            let _ = std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755));
        }
        Ok(())
    })
}

/// The blobs that the index names, and those that they name; none where it cannot be read.
fn named(dir: &Path) -> Option<BTreeSet<String>> {
    let index = dir.join(INDEX);
    let mut named = BTreeSet::new();
    if !index.exists() {
        return Some(named);
    }
    let index: Value = serde_json::from_slice(&fs::read(&index, INDEX_LIMIT).ok()?).ok()?;
    let mut documents = vec![index];
    while let Some(document) = documents.pop() {
        let mut values = vec![&document];
        let mut found = Vec::new();
        while let Some(value) = values.pop() {
            match value {
                Value::Array(below) => values.extend(below),
                // A config has digests too, of tars that need not be there.
                Value::Object(below) => {
                    let digest = below.get("digest").and_then(Value::as_str);
                    found.extend(digest.and_then(|digest| digest.parse::<Digest>().ok()));
                    values.extend(below.values());
                }
                _ => {}
            }
        }
        let blobs = dir.join(BLOBS);
        found.retain(|digest| named.insert(digest.hex()));
        // A layer is none of them: it is too large, or no JSON.
        let read = |digest: Digest| fs::read(&blobs.join(digest.hex()), INDEX_LIMIT).ok();
        let parsed = |bytes: Vec<u8>| serde_json::from_slice(&bytes).ok();
        documents.extend(found.into_iter().filter_map(read).filter_map(parsed));
    }
    Some(named)
}
