//! The finished image as a file system that can be asked: what is at a path, its links
//! followed as a runtime with this root would follow them.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::{Kind, Rootfs};
use crate::fs;
use crate::fs::{Context, FileError, FileOp};
use crate::spec::Spec;
use crate::store_path::PathInfo;

/// Linux gives up on a path after so many links (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// Go's `os.Root` follows at most 8 links.
const MAX_LINKS_BELOW_ROOT: usize = 8;

/// An image that is not written yet: its own files, and below the store directory the paths of
/// its closure.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    pub(crate) spec: &'a Spec,
    rootfs: &'a Rootfs,
    store_paths: BTreeSet<Vec<u8>>,
}

/// Where following a path ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resolved {
    Directory,
    File(Content),
    Missing(Missing),
}

/// The end of a path, and the way to it.
#[derive(Debug)]
pub(crate) struct Walk {
    /// The last path, all links before it followed.
    pub(crate) at: Vec<u8>,
    pub(crate) found: Resolved,
    /// True if a program that opens the path below the root directory from outside fails: the way
    /// has an absolute link, leaves the root by `..`, or has too many links.
    pub(crate) escapes: bool,
}

/// A regular file of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) executable: bool,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Bytes(Vec<u8>),
    Path(PathBuf),
}

/// Why there is nothing at the end of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing has this path; the last of several when links were followed.
    Nothing(String),
    /// A store path that the closure does not have.
    NotInClosure(String),
    /// More links than a kernel follows.
    Loop,
    /// A file where a directory should be.
    NotADirectory(String),
}

/// One component of a path, not followed.
enum Entry {
    Directory,
    Link(Vec<u8>),
    File(Content),
}

impl Missing {
    /// For a sentence that starts with the path that was asked for.
    pub(crate) fn why(&self, asked: &str) -> String {
        match self {
            Self::Nothing(path) if path == asked => "is not in the image".into(),
            Self::Nothing(path) => format!("leads to `{path}`, which is not in the image"),
            Self::NotInClosure(path) => format!(
                "needs `{path}`, which is not in the image's closure; name the package itself"
            ),
            Self::Loop => "is a loop of links".into(),
            Self::NotADirectory(path) => format!("leads through `{path}`, which is a file"),
        }
    }
}

impl Content {
    /// The same bytes as an entry of the image's own.
    pub(super) fn into_kind(self) -> Kind {
        match self.source {
            Source::Bytes(bytes) => Kind::Bytes(bytes),
            Source::Path(path) => Kind::Copy(path),
        }
    }

    /// The first bytes, at most `limit`.
    pub(crate) fn head(&self, limit: u64) -> Result<Vec<u8>, FileError> {
        let mut bytes = Vec::new();
        match &self.source {
            Source::Bytes(all) => {
                all.as_slice().take(limit).read_to_end(&mut bytes).context(FileOp::Read, "/")
            }
            Source::Path(path) => {
                fs::open(path)?.take(limit).read_to_end(&mut bytes).context(FileOp::Read, path)
            }
        }?;
        Ok(bytes)
    }

    /// All bytes, to be read here and there.
    pub(crate) fn open(&self) -> Result<Box<dyn ReadSeek + '_>, FileError> {
        match &self.source {
            Source::Bytes(bytes) => Ok(Box::new(Cursor::new(bytes.as_slice()))),
            Source::Path(path) => Ok(Box::new(fs::open(path)?)),
        }
    }
}

/// What an ELF's tables are read from.
pub(crate) trait ReadSeek: Read + Seek {}
impl ReadSeek for File {}
impl ReadSeek for Cursor<&[u8]> {}

impl<'a> Image<'a> {
    pub(crate) fn new(spec: &'a Spec, rootfs: &'a Rootfs) -> Self {
        let stored = if spec.include_store_paths { spec.stored() } else { Vec::new() };
        Self::with_paths(spec, rootfs, &stored)
    }

    /// An image that has its whole closure, with the paths that it only takes bytes from.
    pub(super) fn with_closure(spec: &'a Spec, rootfs: &'a Rootfs) -> Self {
        Self::with_paths(spec, rootfs, &spec.closure)
    }

    fn with_paths(spec: &'a Spec, rootfs: &'a Rootfs, infos: &[PathInfo]) -> Self {
        let store_paths = infos.iter().map(|info| relative(info.path.as_str()).to_vec()).collect();
        Self { spec, rootfs, store_paths }
    }

    /// Whether what is missing here may be in a base image.
    pub(crate) fn has_base(&self) -> bool {
        self.spec.base.is_some()
    }

    /// Follows a path from the root to its end.
    pub(crate) fn find(&self, path: &str) -> Result<Resolved, FileError> {
        self.find_bytes(path.as_bytes()).map(|(_, found)| found)
    }

    /// Follows a path, and says where it ends.
    pub(crate) fn find_bytes(&self, path: &[u8]) -> Result<(Vec<u8>, Resolved), FileError> {
        self.walk(path).map(|walk| (walk.at, walk.found))
    }

    /// Follows a path from the root to its end.
    pub(crate) fn walk(&self, path: &[u8]) -> Result<Walk, FileError> {
        let mut todo = components(path);
        let mut at: Vec<u8> = Vec::new();
        let (mut links, mut escapes) = (0, false);
        let found = loop {
            let Some(component) = todo.pop_front() else { break Resolved::Directory };
            if component == b".." {
                escapes |= at.is_empty();
                at.truncate(at.iter().rposition(|byte| *byte == b'/').unwrap_or_default());
                continue;
            }
            let parent = at.len();
            if !at.is_empty() {
                at.push(b'/');
            }
            at.extend_from_slice(&component);
            match self.entry(&at)? {
                None => break Resolved::Missing(self.missing(&at, &todo)),
                Some(Entry::Directory) => {}
                Some(Entry::File(content)) if todo.is_empty() => break Resolved::File(content),
                Some(Entry::File(_)) => {
                    break Resolved::Missing(Missing::NotADirectory(shown(&at)));
                }
                Some(Entry::Link(_)) if links == MOST_LINKS => {
                    break Resolved::Missing(Missing::Loop);
                }
                Some(Entry::Link(target)) => {
                    links += 1;
                    let is_absolute = target.starts_with(b"/");
                    escapes |= is_absolute;
                    at.truncate(if is_absolute { 0 } else { parent });
                    let mut next = components(&target);
                    next.append(&mut todo);
                    todo = next;
                }
            }
        };
        Ok(Walk { at, found, escapes: escapes || links > MAX_LINKS_BELOW_ROOT })
    }

    /// Whether there is an entry at the path, its last component not followed.
    pub(crate) fn has_entry(&self, path: &[u8]) -> Result<bool, FileError> {
        let trimmed = path.strip_suffix(b"/").unwrap_or(path);
        let Some(slash) = trimmed.iter().rposition(|byte| *byte == b'/') else { return Ok(true) };
        let (parent, name) = trimmed.split_at(slash);
        let (mut at, found) = self.find_bytes(parent)?;
        if found != Resolved::Directory {
            return Ok(false);
        }
        if !at.is_empty() {
            at.push(b'/');
        }
        at.extend_from_slice(name.get(1..).unwrap_or_default());
        Ok(self.entry(&at)?.is_some())
    }

    /// The names in a directory that [`Image::find_bytes`] has found, in order; those that are no
    /// files, so may be directories, are marked.
    pub(crate) fn list(&self, at: &[u8]) -> Result<Vec<(Vec<u8>, bool)>, FileError> {
        let entries =
            |from: Vec<u8>| self.rootfs.entries.range(from..).next().map(|(path, _)| path);
        let mut names = children(at, entries);
        names.extend(children(at, |from| self.store_paths.range(from..).next()));
        if self.is_in_store(at) {
            let dir = on_disk(at);
            for child in std::fs::read_dir(&dir).context(FileOp::List, &dir)? {
                names.insert(child.context(FileOp::List, &dir)?.file_name().as_bytes().to_vec());
            }
        }
        let mut listed = Vec::new();
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            let path = if at.is_empty() { name.clone() } else { [at, &name].join(&b'/') };
            listed.push((name, !matches!(self.entry(&path)?, Some(Entry::File(_)))));
        }
        Ok(listed)
    }

    /// What is at a path whose parents have been followed.
    fn entry(&self, at: &[u8]) -> Result<Option<Entry>, FileError> {
        if let Some(node) = self.rootfs.entries.get(at) {
            let executable = node.mode & 0o111 != 0;
            let file = |source| Entry::File(Content { executable, source });
            return Ok(Some(match &node.kind {
                Kind::Directory => Entry::Directory,
                Kind::Symlink(target) => Entry::Link(target.clone()),
                Kind::Bytes(bytes) => file(Source::Bytes(bytes.clone())),
                Kind::Copy(path) => file(Source::Path(path.clone())),
            }));
        }
        if self.is_in_store(at) {
            return stored(at);
        }
        // The store directory and those above it are there for the sake of what is in them.
        let inside = [at, b"/"].concat();
        let next = self.store_paths.range(inside.clone()..).next();
        Ok(next.filter(|path| path.starts_with(&inside)).map(|_| Entry::Directory))
    }

    /// Whether a path is a store path of the image, or below one.
    fn is_in_store(&self, at: &[u8]) -> bool {
        let slashes = at.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut above = slashes.filter_map(|(end, _)| at.get(..end));
        self.store_paths.contains(at) || above.any(|path| self.store_paths.contains(path))
    }

    /// What is said of a path whose first part is not there.
    fn missing(&self, at: &[u8], rest: &VecDeque<Vec<u8>>) -> Missing {
        let mut path = shown(at);
        for part in rest {
            path.push('/');
            path.push_str(&String::from_utf8_lossy(part));
        }
        match crate::store_path::StorePath::parse_prefix(&path) {
            Ok((root, _)) if !self.is_in_store(at) => Missing::NotInClosure(root.to_string()),
            _ => Missing::Nothing(path),
        }
    }
}

/// The names directly below a directory, by the next path at or after another one. What is below a
/// child is passed over, so that the time is that of the names.
fn children<'a>(at: &[u8], next: impl Fn(Vec<u8>) -> Option<&'a Vec<u8>>) -> BTreeSet<Vec<u8>> {
    let prefix = if at.is_empty() { Vec::new() } else { [at, b"/"].concat() };
    let mut names = BTreeSet::new();
    let mut from = prefix.clone();
    while let Some(path) = next(from).filter(|path| path.starts_with(&prefix)) {
        let rest = path.get(prefix.len()..).unwrap_or_default();
        let name = rest.split(|byte| *byte == b'/').next().unwrap_or_default();
        // Behind all that is below the child, or behind the child itself.
        let after = if name.len() < rest.len() { b'/' + 1 } else { 0 };
        from = [prefix.as_slice(), name, &[after]].concat();
        names.insert(name.to_vec());
    }
    names
}

fn stored(at: &[u8]) -> Result<Option<Entry>, FileError> {
    let path = on_disk(at);
    let meta = match std::fs::symlink_metadata(&path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context(FileOp::Read, path),
    };
    if meta.is_symlink() {
        let target = std::fs::read_link(&path).context(FileOp::ReadLink, &path)?;
        return Ok(Some(Entry::Link(target.as_os_str().as_bytes().to_vec())));
    }
    if meta.is_dir() {
        return Ok(Some(Entry::Directory));
    }
    let executable = meta.permissions().mode() & 0o111 != 0;
    Ok(Some(Entry::File(Content { executable, source: Source::Path(path) })))
}

fn on_disk(at: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&[b"/", at].concat()))
}

fn components(path: &[u8]) -> VecDeque<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/');
    parts.filter(|part| !matches!(*part, b"" | b".")).map(<[u8]>::to_vec).collect()
}

fn relative(path: &str) -> &[u8] {
    path.trim_start_matches('/').as_bytes()
}

fn shown(at: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(at))
}
