//! Keeping packages in the layers where an earlier plan put them.
//!
//! A lock names packages, not paths: hashes change with every version, and that a package stays
//! where it was is the point.

use std::collections::BTreeMap;

use super::allocate::Layer;
use super::hierarchy::MergeHierarchy;
use super::model::{Item, Model};
use super::path_set;
use super::{BitSet, ImagePlan};
use crate::store_path::StorePath;

/// New packages of one class start in so many layers at most; a new layer takes room from those
/// that come after.
const NEW_LAYERS: usize = 2;

/// What stays the same between the versions of a package: its name and its output. The version
/// goes, and a cross compiler's platform: `gcc-14.2.1-lib` is `gcc-lib`.
pub fn lock_name(path: &StorePath) -> String {
    let name = path.package_name();
    let package = name.package();
    let output = name.version_and_output().rsplit_once('-').map(|(_, last)| last);
    match output.filter(|output| output.bytes().all(|byte| byte.is_ascii_lowercase())) {
        Some(output) if !output.is_empty() => format!("{package}-{output}"),
        _ => package.to_owned(),
    }
}

/// The lock that keeps these plans: each layer once, bottom first.
pub fn lock<'a>(plans: impl IntoIterator<Item = &'a ImagePlan>) -> Vec<Vec<String>> {
    let mut seen = std::collections::BTreeSet::new();
    let layers = plans.into_iter().flat_map(|plan| &plan.layers);
    let new = layers.filter(|layer| layer.why.group.is_none() && seen.insert(&layer.paths));
    let layers: Vec<_> = new.collect();
    let mut paths: Vec<&StorePath> = layers.iter().flat_map(|layer| &layer.paths).collect();
    paths.sort_by_cached_key(|path| (path.package_name(), *path));
    paths.dedup();
    let mut met = BTreeMap::new();
    let labels: BTreeMap<&StorePath, String> =
        paths.into_iter().map(|path| (path, label(path, &mut met))).collect();
    layers
        .into_iter()
        .map(|layer| {
            let labels = layer.paths.iter().filter_map(|path| labels.get(path).cloned());
            let mut labels: Vec<String> = labels.collect();
            labels.sort();
            labels
        })
        .collect()
}

/// What a lock calls a path: its name, and which one of that name it is, as with two versions
/// of a package side by side.
fn label(path: &StorePath, met: &mut BTreeMap<String, usize>) -> String {
    let name = lock_name(path);
    let nth = met.entry(name.clone()).or_insert(0);
    *nth += 1;
    match *nth {
        1 => name,
        nth => format!("{name}#{nth}"),
    }
}

/// Layers after a lock. What it does not know is divided among a few layers of its own; limits
/// are minded later.
pub(super) fn layers(model: &Model<'_>, lock: &[Vec<String>]) -> Vec<Layer> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (layer, labels) in lock.iter().enumerate() {
        for label in labels {
            places.entry(label).or_insert(layer);
        }
    }
    let mut known: BTreeMap<(usize, &BitSet), Vec<usize>> = BTreeMap::new();
    let mut new: BTreeMap<&BitSet, Vec<usize>> = BTreeMap::new();
    let mut met = BTreeMap::new();
    let free = |(_, item): &(usize, &Item<'_>)| item.group.is_none();
    for (at, item) in model.items.iter().enumerate().filter(free) {
        match places.get(label(item.path, &mut met).as_str()) {
            Some(layer) => known.entry((*layer, &item.images)).or_default().push(at),
            None => new.entry(&item.images).or_default().push(at),
        }
    }
    let mut out = Vec::new();
    for ((place, images), members) in known {
        let layer = Layer::new(model, members, images.clone(), None);
        out.push(Layer { kept: Some(place), ..layer });
    }
    for (images, members) in new {
        let ladder = MergeHierarchy::new(&path_set::table(model, &members), 0);
        for members in ladder.layers(ladder.len().saturating_sub(NEW_LAYERS)) {
            out.push(Layer::new(model, members, images.clone(), None));
        }
    }
    out
}
