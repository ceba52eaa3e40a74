//! A blob's bytes in another folder, not copied where they can be shared.
//!
//! A clone where the file system can make one, an inode of its own that costs nothing; else a hard
//! link; else a copy. Shared bytes are not read: the file looks as it did when it was last known to
//! hold the right ones, which is asked afterwards, so that nothing can change in between. And it is
//! the user's own and nobody else may write to it: by another name of a blob nobody gets hold of
//! the store, nor through the store of what has that name.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::stored_file::StoredFile;
use super::{Blob, LayerError};
use crate::fs;
use crate::fs::{AtomicFile, FileOp, FileStamp};

impl Blob {
    /// Makes `path` a file with the blob's bytes, replacing what has that name. The bytes are
    /// durable then, the name only after [`sync_dir`](fs::sync_dir).
    pub fn write_file(&self, path: &Path) -> Result<(), LayerError> {
        let shared =
            self.file().and_then(|kept| try_reflink(kept, path).or_else(|| hard_link(kept, path)));
        let Some(file) = shared else {
            let mut file = AtomicFile::create(path)?;
            self.copy_to(file.file())?;
            return Ok(file.commit_without_dir_sync()?);
        };
        let committed = file.commit_without_dir_sync();
        if let (Err(error), Some(kept)) = (&committed, self.file())
            && error.op == FileOp::Sync
        {
            // What the disk did not take is right in memory only. A read-only store stays as it is.
            let _ = std::fs::remove_file(&kept.path);
        }
        Ok(committed?)
    }
}

#[cfg(target_os = "linux")]
fn try_reflink(kept: &StoredFile, path: &Path) -> Option<AtomicFile> {
    let from = fs::open(&kept.path).ok()?;
    let mut to = AtomicFile::create(path).ok()?;
    rustix::fs::ioctl_ficlone(to.file(), &from).ok()?;
    may_share(kept, &from).then_some(to)
}

#[cfg(not(target_os = "linux"))]
fn try_reflink(_: &StoredFile, _: &Path) -> Option<AtomicFile> {
    None
}

fn hard_link(kept: &StoredFile, path: &Path) -> Option<AtomicFile> {
    let mut to = AtomicFile::link(&kept.path, path).ok()?;
    may_share(kept, to.file()).then_some(to)
}

/// Stricter than [`UnsafePermissions`](fs::UnsafePermissions): what is linked keeps its owner and its mode, and in a
/// layout they are to be those of a copy.
fn may_share(kept: &StoredFile, file: &File) -> bool {
    let user = rustix::process::geteuid().as_raw();
    file.metadata().is_ok_and(|now| {
        let is_ours = now.uid() == user && now.mode() & 0o7777 == fs::MODE;
        is_ours && FileStamp::of(&now) == kept.look
    })
}
