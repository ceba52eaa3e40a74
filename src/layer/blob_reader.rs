//! [`BlobReader`]: reads the bytes of a blob and verifies them.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::error::LayerError;
use super::sink::Sink;
use super::tar::TarReader;
use super::tar::walk::read_some;
use super::trust::Check;
use crate::digest::Digest;
use crate::fs::{FileError, FileOp, FileStamp};

const BUFFER: usize = 512 << 10;
/// Maximum number of blocks that are read ahead of the writer.
const MAX_BLOCKS_AHEAD: usize = 4;

/// Smallest file that is spliced into a pipe. Splicing costs two more system calls, because the
/// header before the file must be written first, and it leaves slots of the pipe partly filled.
/// Of the values from 8 to 256 KiB, this one measured best by a small margin.
const MIN_SPLICE_BYTES: u64 = 64 << 10;

pub(super) enum Bytes {
    File(File),
    Opener(Box<dyn Read + Send>),
    Tar(Box<TarReader>),
}

/// Reads a blob and verifies its bytes at the end.
pub(super) struct BlobReader {
    pub(super) bytes: Bytes,
    pub(super) name: Option<PathBuf>,
    pub(super) digest: Digest,
    pub(super) left: u64,
    pub(super) check: Check,
}

impl BlobReader {
    /// Writes all bytes to `to`; hashes them on a second thread if they must be hashed.
    pub(super) fn write_to(mut self, to: &mut dyn Sink) -> Result<(), LayerError> {
        if !matches!(self.check, Check::Bytes(..)) {
            return self.splice_to(to);
        }
        if self.left <= BUFFER as u64 {
            return self.copy_hashed(to);
        }
        let (filled, blocks) = sync_channel::<Result<Vec<u8>, LayerError>>(MAX_BLOCKS_AHEAD);
        let (emptied, spare) = sync_channel::<Vec<u8>>(MAX_BLOCKS_AHEAD + 2);
        let has_thread = std::thread::scope(|scope| -> Result<bool, LayerError> {
            let reader = &mut self;
            let read = move || read_ahead(reader, &filled, &spare);
            if std::thread::Builder::new().spawn_scoped(scope, read).is_err() {
                return Ok(false);
            }
            for block in blocks {
                let block = block?;
                to.write_all(&block).map_err(LayerError::Sink)?;
                // Fails if the reader has finished, which needs no more buffers.
                let _ = emptied.send(block);
            }
            Ok(true)
        })?;
        if has_thread { Ok(()) } else { self.copy_hashed(to) }
    }

    /// Writes all bytes to a file. The kernel copies a file that this process wrote.
    pub(super) fn copy_to(mut self, to: &mut File) -> Result<(), LayerError> {
        let (Check::Written(_), Bytes::File(from)) = (&self.check, &mut self.bytes) else {
            return self.write_to(to);
        };
        let copied = io::copy(from, to).map_err(LayerError::Sink)?;
        match copied == self.left && self.is_right() {
            true => Ok(()),
            false => Err(self.wrong()),
        }
    }

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

    /// Reads, hashes and writes on one thread.
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

    /// Returns a buffer for the remaining bytes, or for a part of them.
    fn buffer(&self) -> Vec<u8> {
        vec![0; usize::try_from(self.left).map_or(BUFFER, |left| left.clamp(1, BUFFER))]
    }

    /// Writes bytes that need no hashing; splices large files into a pipe.
    ///
    /// Spliced bytes can still change while they are in the pipe. So the last bytes, as many as the
    /// pipe holds, are written instead: after that write the receiver has read every spliced byte,
    /// and the stamps of the spliced files are compared once more.
    fn splice_to(&mut self, to: &mut dyn Sink) -> Result<(), LayerError> {
        let mut buf = self.buffer();
        let mut unread = false;
        loop {
            let free = self.left.saturating_sub(to.capacity().unwrap_or(u64::MAX));
            let large = if free == 0 { u64::MAX } else { MIN_SPLICE_BYTES };
            let file = match &self.bytes {
                Bytes::Tar(reader) => reader.file(large),
                Bytes::File(file) if self.left >= large => Some((file, self.left)),
                Bytes::File(_) | Bytes::Opener(_) => None,
            };
            let spliced = file.map_or(Ok(0), |(file, left)| to.splice(file, left.min(free)));
            let spliced = spliced.map_err(LayerError::Sink)?;
            if spliced > 0 {
                unread = true;
                self.left = self.left.saturating_sub(spliced);
                if let Bytes::Tar(reader) = &mut self.bytes {
                    reader.mark_spliced(spliced);
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
            // `pull_before` has verified the end.
            false => Ok(()),
        }
    }

    fn pull(&mut self, buf: &mut [u8]) -> Result<usize, LayerError> {
        self.pull_before(buf, u64::MAX)
    }

    /// Reads the next bytes; stops before a file of at least `large` bytes.
    fn pull_before(&mut self, buf: &mut [u8], large: u64) -> Result<usize, LayerError> {
        let count = match &mut self.bytes {
            Bytes::Tar(reader) => reader.fill_before(buf, large)?,
            Bytes::Opener(reader) => reader
                .read(buf)
                .map_err(|source| LayerError::ReadBlob { digest: self.digest, source })?,
            Bytes::File(file) => match read_some(file, buf) {
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
        if matches!(self.bytes, Bytes::Opener(_)) {
            let source = io::Error::other("its digest differs from its name");
            return LayerError::ReadBlob { digest: self.digest, source };
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

/// Sends blocks until the end, the first error, or until the receiver is dropped.
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
