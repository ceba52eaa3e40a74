//! Files and folders that are gone when the process ends, however it does.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tempfile::{Builder, NamedTempFile};

use super::{Context, FileError, FileOp};

/// The mode of what is written, whatever the umask: another user may have to load the image.
pub const MODE: u32 = 0o644;

/// Temporary files that are being written, so that a signal can remove them.
static TEMP_PATHS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Removes every temporary file of this process, for a signal that ends it; nothing can be
/// committed afterwards. Waits for one that is just being made.
pub fn remove_temp_paths() {
    if let Ok(unfinished) = TEMP_PATHS.lock() {
        remove_all(unfinished);
    }
}

/// As [`remove_temp_paths`], for a thread that panics: it may be the very one that is just making a
/// file, so nothing is waited for. What stays goes when the next file is made there.
pub fn remove_temp_paths_without_waiting() {
    if let Ok(unfinished) = TEMP_PATHS.try_lock() {
        remove_all(unfinished);
    }
}

fn remove_all(unfinished: MutexGuard<'_, BTreeSet<PathBuf>>) {
    for path in unfinished.iter() {
        // The process is ending; what cannot be removed stays.
        let _ = match path.is_dir() {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        };
    }
    // What is undone is complete: nothing gets its name any more.
    let undone: Vec<_> =
        UNDONE.try_lock().iter().flat_map(|all| all.iter().filter_map(Weak::upgrade)).collect();
    undone.iter().for_each(|work| work.undo());
    // Never unlocked again: who is about to rename a file waits until the process is gone.
    std::mem::forget(unfinished);
}

/// What a signal undoes besides.
static UNDONE: Mutex<Vec<Weak<dyn Undo>>> = Mutex::new(Vec::new());

/// Work that leaves more than a temporary file behind when the process ends in the middle of it.
pub trait Undo: Send + Sync {
    /// Takes away what it can without waiting for anybody.
    fn undo(&self);
}

/// Has a signal undo some work, for as long as that lives.
pub fn undo_at_a_signal(work: &Arc<dyn Undo>) {
    let mut undone = UNDONE.lock().unwrap_or_else(PoisonError::into_inner);
    undone.retain(|work| work.strong_count() > 0);
    undone.push(Arc::downgrade(work));
}

/// Does what must be known to [`remove_temp_paths`]: it is done before that, or never. Within it no
/// file is to be made by this module.
pub fn before_the_end<T>(work: impl FnOnce() -> T) -> T {
    let _temp_path = TEMP_PATHS.lock();
    work()
}

/// A temporary file or folder that a signal shall remove, for as long as this lives.
#[derive(Debug)]
pub struct TempPath(PathBuf);

impl TempPath {
    /// Makes it; no signal comes between that and its being known by its path.
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

/// A file that has a name of its own until it gets the one that it is for. Dropped before, it is
/// gone. No error of it says that name, which nobody has asked for.
#[derive(Debug)]
pub struct TempFile {
    // Dropped in this order: once the file is renamed or gone, its name means nothing.
    file: NamedTempFile,
    _temp_path: TempPath,
}

impl TempFile {
    /// A new file with [`MODE`], where its file system has modes.
    pub fn create(dir: &Path, (prefix, suffix): (&str, &str)) -> io::Result<Self> {
        Self::make(dir, (prefix, suffix), |path| {
            let mut options = File::options();
            let file = options.read(true).write(true).create_new(true).mode(MODE).open(path)?;
            let _ = file.set_permissions(Permissions::from_mode(MODE));
            Ok(file)
        })
    }

    /// A file that somebody else makes under the name that they are given.
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

    /// Where it is until then.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The file.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// The file, to write to.
    pub fn file_mut(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Gives it its name, replacing what had it; on the same file system.
    pub fn persist(self, path: &Path) -> Result<File, FileError> {
        self.file.persist(path).map_err(|e| e.error).context(FileOp::Rename, path)
    }
}

/// A folder that goes with all that is in it, and that no other user may enter.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
    _temp_path: TempPath,
}

impl TempDir {
    /// Makes it in the system's folder for such (`TMPDIR`).
    pub fn new() -> Result<Self, FileError> {
        let parent = std::env::temp_dir();
        let mut names = Builder::new();
        let names = names.prefix("cooper-").disable_cleanup(true);
        let make = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        let made = TempPath::make(|| names.make_in(&parent, make), |made| made.path().into());
        let (made, unfinished) = made.context(FileOp::CreateTempDir, &parent)?;
        Ok(Self { path: made.path().into(), _temp_path: unfinished })
    }

    /// Where it is.
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
    fn a_temporary_file_has_its_mode_and_goes_unless_it_gets_a_name() {
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
    fn an_error_about_a_temporary_file_does_not_say_its_name() {
        // fault 104
        let nowhere = Path::new("/nowhere");
        let made = TempFile::make(nowhere, NAMES, |_| Err(io::ErrorKind::StorageFull.into()));
        for error in [TempFile::create(nowhere, NAMES).unwrap_err(), made.unwrap_err()] {
            assert!(!error.to_string().contains("before-"), "{error}");
        }
    }

    #[test]
    fn a_temporary_folder_is_its_users_alone_and_goes_with_what_is_in_it() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().to_path_buf();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
        File::create(path.join("file")).unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
