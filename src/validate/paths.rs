//! The paths of a run as numbers.
//!
//! A path is its parent and a name, so that each name of a deep directory is in memory once, and
//! layers that have the same paths share them. Numbers are given in order: a parent's is less
//! than those of its children. Targets of symbolic links are names below a parent of their own.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::limits::{OutOfMemory, Workspace};

/// The number of a path.
pub(super) type PathId = u32;

/// The root directory.
pub(super) const ROOT: PathId = 0;
/// The parent of the targets of symbolic links.
const LINKS: PathId = 1;
/// No path.
pub(super) const NONE: PathId = u32::MAX;

/// Memory of a path: its entry here, that in the table, and that in a tree.
const PATH_COST: u64 = 80;

#[derive(Debug, Clone, Copy)]
struct Name {
    parent: PathId,
    start: u32,
    len: u16,
}

#[derive(Debug)]
pub(super) struct Paths {
    names: Vec<Name>,
    bytes: Vec<u8>,
    table: HashTable<PathId>,
    hasher: RandomState,
}

impl Default for Paths {
    fn default() -> Self {
        let reserved = Name { parent: ROOT, start: 0, len: 0 };
        Self {
            names: vec![reserved; 2],
            bytes: Vec::new(),
            table: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl Paths {
    /// The number of paths, which is above all of theirs.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The number of a path without leading slash, empty parts or dots, which is added if it is
    /// new.
    pub(super) fn add(&mut self, path: &[u8], memory: &Workspace) -> Result<PathId, OutOfMemory> {
        let mut at = ROOT;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            at = self.add_child(at, name, memory)?;
        }
        Ok(at)
    }

    /// The number of a link's target as it is written.
    pub(super) fn add_link(
        &mut self,
        target: &[u8],
        memory: &Workspace,
    ) -> Result<PathId, OutOfMemory> {
        self.add_child(LINKS, target, memory)
    }

    fn add_child(
        &mut self,
        parent: PathId,
        name: &[u8],
        memory: &Workspace,
    ) -> Result<PathId, OutOfMemory> {
        if let Some(id) = self.child(parent, name) {
            return Ok(id);
        }
        memory.take(PATH_COST + name.len() as u64)?;
        let numbers = (u32::try_from(self.names.len()), u32::try_from(self.bytes.len()));
        let (Ok(id), Ok(start), Ok(len)) = (numbers.0, numbers.1, u16::try_from(name.len())) else {
            // Beyond 4 GiB, whatever the limit is.
            return Err(memory.exceeded());
        };
        self.bytes.extend_from_slice(name);
        self.names.push(Name { parent, start, len });
        let Self { names, bytes, table, hasher } = self;
        let hash = hasher.hash_one((parent, name));
        table.insert_unique(hash, id, |id| {
            let name = names.get(*id as usize);
            name.map_or(0, |name| hasher.hash_one((name.parent, text(bytes, name))))
        });
        Ok(id)
    }

    /// The path of that name in a directory, if there is one.
    pub(super) fn child(&self, parent: PathId, name: &[u8]) -> Option<PathId> {
        let hash = self.hasher.hash_one((parent, name));
        let is_it = |id: &PathId| {
            let known = self.names.get(*id as usize);
            known.is_some_and(|known| known.parent == parent && text(&self.bytes, known) == name)
        };
        self.table.find(hash, is_it).copied()
    }

    /// The directory that a path is in; the root's is the root.
    pub(super) fn parent(&self, id: PathId) -> PathId {
        self.names.get(id as usize).map_or(ROOT, |name| name.parent)
    }

    /// The directories above a path, from its parent to the topmost below the root.
    pub(super) fn parents(&self, id: PathId) -> impl Iterator<Item = PathId> {
        let above = |id: PathId| Some(self.parent(id)).filter(|id| *id != ROOT);
        std::iter::successors(above(id), move |id| above(*id))
    }

    /// The last part of a path, or a link's target.
    pub(super) fn name(&self, id: PathId) -> &[u8] {
        self.names.get(id as usize).map_or(&[], |name| text(&self.bytes, name))
    }

    /// The whole path.
    pub(super) fn path(&self, id: PathId) -> Vec<u8> {
        let mut parts: Vec<&[u8]> = self.parents(id).map(|id| self.name(id)).collect();
        parts.reverse();
        parts.push(self.name(id));
        parts.join(&b'/')
    }
}

fn text<'a>(bytes: &'a [u8], name: &Name) -> &'a [u8] {
    let start = name.start as usize;
    bytes.get(start..start + usize::from(name.len)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::limits::Limits;
    use super::*;

    #[test]
    fn paths_have_one_number_each_and_share_their_parents() {
        let memory = Workspace::new(Limits::new(1));
        let mut paths = Paths::default();
        let deep = paths.add(b"a/b/c", &memory).unwrap();
        assert_eq!(paths.len(), 5, "two are reserved");
        assert_eq!(paths.add(b"a/b/c", &memory), Ok(deep));
        let other = paths.add(b"a/c", &memory).unwrap();
        assert_eq!(paths.len(), 6);
        assert_eq!((paths.path(deep), paths.name(other)), (b"a/b/c".to_vec(), &b"c"[..]));
        assert_eq!(
            paths.parents(deep).map(|id| paths.path(id)).collect::<Vec<_>>(),
            [&b"a/b"[..], b"a"]
        );
        assert_eq!(paths.child(ROOT, b"c"), None);
        let link = paths.add_link(b"/a/b", &memory).unwrap();
        assert_eq!((paths.name(link), paths.child(ROOT, b"/a/b")), (&b"/a/b"[..], None));
    }

    #[test]
    fn paths_end_where_the_memory_does() {
        let memory = Workspace::new(Limits { memory: 3 * (PATH_COST + 1), ..Limits::new(1) });
        let mut paths = Paths::default();
        assert!(paths.add(b"a/b/c", &memory).is_ok());
        let error = paths.add(b"a/b/d", &memory).unwrap_err().to_string();
        assert!(error.contains("243 bytes (`--memory-limit`)"), "{error}");
        assert!(paths.add(b"a/b/c", &memory).is_ok());
    }
}
