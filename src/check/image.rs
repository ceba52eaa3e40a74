//! The finished image as a file system that can be asked: what is at a path, its links
//! followed as a runtime with this root would follow them.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Cursor, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::file::{self, Context, FileError};
use crate::rootfs::{Kind, Rootfs};
use crate::spec::Spec;

/// Linux gives up on a path after so many links (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// An image that is not written yet: its own files, and below the store directory the paths of
/// its closure.
#[derive(Debug)]
pub(super) struct Image<'a> {
    pub(super) spec: &'a Spec,
    rootfs: &'a Rootfs,
    store_paths: BTreeSet<Vec<u8>>,
}

/// Where following a path ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Directory,
    File(Content),
    Missing(Missing),
}

/// A regular file of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) executable: bool,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Bytes(Vec<u8>),
    Path(PathBuf),
}

/// Why there is nothing at the end of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
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
    pub(super) fn why(&self, asked: &str) -> String {
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
    /// The first bytes, at most `limit`.
    pub(super) fn head(&self, limit: u64) -> Result<Vec<u8>, FileError> {
        let mut bytes = Vec::new();
        match &self.source {
            Source::Bytes(all) => {
                all.as_slice().take(limit).read_to_end(&mut bytes).context("read", "/")
            }
            Source::Path(path) => {
                file::open(path)?.take(limit).read_to_end(&mut bytes).context("read", path)
            }
        }?;
        Ok(bytes)
    }

    /// All bytes, to be read here and there.
    pub(super) fn open(&self) -> Result<Box<dyn ReadSeek + '_>, FileError> {
        match &self.source {
            Source::Bytes(bytes) => Ok(Box::new(Cursor::new(bytes.as_slice()))),
            Source::Path(path) => Ok(Box::new(file::open(path)?)),
        }
    }
}

/// What an ELF's tables are read from.
pub(super) trait ReadSeek: Read + Seek {}
impl ReadSeek for File {}
impl ReadSeek for Cursor<&[u8]> {}

impl<'a> Image<'a> {
    pub(super) fn new(spec: &'a Spec, rootfs: &'a Rootfs) -> Self {
        let stored = if spec.include_store_paths { spec.stored() } else { Vec::new() };
        let store_paths = stored.iter().map(|info| relative(info.path.as_str()).to_vec()).collect();
        Self { spec, rootfs, store_paths }
    }

    /// Whether what is missing here may be in a base image.
    pub(super) fn has_base(&self) -> bool {
        self.spec.base.is_some()
    }

    /// Follows a path from the root to its end.
    pub(super) fn find(&self, path: &str) -> Result<Found, FileError> {
        self.find_bytes(path.as_bytes()).map(|(_, found)| found)
    }

    /// Follows a path, and says where it ends.
    pub(super) fn find_bytes(&self, path: &[u8]) -> Result<(Vec<u8>, Found), FileError> {
        let mut todo = components(path);
        let mut at: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(component) = todo.pop_front() {
            if component == b".." {
                at.truncate(at.iter().rposition(|byte| *byte == b'/').unwrap_or_default());
                continue;
            }
            let parent = at.len();
            if !at.is_empty() {
                at.push(b'/');
            }
            at.extend_from_slice(&component);
            match self.entry(&at)? {
                None => {
                    let missing = self.missing(&at, &todo);
                    return Ok((at, Found::Missing(missing)));
                }
                Some(Entry::Directory) => {}
                Some(Entry::File(content)) if todo.is_empty() => {
                    return Ok((at, Found::File(content)));
                }
                Some(Entry::File(_)) => {
                    let missing = Missing::NotADirectory(shown(&at));
                    return Ok((at, Found::Missing(missing)));
                }
                Some(Entry::Link(target)) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Ok((at, Found::Missing(Missing::Loop)));
                    }
                    at.truncate(if target.starts_with(b"/") { 0 } else { parent });
                    let mut next = components(&target);
                    next.append(&mut todo);
                    todo = next;
                }
            }
        }
        Ok((at, Found::Directory))
    }

    /// Whether there is an entry at the path, its last component not followed.
    pub(super) fn has_entry(&self, path: &[u8]) -> Result<bool, FileError> {
        let trimmed = path.strip_suffix(b"/").unwrap_or(path);
        let Some(slash) = trimmed.iter().rposition(|byte| *byte == b'/') else { return Ok(true) };
        let (parent, name) = trimmed.split_at(slash);
        let (mut at, found) = self.find_bytes(parent)?;
        if found != Found::Directory {
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
    pub(super) fn list(&self, at: &[u8]) -> Result<Vec<(Vec<u8>, bool)>, FileError> {
        let mut names: BTreeSet<Vec<u8>> = BTreeSet::new();
        let below = |path: &[u8]| -> Option<Vec<u8>> {
            let rest = match at.is_empty() {
                true => path,
                false => path.strip_prefix(at)?.strip_prefix(b"/")?,
            };
            rest.split(|byte| *byte == b'/').next().map(<[u8]>::to_vec)
        };
        let from = self.rootfs.entries.range(at.to_vec()..);
        names.extend(
            from.take_while(|(path, _)| path.starts_with(at)).filter_map(|(p, _)| below(p)),
        );
        names.extend(self.store_paths.iter().filter_map(|path| below(path)));
        if self.is_in_store(at) {
            let dir = on_disk(at);
            for child in fs::read_dir(&dir).context("list", &dir)? {
                names.insert(child.context("list", &dir)?.file_name().as_bytes().to_vec());
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

fn stored(at: &[u8]) -> Result<Option<Entry>, FileError> {
    let path = on_disk(at);
    let meta = match fs::symlink_metadata(&path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("read", path),
    };
    if meta.is_symlink() {
        let target = fs::read_link(&path).context("read the link", &path)?;
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
