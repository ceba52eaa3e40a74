//! The directories and the lock file of a cache, and the boot id.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::{CacheError, DIRS, is_read_only};
use crate::fs;
use crate::fs::{Context, FileError, FileOp, UnsafePermissions};

pub(super) fn create_dirs(home: &Path) -> Result<(), FileError> {
    use std::os::unix::fs::DirBuilderExt;
    for name in DIRS {
        let dir = home.join(name);
        // Independent of the umask: a user who can write here can change images.
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(&dir);
        made.context(FileOp::CreateDir, &dir)?;
    }
    // Permission bits do not apply to root and do not show a read-only mount.
    let probe = tempfile::tempfile_in(home.join("tmp"));
    probe.map(drop).context(FileOp::Write, home)
}

/// Refuses a directory that other users can change. One without readable metadata passes: its
/// entries cannot be read either.
pub(super) fn check_permissions(path: &Path) -> Result<(), CacheError> {
    match std::fs::metadata(path).ok().as_ref().and_then(UnsafePermissions::of) {
        Some(why) => Err(CacheError::UnsafePermissions { path: path.into(), why }),
        None => Ok(()),
    }
}

/// Opens the lock file. An existing one can be locked without write permission.
pub(super) fn open_lock(path: &Path, writable: bool) -> Result<Option<File>, FileError> {
    if writable {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        return file.map(Some).context(FileOp::Open, path);
    }
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if is_read_only(&error) || error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context(FileOp::Open, path),
    }
}

/// Returns the kernel's boot id; empty if the kernel has none, and then every blob is hashed before
/// use.
pub(super) fn boot_id() -> String {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let id = fs::read(path, 100).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    id.map(|id| id.trim().to_owned()).unwrap_or_default()
}
