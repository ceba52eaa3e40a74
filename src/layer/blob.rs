//! Where a layer's bytes lie, and how they are read without ever passing on wrong ones.

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

/// A layer's bytes, to be read any number of times. What is read is checked on the way: a blob
/// that is not what its digest says ends in an error before its last byte is believed.
#[derive(Debug, Clone)]
pub struct Blob {
    digest: Digest,
    size: u64,
    origin: BlobSource,
}

#[derive(Debug, Clone)]
enum BlobSource {
    /// A file, and whether this process has just written and hashed it.
    File { file: StoredFile, written: bool },
    /// Bytes that another room knows how to get.
    Opener(Arc<dyn BlobOpener>),
    /// A plain tar, made anew from what is in the store; `seen` names how that looked when it was
    /// hashed, if that is known.
    Tar { source: TarContent, mtime: u64, seen: Seen },
}

/// A place outside this room that holds a blob's bytes, such as a base image. What it gives is
/// checked like all else.
pub trait BlobOpener: std::fmt::Debug + Send + Sync {
    /// Reads the bytes from their start.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
}

impl Blob {
    /// A blob that lies elsewhere.
    pub fn from_opener(place: Arc<dyn BlobOpener>, digest: Digest, size: u64) -> Self {
        Self { digest, size, origin: BlobSource::Opener(place) }
    }

    /// A file in a store; `written` if this process has just written and hashed it.
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

    /// The file that holds the bytes, if one does.
    pub fn path(&self) -> Option<&Path> {
        self.file().map(|file| &*file.path)
    }

    /// How that file looked when it was last known to hold the right bytes.
    pub fn look(&self) -> Option<FileStamp> {
        self.file().map(|file| file.look)
    }

    pub(super) fn file(&self) -> Option<&StoredFile> {
        match &self.origin {
            BlobSource::File { file, .. } => Some(file),
            BlobSource::Tar { .. } | BlobSource::Opener(_) => None,
        }
    }

    /// Starts to read. A wrong byte, or too few or too many, are an error at the end.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, LayerError> {
        Ok(Box::new(self.reader()?))
    }

    /// Writes the bytes to `to`. Hashing, where it has to be done, goes on while the writer waits
    /// for its sink; where it does not, nobody reads what goes from a large file into a pipe.
    pub fn write_to(&self, to: &mut dyn Sink) -> Result<(), LayerError> {
        self.reader()?.write_to(to)
    }

    /// As [`write_to`](Blob::write_to), into a file. The kernel copies what this process wrote.
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
                // Another process may have put the same blob in its place.
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
