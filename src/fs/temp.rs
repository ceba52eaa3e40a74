//! Temporary files and directories that are removed on drop and on a signal.
//!
//! [`TempPath`] registers a path, [`remove_temp_paths`] removes all registered paths when a signal
//! ends the process, and [`TempFile`] and [`TempDir`] are built on both.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tempfile::{Builder, NamedTempFile};

use super::{Context, FileError, FileOp};

/// The mode of written files, independent of the umask: another user may have to load the image.
pub const MODE: u32 = 0o644;

/// The paths that a signal removes.
static TEMP_PATHS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Removes every temporary path of this process, for a signal that ends it. Waits for a path that
/// is being created. Nothing can be committed afterwards.
pub fn remove_temp_paths() {
    if let Ok(unfinished) = TEMP_PATHS.lock() {
        remove_all(unfinished);
    }
}

/// Does the same as [`remove_temp_paths`] without waiting, for a thread that panics: it may hold
/// the lock itself. Files that stay are removed by the next write to their directory.
pub fn remove_temp_paths_without_waiting() {
    if let Ok(unfinished) = TEMP_PATHS.try_lock() {
        remove_all(unfinished);
    }
}

fn remove_all(unfinished: MutexGuard<'_, BTreeSet<PathBuf>>) {
    for path in unfinished.iter() {
        // The process ends; there is no use for an error.
        let _ = match path.is_dir() {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        };
    }
    // Nothing can be committed any more, so the work to undo cannot grow.
    let undone: Vec<_> =
        UNDONE.try_lock().iter().flat_map(|all| all.iter().filter_map(Weak::upgrade)).collect();
    undone.iter().for_each(|work| work.undo());
    // Never unlocked again: a thread that is about to rename a file waits until the process ends.
    std::mem::forget(unfinished);
}

/// The work that a signal undoes in addition.
static UNDONE: Mutex<Vec<Weak<dyn Undo>>> = Mutex::new(Vec::new());

/// Work that leaves more than temporary files if the process ends in the middle of it.
pub trait Undo: Send + Sync {
    /// Removes what it can without waiting for a lock.
    fn undo(&self);
}

/// Registers work that a signal undoes, until the work is dropped.
pub fn undo_at_a_signal(work: &Arc<dyn Undo>) {
    let mut undone = UNDONE.lock().unwrap_or_else(PoisonError::into_inner);
    undone.retain(|work| work.strong_count() > 0);
    undone.push(Arc::downgrade(work));
}

/// Runs `work` completely before [`remove_temp_paths`], or not at all. `work` must not create
/// temporary paths: that would deadlock.
pub fn before_the_end<T>(work: impl FnOnce() -> T) -> T {
    let _temp_path = TEMP_PATHS.lock();
    work()
}

/// A path that a signal removes, until this value is dropped. The drop itself removes nothing.
#[derive(Debug)]
pub struct TempPath(PathBuf);

impl TempPath {
    /// Creates the file or directory and registers its path. A signal finds both done or neither.
    pub fn make<T>(
        make: impl FnOnce() -> io::Result<T>,
        path: impl FnOnce(&T) -> PathBuf,
    ) -> io::Result<(T, Self)> {
        let unfinished = TEMP_PATHS.lock();
        let made = make()?;
        let path = path(&made);
        if let Ok(mut unfinished) = unfinished {
            unfinished.insert(path.clone());
        }
        Ok((made, Self(path)))
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        if let Ok(mut unfinished) = TEMP_PATHS.lock() {
            unfinished.remove(&self.0);
        }
    }
}

/// A file with a temporary name, which [`persist`](TempFile::persist) renames to its path. A drop
/// before that removes it. Errors do not show the temporary name, which means nothing to users.
#[derive(Debug)]
pub struct TempFile {
    // Fields are dropped in this order: the file is removed before its path is unregistered.
    file: NamedTempFile,
    _temp_path: TempPath,
}

impl TempFile {
    /// Creates an empty file with [`MODE`], if the file system has modes.
    pub fn create(dir: &Path, (prefix, suffix): (&str, &str)) -> io::Result<Self> {
        Self::make(dir, (prefix, suffix), |path| {
            let mut options = File::options();
            let file = options.read(true).write(true).create_new(true).mode(MODE).open(path)?;
            let _ = file.set_permissions(Permissions::from_mode(MODE));
            Ok(file)
        })
    }

    /// Creates a file with the function `make`, which gets the temporary path.
    pub fn make(
        dir: &Path,
        (prefix, suffix): (&str, &str),
        make: impl FnMut(&Path) -> io::Result<File>,
    ) -> io::Result<Self> {
        let mut names = Builder::new();
        let names = names.prefix(prefix).suffix(suffix);
        let made = TempPath::make(|| names.make_in(dir, make), |file| file.path().into());
        made.map(|(file, unfinished)| Self { file, _temp_path: unfinished })
    }

    /// Returns the temporary path.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Returns the file.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Returns the file for writing.
    pub fn file_mut(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Renames the file to `path` on the same file system, replacing an existing file.
    pub fn persist(self, path: &Path) -> Result<File, FileError> {
        self.file.persist(path).map_err(|e| e.error).context(FileOp::Rename, path)
    }
}

/// A directory that no other user may enter. A drop removes it with its content.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
    _temp_path: TempPath,
}

impl TempDir {
    /// Creates it in the directory for temporary files (`TMPDIR`).
    pub fn new() -> Result<Self, FileError> {
        let parent = std::env::temp_dir();
        let mut names = Builder::new();
        let names = names.prefix("cooper-").disable_cleanup(true);
        let make = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        let made = TempPath::make(|| names.make_in(&parent, make), |made| made.path().into());
        let (made, unfinished) = made.context(FileOp::CreateTempDir, &parent)?;
        Ok(Self { path: made.path().into(), _temp_path: unfinished })
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    const NAMES: (&str, &str) = ("before-", "-after");

    #[test]
    fn temp_file_has_its_mode_and_is_removed_unless_persisted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("named");
        for is_kept in [false, true] {
            let temp = TempFile::create(dir.path(), NAMES).unwrap();
            let name = temp.path().file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with("before-") && name.ends_with("-after"), "{name}");
            assert_eq!(fs::metadata(temp.path()).unwrap().mode() & 0o7777, MODE);
            match is_kept {
                true => drop(temp.persist(&path).unwrap()),
                false => drop(temp),
            }
            let left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
            assert_eq!(left.len(), usize::from(is_kept));
        }
        assert!(path.exists());
    }

    #[test]
    fn temp_file_error_does_not_show_the_temporary_name() {
        let nowhere = Path::new("/missing");
        let made = TempFile::make(nowhere, NAMES, |_| Err(io::ErrorKind::StorageFull.into()));
        for error in [TempFile::create(nowhere, NAMES).unwrap_err(), made.unwrap_err()] {
            assert!(!error.to_string().contains("before-"), "{error}");
        }
    }

    #[test]
    fn temp_dir_is_private_and_removed_with_its_content() {
        let temp = TempDir::new().unwrap();
        let path = temp.path().to_path_buf();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
        File::create(path.join("file")).unwrap();
        drop(temp);
        assert!(!path.exists());
    }
}
