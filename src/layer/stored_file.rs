//! Blob files of a cache: [`NewBlob`] while it is written, [`StoredFile`] afterwards.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::trust::Renew;
use crate::fs::{Context, FileError, FileOp, FileStamp, TempFile};

/// A guard that keeps a blob file in place, such as the lock of a cache or a temporary directory.
pub type KeepAlive = Arc<dyn std::fmt::Debug + Send + Sync>;

/// The file of a blob in a cache.
#[derive(Debug, Clone)]
pub struct StoredFile {
    /// The file.
    pub path: PathBuf,
    /// The stamp at the time when the bytes were last known to be correct.
    pub look: FileStamp,
    /// Keeps the file in place as long as it is needed.
    pub guard: Option<KeepAlive>,
    /// The cache record of the file, which is removed if the bytes are wrong.
    pub record: Option<Arc<dyn Renew>>,
}

/// A blob that is being written. A drop before [`persist`](NewBlob::persist) removes it.
#[derive(Debug)]
pub struct NewBlob {
    temp: TempFile,
    place: PathBuf,
    guard: Option<KeepAlive>,
}

impl NewBlob {
    /// Creates a file in `dir`, a directory of the cache. Layouts may link to it, so it has the mode
    /// of their files; if that mode cannot be set, layouts get copies. Errors name `place`, the
    /// directory that the user knows.
    pub fn create(dir: &Path, place: &Path, guard: Option<KeepAlive>) -> Result<Self, FileError> {
        let temp = TempFile::create(dir, ("blob-", "")).context(FileOp::CreateTemp, place)?;
        Ok(Self { temp, place: place.into(), guard })
    }

    /// Returns the directory that errors name.
    pub fn place(&self) -> &Path {
        &self.place
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.temp.file_mut().write_all(bytes).context(FileOp::WriteTemp, &self.place)
    }

    /// Renames the file to `path` on the same file system, replacing an existing file.
    pub fn persist(self, path: PathBuf) -> Result<StoredFile, FileError> {
        let written = self.temp.persist(&path)?;
        let look = FileStamp::of(&written.metadata().context(FileOp::Read, &path)?);
        Ok(StoredFile { path, look, guard: self.guard, record: None })
    }
}
