//! Writes a blob to a file and shares the bytes of the cache where possible.
//!
//! The file is a reflink (FICLONE) if the file system supports it, else a hard link, else a copy.
//! Shared bytes are not read. Instead the stamp of the file is compared after the link was made, so
//! that no write can come in between. A file is linked only if it belongs to the user and no other
//! user can write to it: otherwise a link would let another user change the cache or the layout.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::stored_file::StoredFile;
use super::{Blob, LayerError};
use crate::fs;
use crate::fs::{AtomicFile, FileOp, FileStamp};

impl Blob {
    /// Writes the blob to `path`, replacing an existing file. The bytes are durable afterwards, the
    /// name only after [`sync_dir`](fs::sync_dir).
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
            // The disk did not store the bytes, so they are correct in the page cache only. In a
            // read-only cache the removal fails, and the file stays.
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
