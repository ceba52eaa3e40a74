//! File system calls whose errors name the path, atomic writes, locks and temporary files.
//!
//! [`FileError`] names the operation and the path. [`AtomicFile`] replaces a file by a rename,
//! [`lock`] waits for other processes, and [`TempPath`] is removed on drop and on a signal.

mod atomic;
mod error;
mod fd_path;
mod lock;
mod lock_holder;
mod permissions;
mod temp;
mod writeback;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub use atomic::{AtomicFile, is_temporary, remove_stale_temps, write_atomically};
pub use error::{Context, FileError, FileOp};
pub use fd_path::FdPath;
pub use lock::{LockMode, LockWait, TryLock, has_name, lock, set_lock_wait, try_lock};
pub use permissions::UnsafePermissions;
pub use temp::{
    MODE, TempDir, TempFile, TempPath, Undo, before_the_end, remove_temp_paths,
    remove_temp_paths_without_waiting, undo_at_a_signal,
};
pub use writeback::WritebackWriter;

/// Opens a regular file for reading. Returns an error for everything else: opening a FIFO would
/// block, and a device has no end.
pub fn open(path: &Path) -> Result<File, FileError> {
    let meta = fs::metadata(path).context(FileOp::Read, path)?;
    if !meta.is_file() {
        let what = if meta.is_dir() { "it is a directory" } else { "it is no regular file" };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what)).context(FileOp::Read, path);
    }
    File::open(path).context(FileOp::Open, path)
}

/// Reads a regular file of at most `limit` bytes; a larger one is an error.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let file = open(path)?;
    let too_large = || {
        let why = format!("it is larger than {limit} bytes, the most that cooper takes here");
        Err(io::Error::new(io::ErrorKind::FileTooLarge, why)).context(FileOp::Read, path)
    };
    // The file may grow while it is read, so the limit is checked again afterwards.
    if file.metadata().context(FileOp::Read, path)?.len() > limit {
        return too_large();
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).context(FileOp::Read, path)?;
    if bytes.len() as u64 > limit { too_large() } else { Ok(bytes) }
}

/// The inode, size and modification time of a file. As long as they are the same, so are the bytes.
///
/// The change time (`ctime`) is left out: it also moves when a hard link is added or removed, and
/// layouts link to the blobs of a cache. A write moves the modification time, and only the owner
/// of the file can set it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    /// The inode number.
    pub inode: u64,
    /// The size in bytes.
    pub size: u64,
    /// The modification time: seconds since 1970, and nanoseconds.
    pub mtime: (i64, i64),
}

impl FileStamp {
    /// Takes the stamp from a file's metadata.
    pub fn of(meta: &fs::Metadata) -> Self {
        Self { inode: meta.ino(), size: meta.len(), mtime: (meta.mtime(), meta.mtime_nsec()) }
    }
}

/// Returns the directory of a path; `.` for a bare name.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the names in a directory durable, as after a rename.
pub fn sync_dir(dir: &Path) -> Result<(), FileError> {
    File::open(dir).and_then(|dir| sync(&dir)).context(FileOp::Sync, dir)
}

/// Makes a file's bytes durable; does nothing on a file system without `fsync`.
fn sync(file: &File) -> io::Result<()> {
    use rustix::io::Errno;
    let unknown = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP].map(Errno::raw_os_error);
    match file.sync_all() {
        Err(error) if error.raw_os_error().is_some_and(|code| unknown.contains(&code)) => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_directory_or_device_is_refused() {
        for path in ["/", "/dev/zero"] {
            let error = read(Path::new(path), 10).unwrap_err();
            assert_eq!(error.to_string(), format!("failed to read `{path}`"));
        }
    }

    #[test]
    fn read_file_over_the_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        write_atomically(&path, b"0123456789a").unwrap();
        assert!(read(&path, 10).is_err());
        assert_eq!(read(&path, 11).unwrap(), b"0123456789a");
    }
}
