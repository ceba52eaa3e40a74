//! File system calls whose errors name the path, and writes that leave a whole file or none.

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

/// Opens a regular file for reading. Anything else is refused at once: opening a FIFO would
/// block, and a device has no end.
pub fn open(path: &Path) -> Result<File, FileError> {
    let meta = fs::metadata(path).context(FileOp::Read, path)?;
    if !meta.is_file() {
        let what = if meta.is_dir() { "it is a directory" } else { "it is no regular file" };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what)).context(FileOp::Read, path);
    }
    File::open(path).context(FileOp::Open, path)
}

/// Reads a regular file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let file = open(path)?;
    let too_large = || {
        let why = format!("it is larger than {limit} bytes, the most that cooper takes here");
        Err(io::Error::new(io::ErrorKind::FileTooLarge, why)).context(FileOp::Read, path)
    };
    // What is too large now is not read at all; what grows is read no further than the limit.
    if file.metadata().context(FileOp::Read, path)?.len() > limit {
        return too_large();
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).context(FileOp::Read, path)?;
    if bytes.len() as u64 > limit { too_large() } else { Ok(bytes) }
}

/// Which file it is and when it was written to last: as long as that is the same, so are the bytes.
///
/// The change time would say more, but it also moves when a name of the file comes or goes, and a
/// blob gets and loses names with the layouts that share it. Whoever writes to the file moves its
/// modification time; only its owner can set that back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    /// Its number in its file system.
    pub inode: u64,
    /// Its size.
    pub size: u64,
    /// When it was written to last, in seconds since 1970 and nanoseconds.
    pub mtime: (i64, i64),
}

impl FileStamp {
    /// How it looked when this was asked.
    pub fn of(meta: &fs::Metadata) -> Self {
        Self { inode: meta.ino(), size: meta.len(), mtime: (meta.mtime(), meta.mtime_nsec()) }
    }
}

/// The folder that a name is in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A rename is durable only when its directory is.
pub fn sync_dir(dir: &Path) -> Result<(), FileError> {
    File::open(dir).and_then(|dir| sync(&dir)).context(FileOp::Sync, dir)
}

/// Makes a file's bytes durable, where the file system knows how to.
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
}
