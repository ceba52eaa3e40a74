//! Keeping packages in the layers where an earlier plan put them.
//!
//! A lock names packages, not paths: hashes change with every version, and that a package stays
//! where it was is the point.

use std::collections::BTreeMap;

use super::ladder::Ladder;
use super::model::{Item, Model};
use super::row;
use super::share::Layer;
use super::{Bits, ImagePlan};
use crate::store_path::StorePath;

/// New packages of one class start in so many layers at most; a new layer takes room from those
/// that come after.
const NEW_LAYERS: usize = 2;

/// What stays the same between the versions of a package: its name and its output. The version
/// goes: `gcc-14.2.1-lib` is `gcc-lib`.
pub fn lock_name(path: &StorePath) -> String {
    let package = path.package_name();
    let version = path.name().get(package.len()..).unwrap_or_default();
    let output = version.rsplit_once('-').map(|(_, last)| last);
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
    new.map(|layer| {
        let mut names: Vec<String> = layer.paths.iter().map(lock_name).collect();
        names.sort();
        names
    })
    .collect()
}

/// Layers after a lock. What it does not know is divided among a few layers of its own; limits
/// are minded later.
pub(super) fn layers(model: &Model<'_>, lock: &[Vec<String>]) -> Vec<Layer> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (layer, names) in lock.iter().enumerate() {
        for name in names {
            places.entry(name).or_default().push(layer);
        }
    }
    let mut known: BTreeMap<(usize, &Bits), Vec<usize>> = BTreeMap::new();
    let mut new: BTreeMap<&Bits, Vec<usize>> = BTreeMap::new();
    let mut met: BTreeMap<(String, &Bits), usize> = BTreeMap::new();
    let free = |(_, item): &(usize, &Item<'_>)| item.group.is_none();
    for (at, item) in model.items.iter().enumerate().filter(free) {
        let name = lock_name(item.path);
        let Some(layers) = places.get(name.as_str()) else {
            new.entry(&item.images).or_default().push(at);
            continue;
        };
        // Several paths of one name, as two versions side by side, keep their order.
        let nth = met.entry((name, &item.images)).or_insert(0);
        if let Some(layer) = layers.get((*nth).min(layers.len() - 1)) {
            known.entry((*layer, &item.images)).or_default().push(at);
        }
        *nth += 1;
    }
    let mut out = Vec::new();
    for ((place, images), members) in known {
        let layer = Layer::new(model, members, images.clone(), None);
        out.push(Layer { kept: Some(place), ..layer });
    }
    for (images, members) in new {
        let ladder = Ladder::new(&row::table(model, &members), 0);
        for members in ladder.layers(ladder.len().saturating_sub(NEW_LAYERS)) {
            out.push(Layer::new(model, members, images.clone(), None));
        }
    }
    out
}
