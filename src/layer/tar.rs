//! A layer's content as the bytes of its tar, read on demand.
//!
//! Pulled rather than pushed, so that one piece of code serves who hashes, who compresses and who
//! sends: file bytes go straight into the caller's buffer. The tar ends with two blocks of zeros
//! and nothing behind them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::LayerError;
use super::header::{self, BLOCK, Meta};
use super::walk::{Entry, Kind, RootfsWalk, StoreWalk, read_some};
use crate::digest::{Digest, Hasher};
use crate::file::{Context, FileError};
use crate::rootfs::Rootfs;
use crate::store_path::StorePath;

/// Changes when the same content gets other bytes; part of every cache key.
pub(super) const VERSION: u32 = 1;

/// Where a tar's content comes from; cheap to clone, can be read any number of times.
#[derive(Debug, Clone)]
pub(super) enum Source {
    StorePaths(Arc<[StorePath]>),
    Rootfs(Arc<Rootfs>),
}

impl Source {
    pub(super) fn open(&self, mtime: u64) -> TarReader {
        let entries: Box<dyn Iterator<Item = Result<Entry, LayerError>> + Send> = match self {
            Self::StorePaths(paths) => Box::new(StoreWalk::new(Arc::clone(paths))),
            Self::Rootfs(rootfs) => Box::new(RootfsWalk::new(Arc::clone(rootfs))),
        };
        TarReader {
            entries,
            mtime,
            ready: Vec::new(),
            taken: 0,
            body: Body::None,
            ended: false,
            seen: Hasher::new(),
        }
    }
}

/// What of the current entry is still to be read behind its header.
#[derive(Debug)]
enum Body {
    None,
    Bytes(Vec<u8>),
    File { file: File, path: PathBuf, size: u64, left: u64 },
}

/// The tar's bytes. Errors are [`LayerError`]s inside of [`io::Error`].
pub(super) struct TarReader {
    entries: Box<dyn Iterator<Item = Result<Entry, LayerError>> + Send>,
    mtime: u64,
    /// Headers, small contents and padding that wait to be read.
    ready: Vec<u8>,
    taken: usize,
    body: Body,
    ended: bool,
    seen: Hasher,
}

impl TarReader {
    /// Names all that went by: every header, and how each file looked before and after it was
    /// read. Two readings of the same content in the life of a process give the same.
    pub(super) fn seen(&self) -> Digest {
        self.seen.clone().finish().digest()
    }

    /// Fills the buffer to its end, or to the tar's.
    pub(super) fn fill(&mut self, buf: &mut [u8]) -> Result<usize, LayerError> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.take(rest)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    fn take(&mut self, buf: &mut [u8]) -> Result<usize, LayerError> {
        loop {
            let waiting = self.ready.get(self.taken..).unwrap_or_default();
            if !waiting.is_empty() {
                let count = waiting.len().min(buf.len());
                buf.iter_mut().zip(waiting).for_each(|(to, from)| *to = *from);
                self.taken += count;
                return Ok(count);
            }
            self.ready.clear();
            self.taken = 0;
            match std::mem::replace(&mut self.body, Body::None) {
                Body::File { file, path, size, left } if left > 0 => {
                    return self.take_file(file, path, size, left, buf);
                }
                Body::File { mut file, path, size, .. } => {
                    look(&file, &path, &mut self.seen)?;
                    check_end(&mut file, path, size)?;
                    self.pad(size);
                }
                Body::Bytes(bytes) => {
                    self.pad(bytes.len() as u64);
                    self.ready.splice(..0, bytes);
                }
                Body::None if self.ended => return Ok(0),
                Body::None => self.advance()?,
            }
        }
    }

    fn take_file(
        &mut self,
        mut file: File,
        path: PathBuf,
        size: u64,
        left: u64,
        buf: &mut [u8],
    ) -> Result<usize, LayerError> {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let count = read_some(&mut file, buf.get_mut(..most).unwrap_or_default())
            .map_err(|source| FileError { verb: "read", path: path.clone(), source })?;
        if count == 0 {
            return Err(LayerError::Changed { path, size, now: size - left });
        }
        self.body = Body::File { file, path, size, left: left - count as u64 };
        Ok(count)
    }

    /// Puts the next entry's header, or the end of the tar, into `ready`.
    fn advance(&mut self) -> Result<(), LayerError> {
        let Some(entry) = self.entries.next() else {
            self.ready.resize(2 * usize::try_from(BLOCK).unwrap_or(512), 0);
            self.ended = true;
            return Ok(());
        };
        let entry = entry?;
        let kind = match &entry.kind {
            Kind::Directory => header::Kind::Directory,
            Kind::Symlink(target) => header::Kind::Symlink(target),
            Kind::Bytes(bytes) => header::Kind::File(bytes.len() as u64),
            Kind::File { size, .. } => header::Kind::File(*size),
        };
        let meta = Meta {
            path: &entry.path,
            kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: self.mtime,
            xattrs: &entry.xattrs,
        };
        header::encode(&meta, &mut self.ready);
        self.seen.update(&self.ready);
        if let Kind::File { file, path, .. } = &entry.kind {
            look(file, path, &mut self.seen)?;
        }
        self.body = match entry.kind {
            Kind::Directory | Kind::Symlink(_) => Body::None,
            Kind::Bytes(bytes) => Body::Bytes(bytes),
            Kind::File { file, path, size } => Body::File { file, path, size, left: size },
        };
        Ok(())
    }

    fn pad(&mut self, size: u64) {
        let padding = usize::try_from(header::padding(size)).unwrap_or_default();
        self.ready.resize(padding, 0);
    }
}

/// Adds which file it is and when it was changed last.
fn look(file: &File, path: &Path, seen: &mut Hasher) -> Result<(), FileError> {
    let meta = file.metadata().context("read", path)?;
    for number in [meta.dev(), meta.ino(), meta.len()] {
        seen.update(&number.to_le_bytes());
    }
    for number in [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()] {
        seen.update(&number.to_le_bytes());
    }
    Ok(())
}

/// A file that has more bytes than its header says has changed under way.
fn check_end(file: &mut File, path: PathBuf, size: u64) -> Result<(), LayerError> {
    let more = read_some(file, &mut [0]).map_err(|source| FileError {
        verb: "read",
        path: path.clone(),
        source,
    })?;
    if more == 0 {
        return Ok(());
    }
    let now = file.metadata().map_or(size + 1, |meta| meta.len());
    Err(LayerError::Changed { path, size, now })
}

impl Read for TarReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.take(buf).map_err(io::Error::other)
    }
}

impl std::fmt::Debug for TarReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TarReader").field("body", &self.body).finish_non_exhaustive()
    }
}
