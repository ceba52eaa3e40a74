//! Where a layer's bytes lie, and how they are read without ever passing on wrong ones.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::cache::{Before, Renew, StoredFile};
use super::tar::{TarContent, TarReader};
use super::{LayerError, Sink};
use crate::digest::{Digest, Hasher};
use crate::fs::{Context, FileError, FileOp, FileStamp};

const BUFFER: usize = 512 << 10;
/// Blocks that are read before they can be written.
const AHEAD: usize = 4;

/// A file of so many bytes goes into a pipe unread. A smaller one is read and written: passing it
/// on takes two more calls, because the header before it has to be written first, and slots of the
/// pipe that are not filled. Measured from 8 to 256 KiB, this is the best by a little.
const MIN_SPLICE_BYTES: u64 = 64 << 10;

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
    BlobOpener(Arc<dyn BlobOpener>),
    /// A plain tar, made anew from what is in the store; `seen` names how that looked when it was
    /// hashed, if that is known.
    Tar { source: TarContent, mtime: u64, seen: Seen },
}

/// By whom store paths were hashed, and how they looked: [`TarReader::seen`].
#[derive(Debug, Clone)]
pub(super) enum Seen {
    /// This process, just now.
    Now(Digest),
    /// Another one; they may have changed since, and the bytes be the same nevertheless.
    Before(Before),
}

impl Seen {
    /// How the bytes that will come from there can be known to be right.
    fn check(&self, source: &TarContent, mtime: u64) -> Check {
        match self {
            Self::Now(seen) => Check::Seen(*seen),
            Self::Before(Before { seen, renew }) => match seen {
                Some(seen)
                    if source.open(mtime).stamp_without_reading().is_ok_and(|now| now == *seen) =>
                {
                    Check::Seen(*seen)
                }
                // Reading will say what is wrong, if something is.
                _ => Check::Bytes(Box::default(), Some(Arc::clone(renew))),
            },
        }
    }
}

/// Whatever has to live as long as a blob's file shall.
pub type KeepAlive = Arc<dyn std::fmt::Debug + Send + Sync>;

/// A place outside this room that holds a blob's bytes, such as a base image. What it gives is
/// checked like all else.
pub trait BlobOpener: std::fmt::Debug + Send + Sync {
    /// Reads the bytes from their start.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
}

impl Blob {
    /// A blob that lies elsewhere.
    pub fn from_opener(place: Arc<dyn BlobOpener>, digest: Digest, size: u64) -> Self {
        Self { digest, size, origin: BlobSource::BlobOpener(place) }
    }

    /// A file in a store; `written` if this process has just written and hashed it.
    pub(super) fn kept(file: StoredFile, digest: Digest, size: u64, written: bool) -> Self {
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
            BlobSource::Tar { .. } | BlobSource::BlobOpener(_) => None,
        }
    }

    /// Starts to read. A wrong byte, or too few or too many, are an error at the end.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, LayerError> {
        Ok(Box::new(self.reader()?))
    }

    /// Writes the bytes to `to`. Hashing, where it has to be done, goes on while the writer waits
    /// for its sink; where it does not, nobody reads what goes from a large file into a pipe.
    pub fn write_to(&self, to: &mut dyn Sink) -> Result<(), LayerError> {
        self.pass(self.reader()?, to)
    }

    fn pass(&self, mut reader: BlobReader, to: &mut dyn Sink) -> Result<(), LayerError> {
        if !matches!(reader.check, Check::Bytes(..)) {
            return reader.splice_to(to);
        }
        if self.size <= BUFFER as u64 {
            return reader.copy_hashed(to);
        }
        let (filled, blocks) = sync_channel::<Result<Vec<u8>, LayerError>>(AHEAD);
        let (emptied, spare) = sync_channel::<Vec<u8>>(AHEAD + 2);
        let has_thread = std::thread::scope(|scope| -> Result<bool, LayerError> {
            let reader = &mut reader;
            let read = move || read_ahead(reader, &filled, &spare);
            if std::thread::Builder::new().spawn_scoped(scope, read).is_err() {
                return Ok(false);
            }
            for block in blocks {
                let block = block?;
                to.write_all(&block).map_err(LayerError::Sink)?;
                // The reader may be done and gone.
                let _ = emptied.send(block);
            }
            Ok(true)
        })?;
        if has_thread { Ok(()) } else { reader.copy_hashed(to) }
    }

    /// As [`write_to`](Blob::write_to), into a file. The kernel copies what this process wrote.
    pub(super) fn copy_to(&self, to: &mut File) -> Result<(), LayerError> {
        let mut reader = self.reader()?;
        let (Check::Written(_), Bytes::File(from)) = (&reader.check, &mut reader.bytes) else {
            return self.pass(reader, to);
        };
        let copied = io::copy(from, to).map_err(LayerError::Sink)?;
        match copied == self.size && reader.is_right() {
            true => Ok(()),
            false => Err(reader.wrong()),
        }
    }

    fn reader(&self) -> Result<BlobReader, LayerError> {
        let mut check = Check::Bytes(Box::default(), None);
        let (bytes, name) = match &self.origin {
            BlobSource::Tar { source, mtime, seen } => {
                check = seen.check(source, *mtime);
                (Bytes::Tar(Box::new(source.open(*mtime))), None)
            }
            BlobSource::BlobOpener(place) => {
                let opened = place.open();
                let failed = |source| LayerError::BlobOpener { digest: self.digest, source };
                (Bytes::BlobOpener(opened.map_err(failed)?), None)
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

/// Sends block after block until the end, the first error, or until nobody listens.
fn read_ahead(
    reader: &mut BlobReader,
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

enum Bytes {
    File(File),
    BlobOpener(Box<dyn Read + Send>),
    Tar(Box<TarReader>),
}

/// How it is known that the bytes are the right ones.
enum Check {
    /// They are hashed again, and the record of them is renewed or removed.
    Bytes(Box<Hasher>, Option<Arc<dyn Renew>>),
    /// They come from what looks as it did when it was hashed.
    Seen(Digest),
    /// They come from a file that looked so when it was written, hashed and opened.
    Written(FileStamp),
}

/// Checks what is read, at the end.
struct BlobReader {
    bytes: Bytes,
    name: Option<PathBuf>,
    digest: Digest,
    left: u64,
    check: Check,
}

impl BlobReader {
    fn is_right(&self) -> bool {
        match (&self.check, &self.bytes) {
            (Check::Bytes(hasher, _), _) => hasher.clone().finish().digest() == self.digest,
            (Check::Seen(seen), Bytes::Tar(reader)) => {
                reader.seen() == *seen && reader.spliced_files_unchanged()
            }
            (Check::Written(before), Bytes::File(file)) => {
                file.metadata().is_ok_and(|now| FileStamp::of(&now) == *before)
            }
            (Check::Seen(_) | Check::Written(_), _) => false,
        }
    }

    /// Reads and writes in turns.
    fn copy_hashed(&mut self, to: &mut dyn Sink) -> Result<(), LayerError> {
        let mut buf = self.buffer();
        loop {
            let count = self.pull(&mut buf)?;
            to.write_all(buf.get(..count).unwrap_or_default()).map_err(LayerError::Sink)?;
            if count == 0 {
                return Ok(());
            }
        }
    }

    /// Room for all that is left, or for a part of it.
    fn buffer(&self) -> Vec<u8> {
        vec![0; usize::try_from(self.left).map_or(BUFFER, |left| left.clamp(1, BUFFER))]
    }

    /// Writes what needs no hashing; large files go into a pipe unread.
    ///
    /// Such bytes may still change while they lie there. So none of the last ones, as many as the
    /// pipe holds, goes unread: when those are written all others have been taken out, and the
    /// files that they came from are looked at once more.
    fn splice_to(&mut self, to: &mut dyn Sink) -> Result<(), LayerError> {
        let mut buf = self.buffer();
        let mut unread = false;
        loop {
            let free = self.left.saturating_sub(to.capacity().unwrap_or(u64::MAX));
            let large = if free == 0 { u64::MAX } else { MIN_SPLICE_BYTES };
            let file = match &self.bytes {
                Bytes::Tar(reader) => reader.file(large),
                Bytes::File(file) if self.left >= large => Some((file, self.left)),
                Bytes::File(_) | Bytes::BlobOpener(_) => None,
            };
            let lent = file.map_or(Ok(0), |(file, left)| to.splice(file, left.min(free)));
            let lent = lent.map_err(LayerError::Sink)?;
            if lent > 0 {
                unread = true;
                self.left = self.left.saturating_sub(lent);
                if let Bytes::Tar(reader) = &mut self.bytes {
                    reader.mark_spliced(lent);
                }
                continue;
            }
            let count = self.pull_before(&mut buf, large)?;
            to.write_all(buf.get(..count).unwrap_or_default()).map_err(LayerError::Sink)?;
            if count == 0 {
                break;
            }
        }
        if unread {
            to.flush().map_err(LayerError::Sink)?;
        }
        match unread && !self.is_right() {
            true => Err(self.wrong()),
            // The last bytes were read, and that is checked.
            false => Ok(()),
        }
    }

    fn pull(&mut self, buf: &mut [u8]) -> Result<usize, LayerError> {
        self.pull_before(buf, u64::MAX)
    }

    /// The next bytes, without those of a large file behind others.
    fn pull_before(&mut self, buf: &mut [u8], large: u64) -> Result<usize, LayerError> {
        let count = match &mut self.bytes {
            Bytes::Tar(reader) => reader.fill_before(buf, large)?,
            Bytes::BlobOpener(reader) => reader
                .read(buf)
                .map_err(|source| LayerError::BlobOpener { digest: self.digest, source })?,
            Bytes::File(file) => match crate::layer::tar::walk::read_some(file, buf) {
                Ok(count) => count,
                Err(source) => {
                    self.forget();
                    let path = self.name.clone().unwrap_or_default();
                    return Err(FileError { op: FileOp::Read, path, source }.into());
                }
            },
        };
        let read = buf.get(..count).unwrap_or_default();
        if let Check::Bytes(hasher, _) = &mut self.check {
            hasher.update(read);
        }
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| self.wrong())?;
        let ended = count == 0 && !buf.is_empty();
        match (self.left, ended) {
            (0, false) if !self.is_right() => Err(self.wrong()),
            (1.., true) => Err(self.wrong()),
            (0, false) => {
                self.renew();
                Ok(count)
            }
            _ => Ok(count),
        }
    }

    fn renew(&self) {
        if let (Check::Bytes(_, Some(renew)), Bytes::Tar(reader)) = (&self.check, &self.bytes) {
            renew.renew(reader.seen());
        }
    }

    fn forget(&self) {
        if let Check::Bytes(_, Some(renew)) = &self.check {
            renew.forget();
        }
    }

    fn wrong(&self) -> LayerError {
        self.forget();
        if matches!(self.bytes, Bytes::BlobOpener(_)) {
            let source = io::Error::other("its bytes are not those that it was named by");
            return LayerError::BlobOpener { digest: self.digest, source };
        }
        match &self.name {
            Some(path) => LayerError::DamagedBlob { path: path.clone(), digest: self.digest },
            None => LayerError::StoreChanged(self.digest),
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.pull(buf).map_err(io::Error::other)
    }
}
