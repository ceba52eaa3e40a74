//! The entries of a layer: what each is by itself, and next to the others of the same layer.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use super::finding::push_some;
use super::limits::{OutOfMemory, Workspace};
use super::path::{self, Place};
use super::paths::{NONE, PathId};
use super::{Finding, Kind};
use crate::digest::DiffId;
use crate::transport::source::tar::{self, TarReader};

/// The longest path, and the longest target of a link, that Linux takes (`PATH_MAX`).
const MAX_PATH: usize = 4096;
/// The part of a longer one that is shown.
const MAX_SHOWN: usize = 100;
/// Memory of an entry, without its path: in the list and in the table of its reader.
const ENTRY_COST: u64 = 64;

/// The largest number of findings about one layer.
pub(super) const MOST_FINDINGS: usize = 1000;
/// Lists of accounts, which an image that adds some extends.
const KEPT: [&[u8]; 2] = [b"etc/passwd", b"etc/group"];
const KEPT_LIMIT: u64 = 1 << 20;

/// Mode and owner of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meta {
    /// The twelve permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// The result of reading a layer.
#[derive(Debug, Default)]
pub struct Scan {
    /// Names the tar; none if it could not be read to its end.
    pub diff_id: Option<DiffId>,
    /// Bytes of the tar.
    pub tar_size: u64,
    /// Faults of the layer by itself.
    pub findings: Vec<Finding>,
    pub(super) entries: Entries,
}

impl Scan {
    /// An empty one, whose entries take their memory from a workspace.
    pub(super) fn new(workspace: &Arc<Workspace>) -> Self {
        let mut scan = Self::default();
        scan.entries.memory = Some(Arc::clone(workspace));
        scan
    }

    pub(super) fn path(&mut self, path: &[u8], message: &str) {
        self.found(|| Finding::error(Kind::Path, path::shown(path), message));
    }

    /// A finding of one of many entries.
    pub(super) fn found(&mut self, finding: impl FnOnce() -> Finding) {
        push_some(&mut self.findings, MOST_FINDINGS, finding);
    }

    /// The number of entries.
    pub fn entry_count(&self) -> usize {
        self.entries.list.len()
    }

    /// Calls a function for each entry, with its path, its kind, the target of a link, and the
    /// size of a file.
    pub fn each_entry(&self, mut each: impl FnMut(&[u8], tar::Kind, &[u8], u64)) {
        let Some(memory) = &self.entries.memory else { return };
        let paths = memory.paths();
        for entry in &self.entries.list {
            let link = match entry.kind {
                tar::Kind::Symlink => paths.name(entry.link),
                _ => b"",
            };
            each(&paths.path(entry.path), entry.kind, link, entry.size);
        }
    }

    /// Forgets the entries.
    pub(super) fn without_entries(mut self) -> Self {
        self.entries = Entries::default();
        self
    }
}

/// An entry of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) path: PathId,
    /// The path that a hard link names, or the target of a symbolic link.
    pub(super) link: PathId,
    pub(super) kind: tar::Kind,
    /// Permission bits, owner and group.
    pub(super) meta: Meta,
    /// The number of bytes of a file.
    pub(super) size: u64,
}

/// The entries of a layer, in their order. Their memory goes back to the budget with them.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) list: Vec<Entry>,
    /// The bytes of files that images are extended by, such as `etc/passwd`, by entry.
    pub(super) files: BTreeMap<usize, Vec<u8>>,
    memory: Option<Arc<Workspace>>,
    taken: u64,
}

impl Entries {
    fn take(&mut self, bytes: u64) -> Result<(), OutOfMemory> {
        if let Some(memory) = &self.memory {
            memory.take(bytes)?;
            self.taken += bytes;
        }
        Ok(())
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        if let Some(memory) = &self.memory {
            memory.give_back(self.taken);
        }
    }
}

/// The reason for which there are no more entries.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error(transparent)]
    Tar(#[from] tar::TarError),
    #[error(transparent)]
    Memory(#[from] OutOfMemory),
}

/// Reads entries, to the end or until there are too many to keep.
pub(super) fn entries<R: Read>(
    reader: &mut TarReader<R>,
    workspace: &Workspace,
    scan: &mut Scan,
) -> Result<(), Stop> {
    let mut list = List { workspace, scan, seen: BTreeMap::new(), unmet: Vec::new() };
    let mut next = || -> Result<bool, Stop> {
        let Some(entry) = reader.next_entry()? else { return Ok(false) };
        let Some(path) = list.place(&entry) else { return Ok(true) };
        list.add(&entry, &path)?;
        if KEPT.contains(&path.as_slice()) && entry.kind == tar::Kind::File {
            let bytes = small(reader, entry.size).map_err(tar::TarError::Read)?;
            list.keep(bytes)?;
        }
        Ok(true)
    };
    let result = loop {
        match next() {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(stop) => break Err(stop),
        }
    };
    list.forward_links();
    result
}

fn small<R: Read>(reader: &mut TarReader<R>, size: u64) -> io::Result<Option<Vec<u8>>> {
    if size > KEPT_LIMIT {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The entries of a layer so far.
struct List<'a> {
    workspace: &'a Workspace,
    scan: &'a mut Scan,
    /// The last entry of each path.
    seen: BTreeMap<PathId, usize>,
    /// Hard links whose target has not come yet.
    unmet: Vec<usize>,
}

impl List<'_> {
    /// The path of an entry in its one spelling; none if it is unusable, which is reported.
    fn place(&mut self, entry: &tar::Entry) -> Option<Vec<u8>> {
        let names = [&entry.path, &entry.link];
        if let Some(long) = names.into_iter().find(|name| name.len() > MAX_PATH) {
            let start = long.get(..MAX_SHOWN).unwrap_or_default();
            let message = format!("it is longer than the {MAX_PATH} bytes that Linux takes");
            self.scan.path(start, &message);
            return None;
        }
        match path::place(&entry.path, b"") {
            Place::Inside(path) => Some(path),
            // Unpackers that replace the root directory write outside of it from then on.
            Place::Root if entry.kind != tar::Kind::Directory => {
                let message = format!(
                    "it replaces the root directory by {}, and unpackers refuse the layer",
                    named(entry.kind)
                );
                self.scan.found(|| Finding::error(Kind::Root, path::shown(b""), message));
                None
            }
            Place::Root => None,
            Place::Outside => {
                self.scan.path(&entry.path, "its path leaves the image by `..`");
                None
            }
        }
    }

    fn add(&mut self, entry: &tar::Entry, path: &[u8]) -> Result<(), OutOfMemory> {
        self.scan.entries.take(ENTRY_COST)?;
        if entry.path.starts_with(b"/") {
            self.scan.path(path, "its path starts with a slash");
        }
        if let tar::Kind::Other(flag) = entry.kind {
            let message = format!("its type `{}` is none of POSIX's", flag.escape_ascii());
            self.scan.path(path, &message);
        }
        let (id, is_below_link) = {
            let mut paths = self.workspace.paths();
            let id = paths.add(path, self.workspace)?;
            let mut parents = paths.parents(id);
            (id, parents.any(|dir| self.kind(dir) == Some(tar::Kind::Symlink)))
        };
        if is_below_link {
            self.scan.path(path, "it lies below a symbolic link of the same layer");
        }
        let link = self.link(entry, id, path)?;
        let at = self.scan.entries.list.len();
        if self.seen.insert(id, at).is_some() {
            self.scan.path(path, "it is in the layer twice");
        }
        let meta = Meta { mode: entry.mode, uid: entry.uid, gid: entry.gid };
        let size = if entry.kind == tar::Kind::File { entry.size } else { 0 };
        self.scan.entries.list.push(Entry { path: id, link, kind: entry.kind, meta, size });
        Ok(())
    }

    /// Returns the kind of the layer's last entry at a path.
    fn kind(&self, path: PathId) -> Option<tar::Kind> {
        let at = self.seen.get(&path)?;
        self.scan.entries.list.get(*at).map(|entry| entry.kind)
    }

    /// Keeps the bytes of the last entry.
    fn keep(&mut self, bytes: Option<Vec<u8>>) -> Result<(), OutOfMemory> {
        let Some(bytes) = bytes else { return Ok(()) };
        self.scan.entries.take(bytes.len() as u64)?;
        let last = self.scan.entries.list.len().saturating_sub(1);
        self.scan.entries.files.insert(last, bytes);
        Ok(())
    }

    /// The target of a link; one that leaves is reported.
    fn link(&mut self, entry: &tar::Entry, id: PathId, path: &[u8]) -> Result<PathId, OutOfMemory> {
        match entry.kind {
            tar::Kind::HardLink => {
                let Place::Inside(target) = path::place(&entry.link, b"") else {
                    self.scan.path(path, "it is a hard link that leaves the image");
                    return Ok(NONE);
                };
                let target = self.workspace.paths().add(&target, self.workspace)?;
                match self.kind(target) {
                    _ if target == id => self.scan.path(path, "it is a hard link to itself"),
                    Some(tar::Kind::Directory) => {
                        self.scan.path(path, "it is a hard link to a directory");
                    }
                    Some(_) => {}
                    None => self.unmet.push(self.scan.entries.list.len()),
                }
                Ok(target)
            }
            tar::Kind::Symlink => {
                if path::place(&entry.link, path::parent(path)) == Place::Outside {
                    let target = String::from_utf8_lossy(&entry.link).into_owned();
                    let message =
                        format!("its link `{target}` leaves the image; runtimes stop at its root");
                    self.scan.found(|| Finding::warning(path::shown(path), message));
                }
                self.workspace.paths().add_link(&entry.link, self.workspace)
            }
            _ => Ok(NONE),
        }
    }

    /// Reports hard links whose target comes after them: most unpackers fail there.
    fn forward_links(&mut self) {
        for at in std::mem::take(&mut self.unmet) {
            let Some(entry) = self.scan.entries.list.get(at).copied() else { continue };
            if self.seen.contains_key(&entry.link) {
                let path = self.workspace.paths().path(entry.path);
                self.scan.path(&path, "it is a hard link to an entry that comes after it");
            }
        }
    }
}

fn named(kind: tar::Kind) -> &'static str {
    match kind {
        tar::Kind::File => "a file",
        tar::Kind::HardLink => "a hard link",
        tar::Kind::Symlink => "a symbolic link",
        tar::Kind::Directory => "a directory",
        tar::Kind::Special => "a device or a FIFO",
        tar::Kind::Other(_) => "an entry of an unknown type",
    }
}
