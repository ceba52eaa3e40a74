//! Where a layer's bytes lie, and how they are read without ever passing on wrong ones.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::LayerError;
use super::store::Kept;
use super::tar::{Source, TarReader};
use crate::digest::{Digest, Hasher};
use crate::file::{Context, FileError, Look};

const BUFFER: usize = 512 << 10;
/// Blocks that are read before they can be written.
const AHEAD: usize = 4;

/// A layer's bytes, to be read any number of times. What is read is checked on the way: a blob
/// that is not what its digest says ends in an error before its last byte is believed.
#[derive(Debug, Clone)]
pub struct Blob {
    digest: Digest,
    size: u64,
    origin: Origin,
}

#[derive(Debug, Clone)]
enum Origin {
    /// A file, and whether this process has just written and hashed it.
    File { file: Kept, written: bool },
    /// Bytes that another room knows how to get.
    Elsewhere(Arc<dyn Elsewhere>),
    /// A plain tar, made anew from what is in the store; `seen` names how that looked when it was
    /// hashed, if it was this process that did.
    Tar { source: Source, mtime: u64, seen: Option<Digest> },
}

/// Whatever has to live as long as a blob's file shall.
pub type Guard = Arc<dyn std::fmt::Debug + Send + Sync>;

/// A place outside this room that holds a blob's bytes, such as a base image. What it gives is
/// checked like all else.
pub trait Elsewhere: std::fmt::Debug + Send + Sync {
    /// Reads the bytes from their start.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
}

impl Blob {
    /// A blob that lies elsewhere.
    pub fn elsewhere(place: Arc<dyn Elsewhere>, digest: Digest, size: u64) -> Self {
        Self { digest, size, origin: Origin::Elsewhere(place) }
    }

    /// A file in a store; `written` if this process has just written and hashed it.
    pub(super) fn kept(file: Kept, digest: Digest, size: u64, written: bool) -> Self {
        Self { digest, size, origin: Origin::File { file, written } }
    }

    pub(super) fn tar(
        source: Source,
        mtime: u64,
        digest: Digest,
        size: u64,
        seen: Option<Digest>,
    ) -> Self {
        Self { digest, size, origin: Origin::Tar { source, mtime, seen } }
    }

    /// The file that holds the bytes, if one does.
    pub fn path(&self) -> Option<&Path> {
        self.file().map(|file| &*file.path)
    }

    /// How that file looked when it was last known to hold the right bytes.
    pub fn look(&self) -> Option<Look> {
        self.file().map(|file| file.look)
    }

    pub(super) fn file(&self) -> Option<&Kept> {
        match &self.origin {
            Origin::File { file, .. } => Some(file),
            Origin::Tar { .. } | Origin::Elsewhere(_) => None,
        }
    }

    /// Starts to read. A wrong byte, or too few or too many, are an error at the end.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, LayerError> {
        Ok(Box::new(self.reader()?))
    }

    /// Writes the bytes to `to`. Reading and hashing go on while the writer waits for its sink.
    pub fn write_to(&self, to: &mut dyn Write) -> Result<(), LayerError> {
        let mut reader = self.reader()?;
        if self.size <= BUFFER as u64 {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map_err(from_io)?;
            return to.write_all(&bytes).map_err(LayerError::Sink);
        }
        let (filled, blocks) = sync_channel::<Result<Vec<u8>, LayerError>>(AHEAD);
        let (emptied, spare) = sync_channel::<Vec<u8>>(AHEAD + 2);
        std::thread::scope(|scope| {
            scope.spawn(move || read_ahead(&mut reader, &filled, &spare));
            for block in blocks {
                let block = block?;
                to.write_all(&block).map_err(LayerError::Sink)?;
                // The reader may be done and gone.
                let _ = emptied.send(block);
            }
            Ok(())
        })
    }

    /// As [`write_to`](Blob::write_to), into a file. The kernel copies what this process wrote.
    pub(super) fn copy_to(&self, to: &mut File) -> Result<(), LayerError> {
        let mut reader = self.reader()?;
        let (Check::Written(_), Bytes::File(from)) = (&reader.check, &mut reader.bytes) else {
            return self.write_to(to);
        };
        let copied = io::copy(from, to).map_err(LayerError::Sink)?;
        match copied == self.size && reader.is_right() {
            true => Ok(()),
            false => Err(reader.wrong()),
        }
    }

    fn reader(&self) -> Result<Checked, LayerError> {
        let mut check = Check::Bytes(Hasher::new());
        let (bytes, name) = match &self.origin {
            Origin::Tar { source, mtime, seen } => {
                check = seen.map_or(check, Check::Seen);
                (Bytes::Tar(Box::new(source.open(*mtime))), None)
            }
            Origin::Elsewhere(place) => {
                let opened = place.open();
                let failed = |source| LayerError::Elsewhere { digest: self.digest, source };
                (Bytes::Elsewhere(opened.map_err(failed)?), None)
            }
            Origin::File { file: Kept { path, look, .. }, written } => {
                let file = crate::file::open(path)?;
                // Another process may have put the same blob in its place.
                if *written && *look == Look::of(&file.metadata().context("read", path)?) {
                    check = Check::Written(*look);
                }
                (Bytes::File(file), Some(path.clone()))
            }
        };
        Ok(Checked { bytes, name, digest: self.digest, left: self.size, check })
    }
}

/// Sends block after block until the end, the first error, or until nobody listens.
fn read_ahead(
    reader: &mut Checked,
    filled: &SyncSender<Result<Vec<u8>, LayerError>>,
    spare: &Receiver<Vec<u8>>,
) {
    loop {
        let mut buf = spare.try_recv().unwrap_or_default();
        buf.resize(BUFFER, 0);
        let block = reader.pull(&mut buf).map(|count| {
            buf.truncate(count);
            buf
        });
        let ended = block.as_ref().map_or(true, Vec::is_empty);
        if filled.send(block).is_err() || ended {
            return;
        }
    }
}

/// What was wrapped to pass through [`Read`].
fn from_io(error: io::Error) -> LayerError {
    error.downcast::<LayerError>().unwrap_or_else(LayerError::Sink)
}

enum Bytes {
    File(File),
    Elsewhere(Box<dyn Read + Send>),
    Tar(Box<TarReader>),
}

/// How it is known that the bytes are the right ones.
enum Check {
    /// They are hashed again.
    Bytes(Hasher),
    /// They come from what looks as it did when it was hashed.
    Seen(Digest),
    /// They come from a file that looked so when it was written, hashed and opened.
    Written(Look),
}

/// Checks what is read, at the end.
struct Checked {
    bytes: Bytes,
    name: Option<PathBuf>,
    digest: Digest,
    left: u64,
    check: Check,
}

impl Checked {
    fn is_right(&self) -> bool {
        match (&self.check, &self.bytes) {
            (Check::Bytes(hasher), _) => hasher.clone().finish().digest() == self.digest,
            (Check::Seen(seen), Bytes::Tar(reader)) => reader.seen() == *seen,
            (Check::Written(before), Bytes::File(file)) => {
                file.metadata().is_ok_and(|now| Look::of(&now) == *before)
            }
            (Check::Seen(_) | Check::Written(_), _) => false,
        }
    }

    fn pull(&mut self, buf: &mut [u8]) -> Result<usize, LayerError> {
        let count =
            match &mut self.bytes {
                Bytes::Tar(reader) => reader.fill(buf)?,
                Bytes::Elsewhere(reader) => reader
                    .read(buf)
                    .map_err(|source| LayerError::Elsewhere { digest: self.digest, source })?,
                Bytes::File(file) => super::walk::read_some(file, buf).map_err(|source| {
                    FileError { verb: "read", path: self.name.clone().unwrap_or_default(), source }
                })?,
            };
        let read = buf.get(..count).unwrap_or_default();
        if let Check::Bytes(hasher) = &mut self.check {
            hasher.update(read);
        }
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| self.wrong())?;
        let ended = count == 0 && !buf.is_empty();
        match (self.left, ended) {
            (0, false) if !self.is_right() => Err(self.wrong()),
            (1.., true) => Err(self.wrong()),
            _ => Ok(count),
        }
    }

    fn wrong(&self) -> LayerError {
        if matches!(self.bytes, Bytes::Elsewhere(_)) {
            let source = io::Error::other("its bytes are not those that it was named by");
            return LayerError::Elsewhere { digest: self.digest, source };
        }
        match &self.name {
            Some(path) => LayerError::DamagedBlob { path: path.clone(), digest: self.digest },
            None => LayerError::StoreChanged(self.digest),
        }
    }
}

impl Read for Checked {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.pull(buf).map_err(io::Error::other)
    }
}
