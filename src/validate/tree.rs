//! The file system that layers make, one laid over the other.

use std::collections::BTreeMap;

use super::Finding;
use super::Kind as About;
use super::finding::push_some;
use super::layer::{Entry, MOST_FINDINGS, Meta};
use super::path::{self, Place};
use crate::transport::source::tar::Kind;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Paths and what is there, after some layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    layers: usize,
    nodes: BTreeMap<Vec<u8>, Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    kind: Kind,
    link: Vec<u8>,
    meta: Meta,
    bytes: Option<Vec<u8>>,
    layer: usize,
}

impl Tree {
    /// Lays a layer over what is there.
    pub fn add(&mut self, entries: &[Entry]) -> Vec<Finding> {
        self.layers += 1;
        let layer = self.layers;
        let mut findings = Vec::new();
        // Whiteouts hide what is below their layer, wherever in it they stand.
        let is_whiteout = |entry: &&Entry| path::name(&entry.path).starts_with(WHITEOUT);
        for finding in entries.iter().filter(is_whiteout).filter_map(|e| self.whiteout(e)) {
            push_some(&mut findings, MOST_FINDINGS, || finding);
        }
        for entry in entries {
            if !path::name(&entry.path).starts_with(WHITEOUT) {
                self.entry(entry, layer, &mut findings);
            }
        }
        findings
    }

    /// Symbolic links to directories of the image, by path, each with where it leads in the end.
    pub fn directory_links(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let links = self.nodes.iter().filter(|(_, node)| node.kind == Kind::Symlink);
        links
            .filter_map(|(path, _)| {
                let target = self.resolve(path)?;
                let is_dir = self.nodes.get(&target).is_some_and(|n| n.kind == Kind::Directory);
                is_dir.then(|| (path.clone(), target))
            })
            .collect()
    }

    /// The directories, by path.
    pub fn directories(&self) -> BTreeMap<Vec<u8>, Meta> {
        let dirs = self.nodes.iter().filter(|(_, node)| node.kind == Kind::Directory);
        dirs.map(|(path, node)| (path.clone(), node.meta)).collect()
    }

    /// Files whose bytes were kept, by path.
    pub fn kept_files(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let kept = self.nodes.iter();
        kept.filter_map(|(path, node)| Some((path.clone(), node.bytes.clone()?))).collect()
    }

    /// Where a path leads once all links on its way are followed; none in a circle.
    fn resolve(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut path = path.to_vec();
        for _ in 0..40 {
            let on_the_way = path::parents(&path).chain([path.as_slice()]);
            let link = on_the_way.map(<[u8]>::to_vec).find_map(|prefix| {
                let node = self.nodes.get(&prefix).filter(|node| node.kind == Kind::Symlink)?;
                Some((prefix, node.link.clone()))
            });
            let Some((prefix, link)) = link else { return Some(path) };
            let rest = path.get(prefix.len()..).unwrap_or_default();
            let Place::Within(target) = path::place(&link, path::parent(&prefix)) else {
                return None;
            };
            path = [target.as_slice(), rest].concat();
        }
        None
    }

    fn whiteout(&mut self, entry: &Entry) -> Option<Finding> {
        let dir = path::parent(&entry.path);
        let name = path::name(&entry.path);
        let shown = path::shown(&entry.path);
        if name == OPAQUE {
            self.remove_below(dir);
            return None;
        }
        let hidden = name.get(WHITEOUT.len()..).unwrap_or_default();
        if hidden.is_empty() || hidden == b"." || hidden == b".." {
            return Some(Finding::error(About::Path, shown, "it is a whiteout that hides no name"));
        }
        if hidden.starts_with(WHITEOUT) {
            return Some(Finding::warning(shown, "it is a whiteout of a storage driver's own"));
        }
        let path = match dir.is_empty() {
            true => hidden.to_vec(),
            false => [dir, b"/", hidden].concat(),
        };
        let there = self.nodes.remove(&path).is_some() | self.remove_below(&path);
        (!there).then(|| {
            Finding::warning(shown, "it is a whiteout, and there is nothing below it to hide")
        })
    }

    fn remove_below(&mut self, dir: &[u8]) -> bool {
        let prefix = if dir.is_empty() { Vec::new() } else { [dir, b"/"].concat() };
        let below: Vec<Vec<u8>> = self
            .nodes
            .range(prefix.clone()..)
            .take_while(|(path, _)| path.starts_with(&prefix))
            .map(|(path, _)| path.clone())
            .collect();
        below.iter().for_each(|path| drop(self.nodes.remove(path)));
        !below.is_empty()
    }

    fn entry(&mut self, entry: &Entry, layer: usize, findings: &mut Vec<Finding>) {
        let shown = || path::shown(&entry.path);
        let above = path::parents(&entry.path).find_map(|dir| {
            let node = self.nodes.get(dir).filter(|node| node.kind != Kind::Directory)?;
            Some((dir.to_vec(), node.clone()))
        });
        match above {
            Some((dir, node)) if node.kind == Kind::Symlink && node.layer < layer => {
                let message = format!(
                    "it lies below {}, a symbolic link of a lower layer: some unpackers follow \
                     the link, others replace it",
                    path::shown(&dir)
                );
                push_some(findings, MOST_FINDINGS, || Finding::warning(shown(), message));
            }
            Some((dir, node)) if node.kind != Kind::Symlink => {
                let message = format!("it lies below {}, which is no directory", path::shown(&dir));
                push_some(findings, MOST_FINDINGS, || {
                    Finding::error(About::Path, shown(), message)
                });
            }
            _ => {}
        }
        self.over(entry, layer, findings);
        let (link, bytes) = (entry.link.clone(), entry.bytes.clone());
        let node = Node { kind: entry.kind, link, meta: entry.meta, bytes, layer };
        self.nodes.insert(entry.path.clone(), node);
    }

    /// What an entry does to the one that was there.
    fn over(&mut self, entry: &Entry, layer: usize, findings: &mut Vec<Finding>) {
        let shown = || path::shown(&entry.path);
        let before = self.nodes.get(&entry.path).filter(|node| node.layer < layer);
        match (before.map(|node| node.kind), entry.kind) {
            (Some(Kind::Symlink), Kind::Directory) => push_some(findings, MOST_FINDINGS, || {
                let message = "it is a directory over a symbolic link of a lower layer, and hides \
                               what the link led to";
                Finding::warning(shown(), message)
            }),
            (Some(Kind::Directory), kind) if kind != Kind::Directory => {
                self.remove_below(&entry.path);
            }
            _ => {}
        }
        if entry.kind != Kind::HardLink || entry.link.is_empty() {
            return;
        }
        let target = path::shown(&entry.link);
        match self.nodes.get(&entry.link) {
            None => push_some(findings, MOST_FINDINGS, || {
                let message = format!("it is a hard link to {target}, which is not there");
                Finding::error(About::Path, shown(), message)
            }),
            Some(node) if node.layer < layer => push_some(findings, MOST_FINDINGS, || {
                let message = format!("it is a hard link to {target} in a lower layer");
                Finding::warning(shown(), message)
            }),
            Some(_) => {}
        }
    }
}
