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

/// What a file's name must not start with: in a layer it would delete another file.
const WHITEOUT: &[u8] = b".wh.";

/// One entry of a tar, its content ready to be read.
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
    /// As it was when it was opened.
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

/// Refuses names that an image cannot carry.
fn check_name(name: &[u8], path: &Path) -> Result<(), LayerError> {
    match name.starts_with(WHITEOUT) {
        true => Err(LayerError::Whiteout(path.into())),
        false => Ok(()),
    }
}

/// Walks store paths: the store directory and its parents, then each path with its tree. Children
/// are ordered by the bytes of their names, parents come first.
///
/// Modes are Nix's canonical ones whatever the file system says, hard links are whole files, and
/// links are never followed. No directory stays open.
///
/// A directory that gains or loses a child under way is an error, and so is a store path that is
/// gone or another one when all are read: a collector of garbage takes the files before the folder
/// that they lie in, and half a store path must not become a layer.
#[derive(Debug)]
pub(in crate::layer) struct StoreWalk {
    paths: Arc<[StorePath]>,
    /// How the store paths looked that were begun, in the order of `paths`.
    begun: Vec<FileStamp>,
    /// Parents of the store paths that are still to come, the nearest to the root last.
    parents: Vec<Vec<u8>>,
    /// Directories on the way to the current entry.
    open: Vec<Folder>,
    /// The directory that the last of `open` is about.
    at: PathBuf,
}

#[derive(Debug)]
struct Folder {
    /// How it looked before it was listed.
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
            let look = look_at(&path)?.0;
            self.open.push(Folder { look, children: children(&path)? });
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
        while let Some(folder) = self.open.last_mut() {
            if let Some((name, kind)) = folder.children.pop() {
                let path = self.at.join(name);
                return self.entry(path, kind).map(Some);
            }
            still(&self.at, folder.look)?;
            self.open.pop();
            self.at.pop();
        }
        let Some(path) = self.paths.get(self.begun.len()) else {
            let mut all = self.paths.iter().zip(&self.begun);
            return all
                .try_for_each(|(path, look)| still(Path::new(path.as_str()), *look))
                .map(|()| None);
        };
        let path = PathBuf::from(path.as_str());
        let (look, kind) = look_at(&path)?;
        self.begun.push(look);
        self.entry(path, kind).map(Some)
    }
}

fn look_at(path: &Path) -> Result<(FileStamp, FileType), FileError> {
    let meta = std::fs::symlink_metadata(path).context(FileOp::Read, path)?;
    Ok((FileStamp::of(&meta), meta.file_type()))
}

/// Whether it still looks as it did.
fn still(path: &Path, look: FileStamp) -> Result<(), LayerError> {
    match look_at(path)?.0 == look {
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

/// A directory's children, the last one first, so that the next one is popped.
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

/// Opens what was a regular file a moment ago. Should it have become a FIFO, opening does not
/// wait for a writer, and it is refused.
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

/// Walks the image's own files in the order that the rootfs gives them.
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

/// An attribute of overlayfs would steer the runtime's own layers; a name with an equals sign
/// cannot be written as a PAX record.
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

/// Reads at most what the buffer holds, again after an interruption.
pub(in crate::layer) fn read_some(file: &mut File, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match io::Read::read(file, buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
