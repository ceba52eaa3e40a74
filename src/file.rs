//! File system calls whose errors name the path, and writes that leave a whole file or none.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::NamedTempFile;

mod exposed;

pub use exposed::Exposed;

/// A failed call, the path that it was for, and what was tried.
#[derive(Debug, thiserror::Error)]
#[error("failed to {verb} `{path}`")]
pub struct FileError {
    /// What was tried, as a verb: `read`, `write`, `rename`.
    pub verb: &'static str,
    /// The path.
    pub path: PathBuf,
    /// The system's answer.
    pub source: io::Error,
}

/// Puts the path into an I/O error.
pub trait Context<T> {
    /// Names what was tried and on which path.
    fn context(self, verb: &'static str, path: impl AsRef<Path>) -> Result<T, FileError>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, verb: &'static str, path: impl AsRef<Path>) -> Result<T, FileError> {
        self.map_err(|source| FileError { verb, path: path.as_ref().into(), source })
    }
}

/// Opens a regular file for reading. Anything else is refused at once: opening a FIFO would
/// block, and a device has no end.
pub fn open(path: &Path) -> Result<File, FileError> {
    let meta = fs::metadata(path).context("read", path)?;
    if !meta.is_file() {
        let what = if meta.is_dir() { "it is a directory" } else { "it is no regular file" };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what)).context("read", path);
    }
    File::open(path).context("open", path)
}

/// Reads a regular file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let file = open(path)?;
    let too_large = || {
        let why = format!("it is larger than {limit} bytes, the most that cooper takes here");
        Err(io::Error::new(io::ErrorKind::FileTooLarge, why)).context("read", path)
    };
    // What is too large now is not read at all; what grows is read no further than the limit.
    if file.metadata().context("read", path)?.len() > limit {
        return too_large();
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).context("read", path)?;
    if bytes.len() as u64 > limit { too_large() } else { Ok(bytes) }
}

/// Which file it is and when it was written to last: as long as that is the same, so are the bytes.
///
/// The change time would say more, but it also moves when a name of the file comes or goes, and a
/// blob gets and loses names with the layouts that share it. Whoever writes to the file moves its
/// modification time; only its owner can set that back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Its number in its file system.
    pub inode: u64,
    /// Its size.
    pub size: u64,
    /// When it was written to last, in seconds since 1970 and nanoseconds.
    pub mtime: (i64, i64),
}

impl Look {
    /// How it looked when this was asked.
    pub fn of(meta: &fs::Metadata) -> Self {
        Self { inode: meta.ino(), size: meta.len(), mtime: (meta.mtime(), meta.mtime_nsec()) }
    }
}

/// How the names of temporary files start.
pub const TEMP_PREFIX: &str = ".cooper-";

/// Temporary files that are being written, so that a signal can remove them.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Removes every temporary file of this process. Called when a signal ends it; nothing can be
/// committed afterwards.
pub fn remove_unfinished() {
    // Never unlocked again: who is about to rename a file waits until the process is gone.
    let Ok(unfinished) = UNFINISHED.lock() else { return };
    for path in unfinished.iter() {
        // The process is ending; what cannot be removed stays.
        let _ = match path.is_dir() {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        };
    }
    std::mem::forget(unfinished);
}

/// A temporary file or folder that a signal shall remove, for as long as this lives.
#[derive(Debug)]
pub struct Unfinished(PathBuf);

impl Unfinished {
    /// Makes it; no signal comes between that and its being known by its path.
    pub fn make<T>(
        make: impl FnOnce() -> io::Result<T>,
        path: impl FnOnce(&T) -> PathBuf,
    ) -> io::Result<(T, Self)> {
        let unfinished = UNFINISHED.lock();
        let made = make()?;
        let path = path(&made);
        if let Ok(mut unfinished) = unfinished {
            unfinished.insert(path.clone());
        }
        Ok((made, Self(path)))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Ok(mut unfinished) = UNFINISHED.lock() {
            unfinished.remove(&self.0);
        }
    }
}

/// A new file beside its final path. It becomes visible only by [`AtomicFile::commit`]; dropped
/// before, nothing is left. What takes bytes as they come, such as `/dev/null`, a terminal or a
/// named pipe, is never replaced: the bytes go straight into it. A disk is refused.
#[derive(Debug)]
pub struct AtomicFile {
    bytes: Bytes,
    path: PathBuf,
}

#[derive(Debug)]
enum Bytes {
    // Dropped in this order: once the temporary file is renamed or gone, its name means nothing.
    Beside { temp: NamedTempFile, _unfinished: Unfinished },
    Through(File),
}

impl AtomicFile {
    /// Creates the temporary file in the directory of `path`, so that the rename stays on one
    /// file system.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        // Links are followed: `/dev/stdout` is one, and a pipe or a terminal loses nothing.
        let kind = fs::metadata(path).map(|meta| meta.file_type());
        if kind.as_ref().is_ok_and(FileTypeExt::is_block_device) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it is a disk");
            return Err(error).context("write to", path);
        }
        let through = kind.is_ok_and(|kind| !kind.is_file() && !kind.is_dir());
        let bytes = if through {
            Bytes::Through(File::options().write(true).open(path).context("open", path)?)
        } else {
            let made = Unfinished::make(|| temp_in(parent(path)), |temp| temp.path().into());
            let (temp, unfinished) = made.context("create a file beside", path)?;
            Bytes::Beside { temp, _unfinished: unfinished }
        };
        Ok(Self { bytes, path: path.into() })
    }

    /// As [`create`](AtomicFile::create), but another name of a regular file that is there already,
    /// on the same file system. It is not to be written to.
    pub fn link(from: &Path, path: &Path) -> Result<Self, FileError> {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix(TEMP_PREFIX);
        let linked = || builder.make_in(parent(path), |to| fs::hard_link(from, to));
        let linked = Unfinished::make(linked, |temp| temp.path().into());
        let (linked, unfinished) = linked.context("link a file to", path)?;
        let ((), name) = linked.into_parts();
        // A symbolic link gets another name as it is.
        if fs::symlink_metadata(&name).context("read", &name)?.is_symlink() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput)).context("link", from);
        }
        let temp = NamedTempFile::from_parts(open(&name)?, name);
        Ok(Self { bytes: Bytes::Beside { temp, _unfinished: unfinished }, path: path.into() })
    }

    /// The file to write to.
    pub fn file(&mut self) -> &mut File {
        match &mut self.bytes {
            Bytes::Beside { temp, .. } => temp.as_file_mut(),
            Bytes::Through(file) => file,
        }
    }

    /// Makes the bytes durable, then gives them their name, replacing what had it.
    pub fn commit(self) -> Result<(), FileError> {
        let named =
            matches!(self.bytes, Bytes::Beside { .. }).then(|| parent(&self.path).to_path_buf());
        self.commit_without_name()?;
        named.map_or(Ok(()), |dir| sync_dir(&dir))
    }

    /// As [`commit`](AtomicFile::commit), but the name is durable only after [`sync_dir`]: one
    /// call for many files.
    pub fn commit_without_name(self) -> Result<(), FileError> {
        let Bytes::Beside { temp, .. } = &self.bytes else { return Ok(()) };
        temp.as_file().sync_all().context("sync", &self.path)?;
        // Where the path is a name of the same file already, this does nothing and leaves both
        // names; the temporary one goes when it is dropped.
        fs::rename(temp.path(), &self.path).context("rename a file to", &self.path)
    }
}

/// The mode of what is written, whatever the umask: another user may have to load the image.
pub const MODE: u32 = 0o644;

fn temp_in(dir: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::Permissions::from_mode(MODE);
    let mut builder = tempfile::Builder::new();
    let temp = builder.prefix(TEMP_PREFIX).permissions(mode.clone()).tempfile_in(dir)?;
    temp.as_file().set_permissions(mode)?;
    Ok(temp)
}

/// Writes a whole file or none.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = AtomicFile::create(path)?;
    file.file().write_all(bytes).context("write", path)?;
    file.commit()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// What a lock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// With others who share it.
    Shared,
    /// With nobody.
    Alone,
}

/// Waits for a lock that lasts as long as the file is open. A file system that knows no locks
/// has at most one user at a time, or users who take care of that themselves.
pub fn lock(file: &File, path: &Path, kind: Lock) -> Result<(), FileError> {
    let locked = match kind {
        Lock::Shared => file.lock_shared(),
        Lock::Alone => file.lock(),
    };
    match locked {
        Err(error) if knows_no_locks(&error) => Ok(()),
        locked => locked.context("lock", path),
    }
}

fn knows_no_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let known = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| known.contains(&code))
}

/// A rename is durable only when its directory is.
pub fn sync_dir(dir: &Path) -> Result<(), FileError> {
    File::open(dir).and_then(|d| d.sync_all()).context("sync", dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_and_a_device_are_refused_before_reading() {
        // fault 20
        for path in ["/", "/dev/zero"] {
            let error = read(Path::new(path), 10).unwrap_err();
            assert_eq!(error.to_string(), format!("failed to read `{path}`"));
        }
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        write_atomically(&path, b"0123456789a").unwrap();
        assert!(read(&path, 10).is_err());
        assert_eq!(read(&path, 11).unwrap(), b"0123456789a");
    }

    #[test]
    fn an_uncommitted_file_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("half");
        let mut file = AtomicFile::create(&path).unwrap();
        file.file().write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn another_name_replaces_what_had_it_even_where_that_is_the_same_file() {
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
    fn a_symbolic_link_gets_no_other_name() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::os::unix::fs::symlink("/etc/hostname", &from).unwrap();
        assert!(AtomicFile::link(&from, &to).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_pipe_or_a_device_is_written_to_and_never_replaced() {
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
    fn a_disk_is_refused_through_a_link_too() {
        let disk = fs::read_dir("/dev").unwrap().map(|entry| entry.unwrap().path());
        let is_disk = |path: &PathBuf| {
            fs::metadata(path).is_ok_and(|meta| meta.file_type().is_block_device())
        };
        // A container may have none.
        let Some(disk) = disk.into_iter().find(is_disk) else { return };
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&disk, &link).unwrap();
        for path in [&disk, &link] {
            let error = AtomicFile::create(path).unwrap_err();
            assert!(error.to_string().starts_with("failed to write to"), "{error}");
        }
    }
}
