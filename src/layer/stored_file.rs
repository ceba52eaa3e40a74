//! Files of a cache: a blob that is being written, and a blob that is kept.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::trust::Renew;
use crate::fs::{Context, FileError, FileOp, FileStamp, TempFile};

/// Whatever has to live as long as a blob's file shall.
pub type KeepAlive = Arc<dyn std::fmt::Debug + Send + Sync>;

/// A file in a store, and what keeps it there while it is in use.
#[derive(Debug, Clone)]
pub struct StoredFile {
    /// The file.
    pub path: PathBuf,
    /// How it looked when it was last known to hold the right bytes.
    pub look: FileStamp,
    /// To be held as long as the file is needed.
    pub guard: Option<KeepAlive>,
    /// The record that names the file, if one does: it is removed when the bytes are wrong.
    pub record: Option<Arc<dyn Renew>>,
}

/// A blob that is being written. Dropped before it is put into its store, it is gone.
#[derive(Debug)]
pub struct NewBlob {
    temp: TempFile,
    place: PathBuf,
    guard: Option<KeepAlive>,
}

impl NewBlob {
    /// A new file in a folder of the store's. Layouts may come to share it, so it has the mode
    /// that theirs have; where that cannot be set they will have copies. Errors say that it is in
    /// `place`, which whoever runs this has named.
    pub fn create(dir: &Path, place: &Path, guard: Option<KeepAlive>) -> Result<Self, FileError> {
        let temp = TempFile::create(dir, ("blob-", "")).context(FileOp::CreateTemp, place)?;
        Ok(Self { temp, place: place.into(), guard })
    }

    /// Where errors say that it is.
    pub fn place(&self) -> &Path {
        &self.place
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.temp.file_mut().write_all(bytes).context(FileOp::WriteTemp, &self.place)
    }

    /// Gives the file its name, replacing what had it; on the same file system.
    pub fn persist(self, path: PathBuf) -> Result<StoredFile, FileError> {
        let written = self.temp.persist(&path)?;
        let look = FileStamp::of(&written.metadata().context(FileOp::Read, &path)?);
        Ok(StoredFile { path, look, guard: self.guard, record: None })
    }
}
