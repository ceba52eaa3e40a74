//! The entries of a layer, in the order in which its tar has them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, FileType, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fs::{Context, FileError, FileOp, FileStamp};
use crate::layer::LayerError;
use crate::rootfs::{self, Rootfs};
use crate::store_path::StorePath;

/// The prefix of a name that deletes a file of lower layers (image-spec, layer.md, whiteouts).
const WHITEOUT: &[u8] = b".wh.";

/// An entry of a tar; a file is already open.
#[derive(Debug)]
pub(in crate::layer) struct Entry {
    /// Relative, without a slash at either end.
    pub(in crate::layer) path: Vec<u8>,
    pub(in crate::layer) kind: Kind,
    pub(in crate::layer) mode: u32,
    pub(in crate::layer) uid: u32,
    pub(in crate::layer) gid: u32,
    pub(in crate::layer) xattrs: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug)]
pub(in crate::layer) enum Kind {
    Directory,
    Symlink(Vec<u8>),
    Bytes(Vec<u8>),
    /// An open file, with its metadata from the time of opening.
    File {
        file: File,
        meta: std::fs::Metadata,
        path: PathBuf,
    },
}

impl Entry {
    fn store(path: Vec<u8>, kind: Kind, mode: u32) -> Self {
        Self { path, kind, mode, uid: 0, gid: 0, xattrs: BTreeMap::new() }
    }

    fn directory(path: Vec<u8>, mode: u32) -> Self {
        Self::store(path, Kind::Directory, mode)
    }
}

/// Refuses whiteout names.
fn check_name(name: &[u8], path: &Path) -> Result<(), LayerError> {
    match name.starts_with(WHITEOUT) {
        true => Err(LayerError::Whiteout(path.into())),
        false => Ok(()),
    }
}

/// Walks the store directory and its parents, then each store path with its tree. Parents come
/// before children; children are sorted by the bytes of their names.
///
/// Modes are Nix's canonical ones, independent of the file system. Hard links become separate files,
/// and symbolic links are not followed. No directory stays open.
///
/// It is an error if a directory gains or loses an entry during the walk, or if a store path is
/// missing or replaced at its end: a garbage collector removes files before their directory, and
/// an incomplete store path must not become a layer.
#[derive(Debug)]
pub(in crate::layer) struct StoreWalk {
    paths: Arc<[StorePath]>,
    /// The stamps of the store paths that were started, in the order of `paths`.
    begun: Vec<FileStamp>,
    /// Parents of the store paths that are still to come, the nearest to the root last.
    parents: Vec<Vec<u8>>,
    /// Directories on the way to the current entry.
    open: Vec<OpenDir>,
    /// The directory that the last of `open` is about.
    at: PathBuf,
}

#[derive(Debug)]
struct OpenDir {
    /// The stamp before it was listed.
    look: FileStamp,
    /// The children to come, the last one first.
    children: Vec<(OsString, FileType)>,
}

impl StoreWalk {
    pub(in crate::layer) fn new(paths: Arc<[StorePath]>) -> Self {
        let dir = paths.first().map(StorePath::store_dir).unwrap_or_default();
        let parents = Path::new(dir).ancestors().map(relative);
        let parents = parents.filter(|path| !path.is_empty()).collect();
        Self { paths, begun: Vec::new(), parents, open: Vec::new(), at: PathBuf::new() }
    }

    fn entry(&mut self, path: PathBuf, kind: FileType) -> Result<Entry, LayerError> {
        if let Some(name) = path.file_name() {
            check_name(name.as_bytes(), &path)?;
        }
        let name = relative(&path);
        if kind.is_dir() {
            let look = stamp_of(&path)?.0;
            self.open.push(OpenDir { look, children: children(&path)? });
            self.at = path;
            return Ok(Entry::directory(name, 0o555));
        }
        if kind.is_symlink() {
            let target = std::fs::read_link(&path).context(FileOp::ReadLink, &path)?;
            let target = target.into_os_string();
            return Ok(Entry::store(name, Kind::Symlink(target.as_bytes().to_vec()), 0o777));
        }
        if !kind.is_file() {
            return Err(LayerError::Special { what: describe(kind), path });
        }
        let (file, meta) = open_file(&path, rustix::fs::OFlags::NOFOLLOW)?;
        let mode = if meta.mode() & 0o100 == 0 { 0o444 } else { 0o555 };
        Ok(Entry::store(name, Kind::File { file, meta, path }, mode))
    }

    fn step(&mut self) -> Result<Option<Entry>, LayerError> {
        if let Some(parent) = self.parents.pop() {
            return Ok(Some(Entry::directory(parent, 0o755)));
        }
        while let Some(dir) = self.open.last_mut() {
            if let Some((name, kind)) = dir.children.pop() {
                let path = self.at.join(name);
                return self.entry(path, kind).map(Some);
            }
            check_unchanged(&self.at, dir.look)?;
            self.open.pop();
            self.at.pop();
        }
        let Some(path) = self.paths.get(self.begun.len()) else {
            let mut all = self.paths.iter().zip(&self.begun);
            return all
                .try_for_each(|(path, look)| check_unchanged(Path::new(path.as_str()), *look))
                .map(|()| None);
        };
        let path = PathBuf::from(path.as_str());
        let (look, kind) = stamp_of(&path)?;
        self.begun.push(look);
        self.entry(path, kind).map(Some)
    }
}

fn stamp_of(path: &Path) -> Result<(FileStamp, FileType), FileError> {
    let meta = std::fs::symlink_metadata(path).context(FileOp::Read, path)?;
    Ok((FileStamp::of(&meta), meta.file_type()))
}

/// Returns an error if the stamp of a path has changed.
fn check_unchanged(path: &Path, look: FileStamp) -> Result<(), LayerError> {
    match stamp_of(path)?.0 == look {
        true => Ok(()),
        false => Err(LayerError::ModifiedWhileRead(path.into())),
    }
}

impl Iterator for StoreWalk {
    type Item = Result<Entry, LayerError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// Lists the children of a directory in descending order, so that `pop` gives the next one.
pub(in crate::layer) fn children(dir: &Path) -> Result<Vec<(OsString, FileType)>, FileError> {
    let mut children = Vec::new();
    for child in std::fs::read_dir(dir).context(FileOp::List, dir)? {
        let child = child.context(FileOp::List, dir)?;
        let kind = child.file_type().context(FileOp::Read, child.path())?;
        children.push((child.file_name(), kind));
    }
    children.sort_unstable_by(|a, b| b.0.cmp(&a.0));
    Ok(children)
}

fn relative(path: &Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_bytes();
    bytes.strip_prefix(b"/").unwrap_or(bytes).to_vec()
}

/// Opens a regular file. If the file was replaced by a FIFO, the call does not wait for a writer and
/// returns an error.
fn open_file(
    path: &Path,
    flags: rustix::fs::OFlags,
) -> Result<(File, std::fs::Metadata), LayerError> {
    let flags = flags | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.context(FileOp::Read, path)?;
    let meta = file.metadata().context(FileOp::Read, path)?;
    match meta.is_file() {
        true => Ok((file, meta)),
        false => Err(LayerError::Special { what: describe(meta.file_type()), path: path.into() }),
    }
}

pub(in crate::layer) fn describe(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_dir() => "a directory",
        kind if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => "no file, directory or link",
    }
}

/// Walks the image's own files in the order of the rootfs.
#[derive(Debug)]
pub(in crate::layer) struct RootfsWalk {
    rootfs: Arc<Rootfs>,
    last: Option<Vec<u8>>,
}

impl RootfsWalk {
    pub(in crate::layer) fn new(rootfs: Arc<Rootfs>) -> Self {
        Self { rootfs, last: None }
    }

    fn entry(path: &[u8], node: &rootfs::Node) -> Result<Entry, LayerError> {
        let shown = PathBuf::from(String::from_utf8_lossy(path).into_owned());
        check_name(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default(), &shown)?;
        if let Some(name) = node.xattrs.keys().find(|name| !is_portable(name)) {
            return Err(LayerError::Xattr { path: shown, name: name.clone() });
        }
        let kind = match &node.kind {
            rootfs::Kind::Directory => Kind::Directory,
            rootfs::Kind::Bytes(bytes) => Kind::Bytes(bytes.clone()),
            rootfs::Kind::Symlink(target) => Kind::Symlink(target.clone()),
            rootfs::Kind::Copy(origin) => {
                let (file, meta) = open_file(origin, rustix::fs::OFlags::empty())?;
                Kind::File { file, meta, path: origin.clone() }
            }
        };
        Ok(Entry {
            path: path.to_vec(),
            kind,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            xattrs: node.xattrs.clone(),
        })
    }
}

/// Returns true if a layer can hold the attribute. An attribute of overlayfs would change the layers
/// of a runtime, and a name with an equals sign does not fit in a PAX record.
fn is_portable(name: &str) -> bool {
    !name.starts_with("trusted.overlay.") && !name.contains(['=', '\0']) && !name.is_empty()
}

impl Iterator for RootfsWalk {
    type Item = Result<Entry, LayerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = match self.last.take() {
            Some(last) => Bound::Excluded(last),
            None => Bound::Unbounded,
        };
        let (path, node) = self.rootfs.entries.range((start, Bound::Unbounded)).next()?;
        let entry = Self::entry(path, node);
        self.last = Some(path.clone());
        Some(entry)
    }
}

/// Reads once into the buffer; repeats the call after `EINTR`.
pub(in crate::layer) fn read_some(file: &mut File, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match io::Read::read(file, buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
