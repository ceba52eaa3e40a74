//! The file system that layers make, one put over the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Finding;
use super::Kind as About;
use super::entries::{Entry, MOST_FINDINGS, Meta, Scan};
use super::finding::push_some;
use super::limits::{OutOfMemory, Workspace};
use super::links::{Found, Links};
use super::path;
use super::paths::{NONE, PathId, Paths, ROOT};
use crate::transport::source::tar::Kind;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Memory of a path in a list of paths, without its text.
const LISTED_COST: u64 = 96;

/// Paths and what is there, after some layers.
///
/// A layer that removes a directory only notes its own number there: what lower layers wrote
/// below it counts no more. So each entry costs no more than its own path is long.
#[derive(Debug)]
pub struct Tree {
    workspace: Arc<Workspace>,
    /// The number of layers so far, those of images before this one included.
    layers: u32,
    /// The first layer of this image.
    first: u32,
    /// By the number of the path.
    nodes: Vec<Node>,
    files: BTreeMap<PathId, Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// None if nothing exists at the path.
    kind: Option<Kind>,
    /// True for a directory without an entry of its own, which something below it implies.
    is_implied: bool,
    link: PathId,
    meta: Meta,
    /// The layer that wrote it.
    layer: u32,
    /// The layer that removed all that lower ones have below it.
    cleared: u32,
}

const NOTHING: Node = Node {
    kind: None,
    is_implied: false,
    link: NONE,
    meta: Meta { mode: 0, uid: 0, gid: 0 },
    layer: 0,
    cleared: 0,
};

impl Tree {
    /// An image without layers.
    pub fn new(workspace: &Arc<Workspace>) -> Self {
        let workspace = Arc::clone(workspace);
        Self { workspace, layers: 0, first: 1, nodes: Vec::new(), files: BTreeMap::new() }
    }

    /// Begins with another image.
    pub fn restart(&mut self) {
        self.first = self.layers.saturating_add(1);
        self.files.clear();
    }

    /// Applies a layer to the tree.
    pub fn add(&mut self, scan: &Scan) -> Vec<Finding> {
        self.layers = self.layers.saturating_add(1);
        let workspace = Arc::clone(&self.workspace);
        let paths = workspace.paths();
        self.nodes.resize(paths.len().max(self.nodes.len()), NOTHING);
        let mut layer = Layer { tree: self, paths: &paths, findings: Vec::new() };
        // Whiteouts hide what is below their layer, wherever in it they stand.
        for entry in &scan.entries.list {
            if paths.name(entry.path).starts_with(WHITEOUT) {
                layer.whiteout(entry);
            }
        }
        for (at, entry) in scan.entries.list.iter().enumerate() {
            if !paths.name(entry.path).starts_with(WHITEOUT) {
                layer.entry(entry);
                match scan.entries.files.get(&at) {
                    Some(bytes) => drop(layer.tree.files.insert(entry.path, bytes.clone())),
                    None => drop(layer.tree.files.remove(&entry.path)),
                }
            }
        }
        layer.findings
    }

    /// Symbolic links to directories of the image, by path, each with where it leads in the end.
    pub fn directory_links(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, OutOfMemory> {
        let paths = self.workspace.paths();
        let is_present = self.present(&paths);
        let kind = |id: PathId| {
            let is_present = is_present.get(id as usize).is_some_and(|is| *is);
            self.node(id).filter(|_| is_present)
        };
        let mut links = Links::new(&paths, |id| {
            let node = kind(id)?;
            Some(match node.kind {
                Some(Kind::Symlink) => Found::Link(node.link),
                _ => Found::Other,
            })
        });
        let mut found = BTreeMap::new();
        for id in ids(&is_present) {
            let Some(target) = links.resolve(id) else { continue };
            if kind(target).is_some_and(|n| n.kind == Some(Kind::Directory)) {
                let (path, target) = (paths.path(id), paths.path(target));
                self.workspace.take(LISTED_COST + (path.len() + target.len()) as u64)?;
                found.insert(path, target);
            }
        }
        Ok(found)
    }

    /// The directories, by path.
    pub fn directories(&self) -> Result<BTreeMap<Vec<u8>, Meta>, OutOfMemory> {
        let paths = self.workspace.paths();
        let mut found = BTreeMap::new();
        for id in ids(&self.present(&paths)) {
            let Some(node) = self.node(id) else { continue };
            if node.kind == Some(Kind::Directory) && !node.is_implied {
                let path = paths.path(id);
                self.workspace.take(LISTED_COST + path.len() as u64)?;
                found.insert(path, node.meta);
            }
        }
        Ok(found)
    }

    /// Files whose bytes were kept, by path.
    pub fn kept_files(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let paths = self.workspace.paths();
        let is_present = self.present(&paths);
        let kept = self.files.iter();
        let kept = kept.filter(|(id, _)| is_present.get(**id as usize).is_some_and(|is| *is));
        kept.map(|(id, bytes)| (paths.path(*id), bytes.clone())).collect()
    }

    /// Returns the entry at a path without leading slash: its kind, the target of a symbolic link or the
    /// path that a hard link names, and the layer that wrote it, counted from 1.
    pub fn entry_at(&self, path: &[u8]) -> Option<(Kind, Vec<u8>, usize)> {
        let paths = self.workspace.paths();
        let mut floor = self.first.max(self.node(ROOT).map_or(0, |root| root.cleared));
        let mut found = None;
        let mut at = ROOT;
        for name in path.split(|byte| *byte == b'/') {
            at = paths.child(at, name)?;
            let node = self.node(at)?;
            found = Some(node).filter(|node| node.layer >= floor);
            floor = floor.max(node.cleared);
        }
        let Node { kind, link, layer, .. } = found?;
        let link = match kind? {
            Kind::Symlink => paths.name(link).to_vec(),
            Kind::HardLink if link != NONE => paths.path(link),
            _ => Vec::new(),
        };
        Some((kind?, link, (layer - self.first) as usize + 1))
    }

    fn node(&self, id: PathId) -> Option<Node> {
        self.nodes.get(id as usize).copied()
    }

    /// Returns, for each path, whether it exists. A parent comes before its children.
    fn present(&self, paths: &Paths) -> Vec<bool> {
        let mut floors: Vec<u32> = Vec::with_capacity(self.nodes.len());
        let mut present = Vec::with_capacity(self.nodes.len());
        for (id, node) in (0..).zip(&self.nodes) {
            let above = floors.get(paths.parent(id) as usize).copied().unwrap_or_default();
            present.push(node.kind.is_some() && node.layer >= above.max(self.first));
            floors.push(above.max(node.cleared));
        }
        present
    }
}

/// The numbers of the paths that exist.
fn ids(present: &[bool]) -> impl Iterator<Item = PathId> {
    (0..).zip(present).filter(|(_, is)| **is).map(|(id, _)| id)
}

/// A layer that is put over others.
struct Layer<'a> {
    tree: &'a mut Tree,
    paths: &'a Paths,
    findings: Vec<Finding>,
}

impl Layer<'_> {
    fn found(&mut self, finding: impl FnOnce() -> Finding) {
        push_some(&mut self.findings, MOST_FINDINGS, finding);
    }

    fn shown(&self, id: PathId) -> String {
        path::shown(&self.paths.path(id))
    }

    fn update(&mut self, id: PathId, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.tree.nodes.get_mut(id as usize) {
            change(node);
        }
    }

    /// The directories above a path from the topmost, the root left out.
    fn above(&self, id: PathId) -> Vec<PathId> {
        let mut above: Vec<PathId> = self.paths.parents(id).collect();
        above.reverse();
        above
    }

    /// Returns the node of a path, unless a layer has removed it.
    fn get(&self, id: PathId) -> Option<Node> {
        let cleared = |id| self.tree.node(id).map_or(0, |node| node.cleared);
        let above = self.paths.parents(id).map(cleared).max().unwrap_or_default();
        let floor = above.max(cleared(ROOT)).max(self.tree.first);
        self.tree.node(id).filter(|node| node.kind.is_some() && node.layer >= floor)
    }

    fn whiteout(&mut self, entry: &Entry) {
        let layer = self.tree.layers;
        let dir = self.paths.parent(entry.path);
        let name = self.paths.name(entry.path);
        if name == OPAQUE {
            return self.update(dir, |node| node.cleared = layer);
        }
        let hidden = name.get(WHITEOUT.len()..).unwrap_or_default();
        if hidden.is_empty() || hidden == b"." || hidden == b".." {
            let shown = self.shown(entry.path);
            let message = "it is a whiteout that hides no name";
            return self.found(|| Finding::error(About::Path, shown, message));
        }
        if hidden.starts_with(WHITEOUT) {
            let shown = self.shown(entry.path);
            let message = "it is a whiteout of a storage driver's own";
            return self.found(|| Finding::warning(shown, message));
        }
        let id = self.paths.child(dir, hidden).filter(|id| self.get(*id).is_some());
        if let Some(id) = id {
            self.update(id, |node| {
                node.kind = None;
                node.cleared = layer;
            });
        } else {
            let shown = self.shown(entry.path);
            let message = "it is a whiteout, and there is nothing below it to hide";
            self.found(|| Finding::warning(shown, message));
        }
    }

    fn entry(&mut self, entry: &Entry) {
        let layer = self.tree.layers;
        let cleared = self.tree.node(ROOT).map_or(0, |root| root.cleared);
        let mut floor = self.tree.first.max(cleared);
        let mut is_below_other = false;
        for dir in self.above(entry.path) {
            let node = self.tree.node(dir).unwrap_or(NOTHING);
            let kind = node.kind.filter(|_| node.layer >= floor);
            floor = floor.max(node.cleared);
            match kind {
                Some(Kind::Directory) => {}
                Some(_) if !is_below_other => {
                    is_below_other = true;
                    self.below(entry, dir, node);
                }
                Some(_) => {}
                None => self.update(dir, |node| {
                    let cleared = node.cleared;
                    let kind = Some(Kind::Directory);
                    *node = Node { kind, is_implied: true, layer, cleared, ..NOTHING };
                }),
            }
        }
        self.over(entry);
        self.update(entry.path, |node| {
            let (kind, cleared) = (Some(entry.kind), node.cleared);
            let (link, meta) = (entry.link, entry.meta);
            *node = Node { kind, is_implied: false, link, meta, layer, cleared };
        });
    }

    /// An entry below what is not a directory.
    fn below(&mut self, entry: &Entry, dir: PathId, node: Node) {
        let is_link = node.kind == Some(Kind::Symlink);
        // Of the same layer, its reader has reported the link.
        if is_link && node.layer == self.tree.layers {
            return;
        }
        let (shown, dir) = (self.shown(entry.path), self.shown(dir));
        self.found(|| {
            if is_link {
                let message = format!(
                    "it lies below {dir}, a symbolic link of a lower layer: some unpackers follow \
                     the link, others replace it"
                );
                Finding::warning(shown, message)
            } else {
                let message = format!("it lies below {dir}, which is no directory");
                Finding::error(About::Path, shown, message)
            }
        });
    }

    /// What an entry does to the one that was there.
    fn over(&mut self, entry: &Entry) {
        let layer = self.tree.layers;
        let before = self.get(entry.path).filter(|node| node.layer < layer);
        match (before.and_then(|node| node.kind), entry.kind) {
            (Some(Kind::Symlink), Kind::Directory) => {
                let shown = self.shown(entry.path);
                let message = "it is a directory over a symbolic link of a lower layer, and hides \
                               what the link led to";
                self.found(|| Finding::warning(shown, message));
            }
            (Some(Kind::Directory), kind) if kind != Kind::Directory => {
                self.update(entry.path, |node| node.cleared = layer);
            }
            _ => {}
        }
        if entry.kind != Kind::HardLink || entry.link == NONE {
            return;
        }
        let there = self.get(entry.link);
        if there.is_some_and(|node| node.layer == layer) {
            return;
        }
        let (shown, target) = (self.shown(entry.path), self.shown(entry.link));
        self.found(|| {
            if there.is_some() {
                let message = format!("it is a hard link to {target} in a lower layer");
                Finding::warning(shown, message)
            } else {
                let message = format!("it is a hard link to {target}, which is not there");
                Finding::error(About::Path, shown, message)
            }
        });
    }
}
