//! [`Blob`]: the bytes of a layer, from a file, from store paths or from another module.
//!
//! A blob can be read any number of times, and every read is verified (`blob_reader.rs`).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::blob_reader::{BlobReader, Bytes};
use super::error::LayerError;
use super::sink::Sink;
use super::stored_file::StoredFile;
use super::tar::TarContent;
use super::trust::{Check, Seen};
use crate::digest::Digest;
use crate::fs::{Context, FileError, FileOp, FileStamp};

/// The bytes of a layer. Every read verifies them: if they do not match the digest, the read ends
/// with an error instead of its last bytes.
#[derive(Debug, Clone)]
pub struct Blob {
    digest: Digest,
    size: u64,
    origin: BlobSource,
}

#[derive(Debug, Clone)]
enum BlobSource {
    /// A file; `written` if this process wrote and hashed it.
    File { file: StoredFile, written: bool },
    /// A source in another module.
    Opener(Arc<dyn BlobOpener>),
    /// A plain tar, generated from store paths; `seen` has their tree stamp.
    Tar { source: TarContent, mtime: u64, seen: Seen },
}

/// A source of a blob's bytes in another module, such as a layer of a base image. The bytes are
/// hashed while they are read.
pub trait BlobOpener: std::fmt::Debug + Send + Sync {
    /// Opens the bytes from their start.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
}

impl Blob {
    /// Returns a blob whose bytes come from an opener.
    pub fn from_opener(place: Arc<dyn BlobOpener>, digest: Digest, size: u64) -> Self {
        Self { digest, size, origin: BlobSource::Opener(place) }
    }

    /// Returns a blob in a cache file; `written` if this process wrote and hashed it.
    pub(super) fn from_file(file: StoredFile, digest: Digest, size: u64, written: bool) -> Self {
        Self { digest, size, origin: BlobSource::File { file, written } }
    }

    pub(super) fn tar(
        source: TarContent,
        mtime: u64,
        digest: Digest,
        size: u64,
        seen: Seen,
    ) -> Self {
        Self { digest, size, origin: BlobSource::Tar { source, mtime, seen } }
    }

    /// Returns the path of the file that holds the bytes, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.file().map(|file| &*file.path)
    }

    /// Returns the stamp of that file at the time when its bytes were last known to be correct.
    pub fn look(&self) -> Option<FileStamp> {
        self.file().map(|file| file.look)
    }

    pub(super) fn file(&self) -> Option<&StoredFile> {
        match &self.origin {
            BlobSource::File { file, .. } => Some(file),
            BlobSource::Tar { .. } | BlobSource::Opener(_) => None,
        }
    }

    /// Opens the blob for reading. A wrong byte or a wrong size is an error at the end of the read.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, LayerError> {
        Ok(Box::new(self.reader()?))
    }

    /// Writes the bytes to `to`. Bytes that must be hashed are hashed on a second thread; others go
    /// from large files into a pipe with `splice(2)`.
    pub fn write_to(&self, to: &mut dyn Sink) -> Result<(), LayerError> {
        self.reader()?.write_to(to)
    }

    /// Writes the bytes to a file. The kernel copies a blob that this process wrote.
    pub(super) fn copy_to(&self, to: &mut File) -> Result<(), LayerError> {
        self.reader()?.copy_to(to)
    }

    fn reader(&self) -> Result<BlobReader, LayerError> {
        let mut check = Check::Bytes(Box::default(), None);
        let (bytes, name) = match &self.origin {
            BlobSource::Tar { source, mtime, seen } => {
                check = seen.check(source, *mtime);
                (Bytes::Tar(Box::new(source.open(*mtime))), None)
            }
            BlobSource::Opener(place) => {
                let opened = place.open();
                let failed = |source| LayerError::ReadBlob { digest: self.digest, source };
                (Bytes::Opener(opened.map_err(failed)?), None)
            }
            BlobSource::File { file: StoredFile { path, look, record, .. }, written } => {
                let failed = |_: &FileError| record.iter().for_each(|record| record.forget());
                let file = crate::fs::open(path).inspect_err(failed)?;
                check = Check::Bytes(Box::default(), record.clone());
                // Another process may have replaced the file by the same blob.
                if *written && *look == FileStamp::of(&file.metadata().context(FileOp::Read, path)?)
                {
                    check = Check::Written(*look);
                }
                (Bytes::File(file), Some(path.clone()))
            }
        };
        Ok(BlobReader { bytes, name, digest: self.digest, left: self.size, check })
    }
}
