//! Atomic writes: a file appears complete, by a rename, or not at all.
//!
//! The temporary files of [`AtomicFile`] are locked while a process writes them. Those of killed
//! processes have no lock, and the next write to the same directory removes them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::OFlags;

use super::{
    Context, FdPath, FileError, FileOp, LockMode, TempFile, TryLock, WritebackWriter, open, parent,
    sync, sync_dir,
};

const TEMP_PREFIX: &str = ".cooper-";
/// Without a suffix, `remove_stale_temps` could remove a user's own `.cooper-notes`.
const TEMP_SUFFIX: &str = ".tmp";
const TEMP_NAMES: (&str, &str) = (TEMP_PREFIX, TEMP_SUFFIX);

/// A new file in the directory of its final path. [`AtomicFile::commit`] gives it that path; a drop
/// before that removes it.
///
/// A path that names a device, a terminal, a named pipe or an open file of a process ([`FdPath`]) is
/// never replaced: the bytes are written to it directly. A block device is refused.
#[derive(Debug)]
pub struct AtomicFile {
    bytes: Bytes,
    path: PathBuf,
}

#[derive(Debug)]
enum Bytes {
    Temp(TempFile),
    Direct(File),
}

impl AtomicFile {
    /// Creates the temporary file in the directory of `path`, so that the rename stays on one
    /// file system.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        // Symbolic links are followed, so that a link to a pipe is written to and not replaced.
        let kind = fs::metadata(path).map(|meta| meta.file_type());
        if kind.as_ref().is_ok_and(FileTypeExt::is_block_device) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it is a disk");
            return Err(error).context(FileOp::Write, path);
        }
        let through = kind.is_ok_and(|kind| !kind.is_file() && !kind.is_dir());
        let bytes = if let Some(opened) = FdPath::at(path) {
            Bytes::Direct(opened.open(path).context(FileOp::Open, path)?)
        } else if through {
            Bytes::Direct(File::options().write(true).open(path).context(FileOp::Open, path)?)
        } else {
            let made = temp_in_same_dir(path, |dir| TempFile::create(dir, TEMP_NAMES));
            Bytes::Temp(made.context(FileOp::CreateTempNextTo, path)?)
        };
        Ok(Self { bytes, path: path.into() })
    }

    /// Creates a hard link to the regular file `from`, on the same file system, instead of a new
    /// file. The caller must not write to it.
    pub fn link(from: &Path, path: &Path) -> Result<Self, FileError> {
        let made =
            temp_in_same_dir(path, |dir| TempFile::make(dir, TEMP_NAMES, |to| hard_link(from, to)));
        Ok(Self { bytes: Bytes::Temp(made.context(FileOp::HardLink, path)?), path: path.into() })
    }

    /// Returns the file to write to.
    pub fn file(&mut self) -> &mut File {
        match &mut self.bytes {
            Bytes::Temp(temp) => temp.file_mut(),
            Bytes::Direct(file) => file,
        }
    }

    /// Returns a writer for large content; see [`WritebackWriter`].
    pub fn writer(&mut self) -> WritebackWriter<'_> {
        WritebackWriter::new(self.file())
    }

    /// Makes the bytes durable and renames the file to its path, replacing an existing file.
    pub fn commit(self) -> Result<(), FileError> {
        let named = matches!(self.bytes, Bytes::Temp(_)).then(|| parent(&self.path).to_path_buf());
        self.commit_without_dir_sync()?;
        named.map_or(Ok(()), |dir| sync_dir(&dir))
    }

    /// Does the same as [`commit`](AtomicFile::commit) without a sync of the directory. The caller
    /// calls [`sync_dir`] once for many files.
    pub fn commit_without_dir_sync(self) -> Result<(), FileError> {
        let Bytes::Temp(temp) = &self.bytes else { return Ok(()) };
        sync(temp.file()).context(FileOp::Sync, &self.path)?;
        // A rename between two links to one file does nothing; the drop of `self` then removes the
        // temporary name.
        fs::rename(temp.path(), &self.path).context(FileOp::Rename, &self.path)
    }
}

/// Creates a temporary file in the directory of a path, and removes stale ones there.
fn temp_in_same_dir(
    path: &Path,
    make: impl Fn(&Path) -> io::Result<TempFile>,
) -> io::Result<TempFile> {
    let dir = parent(path);
    remove_stale_temps_once(dir);
    loop {
        let temp = make(dir)?;
        if is_held(&temp)? {
            return Ok(temp);
        }
    }
}

/// Creates a hard link and opens it for reading. A link to a symbolic link is refused.
fn hard_link(from: &Path, to: &Path) -> io::Result<File> {
    fs::hard_link(from, to)?;
    let opened = match fs::symlink_metadata(to).map(|meta| meta.is_file()) {
        Ok(true) => open(to).map_err(|error| error.source),
        Ok(false) => Err(io::ErrorKind::InvalidInput.into()),
        Err(error) => Err(error),
    };
    opened.inspect_err(|_| {
        let _ = fs::remove_file(to);
    })
}

/// Locks a temporary file, so that no other process takes it for stale. Returns false if another
/// process removed it before the lock. The lock is shared because a hard link has the lock of
/// every other link to the file.
fn is_held(temp: &TempFile) -> io::Result<bool> {
    super::lock(temp.file(), temp.path(), LockMode::Shared).map_err(|error| error.source)?;
    super::has_name(temp.file(), temp.path())
}

/// Calls [`remove_stale_temps`] for a directory, once in a process.
fn remove_stale_temps_once(dir: &Path) {
    static DONE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if DONE.lock().is_ok_and(|mut done| done.insert(dir.into())) {
        remove_stale_temps(dir);
    }
}

/// Returns true if a name is that of a temporary file of [`AtomicFile`].
pub fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(TEMP_PREFIX.as_bytes()) && name.ends_with(TEMP_SUFFIX.as_bytes())
}

/// Removes the temporary files of this user's killed processes from a directory.
pub fn remove_stale_temps(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if is_temporary(&entry.file_name()) {
            // A stale file that cannot be removed does no harm.
            let _ = remove_if_stale(&entry.path());
        }
    }
}

/// Removes a temporary file that no process has locked.
fn remove_if_stale(path: &Path) -> io::Result<()> {
    let user = rustix::process::geteuid().as_raw();
    let is_ours = |meta: fs::Metadata| meta.is_file() && meta.uid() == user;
    if !is_ours(fs::symlink_metadata(path)?) {
        return Ok(());
    }
    // Another file may have this name by now: do not follow a link, do not wait at a FIFO.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).write(true).custom_flags(flags).open(path)?;
    let is_stale = is_ours(file.metadata()?) && super::try_lock(&file)? == TryLock::Locked;
    if is_stale && super::has_name(&file, path)? {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Writes a file atomically.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = AtomicFile::create(path)?;
    file.file().write_all(bytes).context(FileOp::Write, path)?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atomic_file_dropped_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("half");
        let mut file = AtomicFile::create(&path).unwrap();
        file.file().write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// Creates a file that no process has locked, as a killed process leaves it.
    fn left(dir: &Path, name: &str) -> PathBuf {
        let path = dir.join(name);
        File::create(&path).unwrap().write_all(b"half").unwrap();
        path
    }

    #[test]
    fn stale_temp_is_removed_by_the_next_write() {
        let dir = tempfile::tempdir().unwrap();
        for link in [false, true] {
            let dir = dir.path().join(format!("{link}"));
            fs::create_dir(&dir).unwrap();
            let (half, from) = (left(&dir, ".cooper-a1B2c3.tmp"), left(&dir, "from"));
            let path = dir.join("to");
            let made =
                if link { AtomicFile::link(&from, &path) } else { AtomicFile::create(&path) };
            made.unwrap().commit().unwrap();
            assert!(!half.exists());
        }
    }

    #[test]
    fn live_and_foreign_files_are_not_removed_as_stale() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let from = left(dir, "from");
        let living = [
            AtomicFile::create(&dir.join("living")).unwrap(),
            AtomicFile::link(&from, &dir.join("linked")).unwrap(),
        ];
        left(dir, ".cooper-notes");
        left(dir, "cooper.tmp");
        std::os::unix::fs::symlink(&from, dir.join(".cooper-link.tmp")).unwrap();
        fs::create_dir(dir.join(".cooper-folder.tmp")).unwrap();
        if rustix::process::geteuid().is_root() {
            let foreign = left(dir, ".cooper-foreign.tmp");
            std::os::unix::fs::chown(foreign, Some(65534), None).unwrap();
        }
        let before = fs::read_dir(dir).unwrap().count();
        remove_stale_temps(dir);
        assert_eq!(fs::read_dir(dir).unwrap().count(), before);
        living.into_iter().try_for_each(AtomicFile::commit).unwrap();
    }

    #[test]
    fn hard_link_replaces_another_file_or_a_link_to_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::File::create(&from).unwrap().write_all(b"bytes").unwrap();
        fs::File::create(&to).unwrap().write_all(b"other").unwrap();
        for _ in 0..2 {
            AtomicFile::link(&from, &to).unwrap().commit().unwrap();
            assert_eq!(fs::metadata(&from).unwrap().ino(), fs::metadata(&to).unwrap().ino());
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn hard_link_to_a_symbolic_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::os::unix::fs::symlink("/etc/hostname", &from).unwrap();
        assert!(AtomicFile::link(&from, &to).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn pipe_is_written_to_and_not_replaced() {
        use std::io::Read;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let mut reader = File::options().read(true).write(true).open(&path).unwrap();
        write_atomically(&path, b"bytes").unwrap();
        let mut read = [0; 5];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"bytes");
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn block_device_is_refused_also_through_a_link() {
        let disk = fs::read_dir("/dev").unwrap().map(|entry| entry.unwrap().path());
        let is_disk = |path: &PathBuf| {
            fs::metadata(path).is_ok_and(|meta| meta.file_type().is_block_device())
        };
        // A container may have no block device.
        let Some(disk) = disk.into_iter().find(is_disk) else { return };
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&disk, &link).unwrap();
        for path in [&disk, &link] {
            let error = AtomicFile::create(path).unwrap_err();
            assert!(error.to_string().starts_with("failed to write"), "{error}");
        }
    }
}
