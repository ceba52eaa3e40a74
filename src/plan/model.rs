//! What the planner knows: every store path of a set once, which changes reach it, and which
//! images use it.

use std::collections::BTreeMap;

use super::bit_set::BitSet;
use super::change_rate;
use super::change_rate::{ChangeInput, RateColumns};
use super::{PlanError, Request};
use crate::closure::Node;
use crate::store_path::StorePath;

/// One store path.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) path: &'a StorePath,
    pub(super) size: u64,
    /// The sources of change in its closure.
    pub(super) exposed: BitSet,
    /// The images that have it, as indices into [`Model::images`].
    pub(super) images: BitSet,
    /// The group that an author put it into, as an index into [`Model::groups`].
    pub(super) group: Option<usize>,
}

/// All images of a set, in an order that does not depend on how they came.
#[derive(Debug)]
pub(super) struct Model<'a> {
    /// Store paths, by package name first: hashes change from version to version, and an order
    /// by hash would make ties fall differently each time.
    pub(super) items: Vec<Item<'a>>,
    /// The images' names and limits, by name.
    pub(super) images: Vec<(&'a str, u32)>,
    /// The names of the groups, ascending.
    pub(super) groups: Vec<&'a str>,
    /// How many numbers sources have.
    pub(super) sources: usize,
    /// How often each changes, by its number.
    pub(super) scale: RateColumns,
    /// What all of them weigh.
    pub(super) weight: u64,
}

/// What is known of a path before the paths have their order.
struct PathEntry<'a> {
    node: &'a Node,
    images: BitSet,
    /// Whether a spec says that it changes often, or an image is for it: nothing refers to it
    /// there, and it refers to others. The author's own packages change with every release.
    often: bool,
    group: Option<usize>,
    references: Vec<&'a StorePath>,
}

impl<'a> Model<'a> {
    pub(super) fn new(requests: &[Request<'a>]) -> Result<Self, PlanError> {
        let mut sorted: Vec<&Request<'a>> = requests.iter().collect();
        sorted.sort_by_key(|request| request.name);
        if let Some(twice) = sorted.windows(2).find_map(|pair| match pair {
            [a, b] if a.name == b.name => Some(a.name),
            _ => None,
        }) {
            return Err(PlanError::TwoImages(twice.into()));
        }
        let (groups, grouped) = groups(&sorted)?;
        let mut seen = collect(&sorted)?;
        for (path, group) in &grouped {
            match seen.get_mut(*path) {
                Some(known) => known.group = Some(*group),
                None => {
                    return Err(PlanError::GroupPath {
                        group: groups.get(*group).copied().unwrap_or_default().into(),
                        path: (*path).clone(),
                    });
                }
            }
        }
        let images = sorted.iter().map(|request| (request.name, request.max_layers)).collect();
        let OrderedPaths { items, scale, sources, weight } = arrange(seen);
        Ok(Self { items, images, groups, sources, scale, weight })
    }
}

type Grouped<'a> = (Vec<&'a str>, BTreeMap<&'a StorePath, usize>);

/// The groups that any image of the set declares. A group that several declare is one.
fn groups<'a>(requests: &[&Request<'a>]) -> Result<Grouped<'a>, PlanError> {
    let declared = || requests.iter().flat_map(|request| &request.layering.groups);
    let mut names: Vec<&str> = declared().map(|group| group.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut members: BTreeMap<&StorePath, usize> = BTreeMap::new();
    for group in declared() {
        let Ok(index) = names.binary_search(&group.name.as_str()) else { continue };
        for path in &group.paths {
            if let Some(other) = members.insert(path, index).filter(|other| *other != index) {
                return Err(PlanError::TwoGroups {
                    path: path.clone(),
                    first: names.get(other).copied().unwrap_or_default().into(),
                    second: group.name.clone(),
                });
            }
        }
    }
    Ok((names, members))
}

fn collect<'a>(
    requests: &[&Request<'a>],
) -> Result<BTreeMap<&'a StorePath, PathEntry<'a>>, PlanError> {
    let often: std::collections::BTreeSet<&str> = requests
        .iter()
        .flat_map(|request| &request.layering.changes_often)
        .map(String::as_str)
        .collect();
    let mut seen: BTreeMap<&StorePath, PathEntry<'a>> = BTreeMap::new();
    for (image, request) in requests.iter().enumerate() {
        let nodes = request.closure.nodes();
        for node in nodes {
            let path = &node.info.path;
            let known = seen.entry(path).or_insert_with(|| PathEntry {
                node,
                images: BitSet::new(requests.len()),
                often: path.names().iter().any(|name| often.contains(name.as_ref())),
                group: None,
                references: node
                    .references
                    .iter()
                    .filter_map(|at| nodes.get(*at))
                    .map(|to| &to.info.path)
                    .collect(),
            });
            if known.node.info.nar_hash != node.info.nar_hash
                || known.node.info.nar_size != node.info.nar_size
            {
                let first = known.images.iter().next().and_then(|at| requests.get(at));
                return Err(PlanError::TwoContents {
                    path: path.clone(),
                    first: first.map(|request| request.name).unwrap_or_default().into(),
                    second: request.name.into(),
                });
            }
            known.images.insert(image);
            known.often |= node.referrers.is_empty() && !node.references.is_empty();
        }
    }
    Ok(seen)
}

/// The paths of a set in their order, with what they are exposed to.
struct OrderedPaths<'a> {
    items: Vec<Item<'a>>,
    scale: RateColumns,
    sources: usize,
    weight: u64,
}

/// Gives every path its place, and its sources their numbers.
fn arrange<'a>(seen: BTreeMap<&'a StorePath, PathEntry<'a>>) -> OrderedPaths<'a> {
    let mut order: Vec<(&StorePath, PathEntry<'a>)> = seen.into_iter().collect();
    order.sort_by_cached_key(|(path, seen)| {
        (path.package_name(), seen.node.info.nar_size, seen.references.len(), *path)
    });
    let index: BTreeMap<&StorePath, usize> =
        order.iter().enumerate().map(|(at, (path, _))| (*path, at)).collect();
    let references: Vec<Vec<usize>> = order
        .iter()
        .map(|(_, seen)| seen.references.iter().filter_map(|to| index.get(to).copied()).collect())
        .collect();
    let changing = order.iter().zip(&references).map(|((path, seen), references)| ChangeInput {
        path,
        images: &seen.images,
        often: seen.often,
        references,
    });
    let (own, rates) = change_rate::sources(&changing.collect::<Vec<_>>());
    let (scale, columns, width) = RateColumns::pack(&rates);
    let exposed = own.iter().map(|own| {
        let mut bits = BitSet::new(width);
        let own = own.iter().filter_map(|source| columns.get(*source));
        own.for_each(|column| bits.insert(*column));
        bits
    });
    let exposed = transitive_closure(exposed.collect(), &references);
    let items = order
        .into_iter()
        .zip(exposed)
        .map(|((path, seen), exposed)| Item {
            path,
            size: seen.node.info.nar_size,
            exposed,
            images: seen.images,
            group: seen.group,
        })
        .collect();
    let weight = rates.iter().map(|rate| rate.weight()).sum();
    OrderedPaths { items, scale, sources: width, weight }
}

/// Adds to each set those of everything that it leads to. References first, so that one pass is
/// enough where there is no cycle; cycles take a pass or two more.
fn transitive_closure(mut exposed: Vec<BitSet>, references: &[Vec<usize>]) -> Vec<BitSet> {
    let order = references_first(references);
    loop {
        let mut changed = false;
        for at in &order {
            let Some(mut own) =
                exposed.get_mut(*at).map(|own| std::mem::replace(own, BitSet::new(0)))
            else {
                continue;
            };
            for to in references.get(*at).into_iter().flatten() {
                if let Some(theirs) = exposed.get(*to) {
                    changed |= own.add(theirs);
                }
            }
            if let Some(place) = exposed.get_mut(*at) {
                *place = own;
            }
        }
        if !changed {
            return exposed;
        }
    }
}

fn references_first(references: &[Vec<usize>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(references.len());
    let mut visited = BitSet::new(references.len());
    for root in 0..references.len() {
        let mut stack = vec![(root, 0)];
        while let Some((at, next)) = stack.pop() {
            if next == 0 {
                if visited.contains(at) {
                    continue;
                }
                visited.insert(at);
            }
            match references.get(at).and_then(|list| list.get(next)) {
                Some(to) => {
                    stack.push((at, next + 1));
                    stack.push((*to, 0));
                }
                None => order.push(at),
            }
        }
    }
    order
}
