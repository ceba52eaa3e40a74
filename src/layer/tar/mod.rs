//! [`TarReader`]: the content of a layer as a tar, read on demand.
//!
//! The reader is pulled, so that hashing, compressing and sending share it: file bytes are read
//! directly into the caller's buffer. The tar ends with two blocks of zeros without further padding.

pub(in crate::layer) mod header;
pub(in crate::layer) mod walk;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::header::{BLOCK, Meta};
use self::walk::{Entry, Kind, RootfsWalk, StoreWalk, read_some};
use super::LayerError;
use crate::digest::{Digest, Hasher};
use crate::fs::{Context, FileError, FileOp, FileStamp};
use crate::rootfs::Rootfs;
use crate::store_path::StorePath;

/// The version of the tar format, part of every cache key. It must change when the same content
/// gets other bytes.
pub(super) const VERSION: u32 = 1;

/// The content of a tar. It is cheap to clone and can be read any number of times.
#[derive(Debug, Clone)]
pub(super) enum TarContent {
    StorePaths(Arc<[StorePath]>),
    Rootfs(Arc<Rootfs>),
}

impl TarContent {
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
            spliced: Vec::new(),
        }
    }
}

/// The content of the current entry that follows its header.
#[derive(Debug)]
enum Body {
    None,
    Bytes(Vec<u8>),
    File(Content),
}

#[derive(Debug)]
struct Content {
    file: File,
    path: PathBuf,
    /// The stamp when it was opened.
    look: FileStamp,
    size: u64,
    left: u64,
    /// True if bytes of it were spliced.
    spliced: bool,
}

/// Reads the bytes of a tar.
pub(super) struct TarReader {
    entries: Box<dyn Iterator<Item = Result<Entry, LayerError>> + Send>,
    mtime: u64,
    /// Headers, small contents and padding that are ready to be read.
    ready: Vec<u8>,
    taken: usize,
    body: Body,
    ended: bool,
    seen: Hasher,
    /// Spliced files and their stamps at that time.
    spliced: Vec<(PathBuf, Stamp)>,
}

impl TarReader {
    /// Returns the tree stamp: a digest of every header and of each file's stamps before and after
    /// it was read. Unchanged content has the same tree stamp until the next boot.
    pub(super) fn seen(&self) -> Digest {
        self.seen.clone().finish().digest()
    }

    /// Returns the tree stamp that [`seen`](TarReader::seen) will have if nothing changes. Opens
    /// every file and reads none.
    pub(super) fn stamp_without_reading(mut self) -> Result<Digest, LayerError> {
        while !self.ended {
            self.ready.clear();
            self.advance()?;
            // `advance` does not reset `body` at the end of the tar.
            let body = std::mem::replace(&mut self.body, Body::None);
            if let Body::File(Content { file, path, .. }) = body {
                self.seen.update(stamp_at(&file, &path)?.as_flattened());
            }
        }
        Ok(self.seen())
    }

    /// Fills the buffer, except at the end of the tar.
    pub(super) fn fill(&mut self, buf: &mut [u8]) -> Result<usize, LayerError> {
        self.fill_before(buf, u64::MAX)
    }

    /// Does the same as [`fill`](TarReader::fill), but stops before a file of at least `large`
    /// bytes, unless the file comes first.
    pub(super) fn fill_before(&mut self, buf: &mut [u8], large: u64) -> Result<usize, LayerError> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            if filled > 0 && self.file(large).is_some() {
                break;
            }
            match self.take(rest)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// Returns the file whose bytes come next and the number of bytes left, if the file has at
    /// least `large` bytes.
    pub(super) fn file(&self, large: u64) -> Option<(&File, u64)> {
        match &self.body {
            Body::File(content) if self.taken == self.ready.len() => Some(content)
                .filter(|content| content.size >= large && content.left > 0)
                .map(|content| (&content.file, content.left)),
            _ => None,
        }
    }

    /// Skips bytes that the caller spliced from [`file`](TarReader::file).
    pub(super) fn mark_spliced(&mut self, count: u64) {
        if let Body::File(content) = &mut self.body {
            content.left = content.left.saturating_sub(count);
            content.spliced = true;
        }
    }

    /// Returns true if all spliced files still have their stamps.
    pub(super) fn spliced_files_unchanged(&self) -> bool {
        let same = |(path, before): &(PathBuf, Stamp)| {
            std::fs::metadata(path).is_ok_and(|meta| stamp(&meta) == *before)
        };
        self.spliced.iter().all(same)
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
                Body::File(content) if content.left > 0 => return self.take_file(content, buf),
                Body::File(content) => {
                    let size = content.size;
                    self.end_file(content)?;
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

    fn take_file(&mut self, mut content: Content, buf: &mut [u8]) -> Result<usize, LayerError> {
        let Content { file, path, size, left, .. } = &mut content;
        let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len());
        let count = read_some(file, buf.get_mut(..most).unwrap_or_default())
            .map_err(|source| FileError { op: FileOp::Read, path: path.clone(), source })?;
        if count == 0 {
            let now = *size - *left;
            return Err(LayerError::Changed { path: content.path, size: content.size, now });
        }
        *left -= count as u64;
        self.body = Body::File(content);
        Ok(count)
    }

    /// Checks a file after its last byte. If it has more bytes than its header says, or was written
    /// to, the bytes read may mix old and new content.
    fn end_file(&mut self, mut content: Content) -> Result<(), LayerError> {
        let Content { file, path, look, size, .. } = &mut content;
        let meta = file.metadata().context(FileOp::Read, &*path)?;
        let stamp = stamp(&meta);
        self.seen.update(stamp.as_flattened());
        let more = read_some(file, &mut [0]).map_err(|source| FileError {
            op: FileOp::Read,
            path: path.clone(),
            source,
        })?;
        if more > 0 || meta.len() != *size {
            let now = file.metadata().map_or(*size + 1, |meta| meta.len());
            return Err(LayerError::Changed { path: content.path, size: content.size, now });
        }
        if FileStamp::of(&meta) != *look {
            return Err(LayerError::ModifiedWhileRead(content.path));
        }
        if content.spliced {
            self.spliced.push((content.path, stamp));
        }
        Ok(())
    }

    /// Appends the next entry's header, or the end of the tar, to `ready`.
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
            Kind::File { meta, .. } => header::Kind::File(meta.len()),
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
        if let Kind::File { meta, .. } = &entry.kind {
            self.seen.update(stamp(meta).as_flattened());
        }
        self.body = match entry.kind {
            Kind::Directory | Kind::Symlink(_) => Body::None,
            Kind::Bytes(bytes) => Body::Bytes(bytes),
            Kind::File { file, path, meta } => {
                let (look, size) = (FileStamp::of(&meta), meta.len());
                Body::File(Content { file, path, look, size, left: size, spliced: false })
            }
        };
        Ok(())
    }

    fn pad(&mut self, size: u64) {
        let padding = usize::try_from(header::padding(size)).unwrap_or_default();
        self.ready.resize(padding, 0);
    }
}

/// Device, inode, size, `mtime` and `ctime` of a file.
type Stamp = [[u8; 8]; 7];

fn stamp_at(file: &File, path: &Path) -> Result<Stamp, FileError> {
    Ok(stamp(&file.metadata().context(FileOp::Read, path)?))
}

fn stamp(meta: &Metadata) -> Stamp {
    let [dev, ino, len] = [meta.dev(), meta.ino(), meta.len()].map(u64::to_le_bytes);
    let mtime = [meta.mtime(), meta.mtime_nsec()].map(i64::to_le_bytes);
    let ctime = [meta.ctime(), meta.ctime_nsec()].map(i64::to_le_bytes);
    [dev, ino, len, mtime[0], mtime[1], ctime[0], ctime[1]]
}

impl std::fmt::Debug for TarReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TarReader").field("body", &self.body).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test stops at the first error anyway")]
mod tests {
    use super::*;

    /// Reads a store path with a large file, calls `change` after half of the file, and returns the
    /// error of the rest.
    fn error_after(change: impl FnOnce(&Path)) -> LayerError {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ppalkb4fq3rl0qvhbbhvzwmh2yk9i1l1-app");
        std::fs::create_dir_all(path.join("lib")).unwrap();
        std::fs::write(path.join("lib/large"), vec![1; 1_000_000]).unwrap();
        let paths = Arc::new([path.to_str().unwrap().parse().unwrap()]);
        let mut reader = TarContent::StorePaths(paths).open(1);
        reader.fill(&mut vec![0; 500_000]).unwrap();
        change(&path);
        let rest = reader.fill(&mut vec![0; 1_000_000]);
        rest.unwrap_err()
    }

    #[test]
    fn file_written_to_while_read_is_named() {
        let error = error_after(|path| {
            let mut file =
                std::fs::OpenOptions::new().write(true).open(path.join("lib/large")).unwrap();
            std::io::Write::write_all(&mut file, b"other").unwrap();
        });
        assert!(
            error.to_string().ends_with("-app/lib/large` changed while it was read"),
            "{error}"
        );
    }

    #[test]
    fn directory_that_changes_while_read_is_named() {
        let error = error_after(|path| std::fs::write(path.join("lib/new"), "").unwrap());
        assert!(error.to_string().ends_with("-app/lib` changed while it was read"), "{error}");
        let error = error_after(|path| std::fs::remove_file(path.join("lib/large")).unwrap());
        assert!(error.to_string().ends_with("-app/lib` changed while it was read"), "{error}");
    }

    #[test]
    fn store_path_removed_while_read_is_named() {
        let error = error_after(|path| {
            std::fs::rename(path.join("lib"), path.with_file_name("lib")).unwrap();
            std::fs::rename(path, path.with_file_name("gone")).unwrap();
        });
        assert!(error.to_string().contains("-app"), "{error}");
    }
}
