//! Locks that last as long as a file is open.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Context, FileError};

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
    loop {
        let locked = match kind {
            Lock::Shared => file.lock_shared(),
            Lock::Alone => file.lock(),
        };
        match locked {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if knows_no_locks(&error) => return Ok(()),
            locked => return locked.context("lock", path),
        }
    }
}

/// What became of a lock that was not waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// It is held.
    Locked,
    /// Somebody else has the file locked.
    InUse,
    /// The file system knows no locks; [`lock()`] says what that means.
    Unknown,
}

/// Locks a file alone, unless somebody else has it locked. Waits for nobody.
pub fn try_lock(file: &File) -> io::Result<Tried> {
    match file.try_lock() {
        Ok(()) => Ok(Tried::Locked),
        Err(TryLockError::WouldBlock) => Ok(Tried::InUse),
        Err(TryLockError::Error(error)) if knows_no_locks(&error) => Ok(Tried::Unknown),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether an open file has that name still: who locks a file that others may remove asks that
/// afterwards.
pub fn has_name(file: &File, path: &Path) -> io::Result<bool> {
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        there => there?,
    };
    let meta = file.metadata()?;
    Ok((meta.dev(), meta.ino()) == (there.dev(), there.ino()))
}

fn knows_no_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let known = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| known.contains(&code))
}
