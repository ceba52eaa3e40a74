//! What a client that has one image still has to fetch for another, and which store paths are
//! the cause.

use std::collections::{BTreeMap, BTreeSet};

use super::{ImagePlan, PlannedLayer};
use crate::closure::{Closure, Node};
use crate::store_path::StorePath;

/// An image with its plan.
#[derive(Debug, Clone, Copy)]
pub struct Planned<'a> {
    /// Its store paths.
    pub closure: &'a Closure,
    /// Its layers.
    pub plan: &'a ImagePlan,
}

/// A layer that the old image does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedLayer {
    /// Its place in the new image, 0 at the bottom.
    pub layer: usize,
    /// Its bytes.
    pub nar_size: u64,
    /// Paths that are new or changed and refer to nothing that is: what started it. Ascending;
    /// empty where all paths are known and only lie together with others now, or are remade.
    pub causes: Vec<StorePath>,
}

/// The layers of `new` that `old` does not have, bottom first.
///
/// Layers are the same when they hold the same paths with the same contents, unless they are
/// `remade`: written or compressed otherwise, so that none is the same.
pub fn fetches(old: Planned<'_>, new: Planned<'_>, remade: bool) -> Vec<FetchedLayer> {
    let had: BTreeSet<Vec<(&StorePath, &str)>> =
        old.plan.layers.iter().map(|layer| contents(layer, old.closure)).collect();
    let causes = Causes::new(old.closure, new.closure);
    let layers = new.plan.layers.iter().enumerate();
    layers
        .filter(|(_, layer)| remade || !had.contains(&contents(layer, new.closure)))
        .map(|(at, layer)| FetchedLayer {
            layer: at,
            nar_size: layer.nar_size,
            causes: causes.of(&layer.paths),
        })
        .collect()
}

/// What started the change of these paths of a new image: those that are new or changed and refer
/// to nothing that is, among all that they lead to. Ascending.
pub fn causes(old: &Closure, new: &Closure, paths: &[StorePath]) -> Vec<StorePath> {
    Causes::new(old, new).of(paths)
}

fn contents<'a>(layer: &'a PlannedLayer, closure: &'a Closure) -> Vec<(&'a StorePath, &'a str)> {
    let hash = |path| closure.get(path).map_or("", |node| node.info.nar_hash.as_str());
    layer.paths.iter().map(|path| (path, hash(path))).collect()
}

/// The changed part of a closure.
struct Causes<'a> {
    new: &'a Closure,
    changed: BTreeMap<&'a StorePath, &'a Node>,
}

impl<'a> Causes<'a> {
    fn new(old: &Closure, new: &'a Closure) -> Self {
        let same = |node: &Node| {
            old.get(&node.info.path).is_some_and(|had| had.info.nar_hash == node.info.nar_hash)
        };
        let changed = new.nodes().iter().filter(|node| !same(node));
        Self { new, changed: changed.map(|node| (&node.info.path, node)).collect() }
    }

    fn changed_references(&self, node: &'a Node) -> impl Iterator<Item = &'a Node> {
        let references = node.references.iter().filter_map(|at| self.new.nodes().get(*at));
        references.filter(|to| self.changed.contains_key(&to.info.path))
    }

    fn of(&self, paths: &'a [StorePath]) -> Vec<StorePath> {
        let mut todo: Vec<&'a Node> =
            paths.iter().filter_map(|path| self.changed.get(path).copied()).collect();
        let mut seen: BTreeSet<&StorePath> = todo.iter().map(|node| &node.info.path).collect();
        let mut causes = BTreeSet::new();
        while let Some(node) = todo.pop() {
            let mut is_cause = true;
            for to in self.changed_references(node) {
                is_cause = false;
                if seen.insert(&to.info.path) {
                    todo.push(to);
                }
            }
            if is_cause {
                causes.insert(&node.info.path);
            }
        }
        // In a cycle each path has a changed reference: then all that was seen is the cause.
        let causes = if causes.is_empty() { seen } else { causes };
        causes.into_iter().cloned().collect()
    }
}

/// The shortest way by which an image comes to have a path: from something that nothing refers
/// to, down to the path itself. A path in a cycle that nothing enters leads to itself.
pub fn pulled_in_by(closure: &Closure, path: &StorePath) -> Vec<StorePath> {
    let nodes = closure.nodes();
    let Ok(start) = nodes.binary_search_by(|node| node.info.path.cmp(path)) else {
        return Vec::new();
    };
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::from([(start, start)]);
    let mut queue = std::collections::VecDeque::from([start]);
    let mut root = start;
    while let Some(at) = queue.pop_front() {
        let Some(node) = nodes.get(at) else { continue };
        if node.referrers.is_empty() {
            root = at;
            break;
        }
        for up in &node.referrers {
            came_from.entry(*up).or_insert_with(|| {
                queue.push_back(*up);
                at
            });
        }
    }
    let mut way = Vec::new();
    loop {
        way.extend(nodes.get(root).map(|node| node.info.path.clone()));
        match came_from.get(&root) {
            Some(next) if *next != root => root = *next,
            _ => return way,
        }
    }
}
