//! Assigns store paths to layers, and orders the layers.
//!
//! # Objective
//!
//! The name of a store path covers everything that it was built from. A change of one package
//! therefore renames that package and everything that depends on it, and every layer with one of
//! these paths is new. If changes of all packages (here: *sources*) are equally likely, the expected
//! number of bytes that clients download after a change is
//!
//! ```text
//!   Σ over layers of  size of the layer × weight of the sources in its paths' closures
//! ```
//!
//! divided by the weight of all sources. One layer for each path is the minimum. Limits force
//! merges, and the cost of a merge is what each half pays for the sources of the other.
//!
//! `change_rate.rs` derives the weight of a source from the graph and the versions. Paths of one
//! release are one source. A patched version weighs ten times a plain one. Packages in
//! `changesOften`, and packages without referrers, weigh fifty: they are the image's own and change
//! with its releases. The name of a package has no influence.
//!
//! # Steps
//!
//! 1. Paths are grouped into *classes* by the set of images that have them. A layer of one class is
//!    the same layer in each of its images, and is stored and sent once.
//! 2. Each class gets a merge hierarchy, from one layer for each path to one layer for all; each step
//!    is the cheapest merge. Layers below the minimum size are merged first.
//! 3. While an image has too many layers, the class whose next merge costs least for each image that
//!    it helps does that merge. Merges that the limits allow to spare are undone.
//! 4. Paths move between the layers of their class as long as that lowers the sum. Two layers are
//!    merged if the split of another layer, in any class, gains more.
//! 5. Images that still have too many layers (more classes than layers) get merges across classes.
//!    The price includes the bytes that are then stored twice.
//! 6. Layers are ordered with rarely changing ones at the bottom. Graph drivers identify layers by
//!    chain id, so the cost of a change there is the sum over layers of size times the sources of all
//!    layers *up to them*. Layers that more images share are further down.
//!
//! Comparisons use package names before hashes, so two versions of an image are divided at the same
//! places. No step depends on the order of its input.
//!
//! # Complexity
//!
//! The time is quadratic in the paths of one class, up to a few hundred paths. Larger classes first
//! merge near neighbors, in an order that places similar closures next to each other. Ten thousand
//! paths take a third of a second, in ten images or in one; see `benches/plan.rs`.

mod allocate;
mod bit_set;
mod change_rate;
mod compare;
pub mod cost;
mod hierarchy;
mod lock;
mod model;
mod order;
mod path_set;
mod rebalance;
mod refine;

use std::collections::BTreeMap;
use std::fmt;

use crate::closure::{Closure, ClosureError};
use crate::spec;
use crate::store_path::StorePath;
use allocate::Layer;
use bit_set::BitSet;
pub use compare::{FetchedLayer, Planned, causes, fetches, pulled_in_by};
pub use lock::{lock, lock_name};
use model::Model;

/// As many layers as Docker's overlay2 driver mounts, less those that it needs itself; images
/// with more do not start there.
pub const MAX_LAYERS: u32 = 125;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No layer is left for store paths.
    #[error(
        "image `{image}` has {paths} store paths and no layer left for them, not even for \
         `{first}`; raise `layering.maxLayers`, or take a base image with fewer layers"
    )]
    NoRoom {
        /// The image.
        image: String,
        /// How many paths it has.
        paths: usize,
        /// One of them.
        first: StorePath,
    },
    /// More layers than a runtime can mount.
    #[error(
        "image `{image}` may not have {layers} layers: Docker mounts at most {MAX_LAYERS} of them \
         on one another; lower `layering.maxLayers`"
    )]
    TooManyLayers {
        /// The image.
        image: String,
        /// What was asked for.
        layers: u32,
    },
    /// A sibling whose graph is none.
    #[error("the references graph of `layering.siblings.\"{image}\"` is unusable")]
    Sibling {
        /// The sibling.
        image: String,
        /// What is wrong with it.
        source: ClosureError,
    },
    /// Two images of one name.
    #[error("two images of the set are called `{0}`; give each a name of its own")]
    TwoImages(String),
    /// One path, two contents.
    #[error(
        "images `{first}` and `{second}` have different contents under `{path}`; build both from \
         one store"
    )]
    TwoContents {
        /// The path.
        path: StorePath,
        /// The image that had it first.
        first: String,
        /// The image that has it otherwise.
        second: String,
    },
    /// A group with a path that no image has.
    #[error(
        "`layering.groups` puts `{path}` into `{group}`, but no closure has it; take it out or \
         add it to `contents`"
    )]
    GroupPath {
        /// The group.
        group: String,
        /// The path.
        path: StorePath,
    },
    /// A path in two groups.
    #[error(
        "`layering.groups` puts `{path}` into both `{first}` and `{second}`; a path is in one layer"
    )]
    TwoGroups {
        /// The path.
        path: StorePath,
        /// One group.
        first: String,
        /// The other.
        second: String,
    },
    /// Groups alone are more than the limit.
    #[error(
        "image `{image}` has {layers} layers that may not be merged, because of \
         `layering.groups`, and {limit} are allowed; declare fewer groups or raise \
         `layering.maxLayers`"
    )]
    TooManyGroups {
        /// The image.
        image: String,
        /// How many layers are left at least.
        layers: u64,
        /// How many may be.
        limit: u64,
    },
}

/// One image to plan.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The image's name, unique in its set.
    pub name: &'a str,
    /// Its store paths.
    pub closure: &'a Closure,
    /// How many layers are left for store paths, after the base's and the image's own files.
    pub max_layers: u32,
    /// The spec's hints. Of a set, all images' hints count together.
    pub layering: &'a spec::Layering,
}

/// The layers of one image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImagePlan {
    /// Bottom first.
    pub layers: Vec<PlannedLayer>,
}

impl ImagePlan {
    /// The bytes that a change is expected to move, times the weight of all sources: what plans of
    /// the same images can be compared by.
    pub fn expected(&self) -> u128 {
        let layers = self.layers.iter();
        layers.map(|l| u128::from(l.nar_size) * u128::from(l.chance.sources)).sum()
    }
}

/// One layer of store paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedLayer {
    /// What is in it, ascending.
    pub paths: Vec<StorePath>,
    /// The sum of the nar sizes, in bytes.
    pub nar_size: u64,
    /// Why these paths are together.
    pub why: Why,
    /// How likely a change renames it.
    pub chance: Chance,
}

/// Why paths share a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The author's group, if it is one.
    pub group: Option<String>,
    /// The images of the set that have this very layer, ascending.
    pub images: Vec<String>,
    /// The largest path in it.
    pub main: StorePath,
}

/// What the sources weigh that rename a layer by changing, out of all that the set has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance {
    /// The weight of the sources in the closures of the layer's paths.
    pub sources: u64,
    /// The weight of all sources.
    pub of: u64,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "group {group}")?,
            None => f.write_str(self.main.name())?,
        }
        match self.images.as_slice() {
            [] | [_] => Ok(()),
            images => write!(f, ", shared by {}", images.join(", ")),
        }
    }
}

/// Plans one image. In mode `set` the siblings that its spec carries are planned along with it,
/// under the same limit and hints, so that they come to the same shared layers.
pub fn plan_image(request: Request<'_>) -> Result<ImagePlan, PlanError> {
    Ok(plan_with_siblings(request)?.remove(request.name).unwrap_or_default())
}

/// Plans one image and gives the plans of its siblings too.
pub fn plan_with_siblings(request: Request<'_>) -> Result<BTreeMap<String, ImagePlan>, PlanError> {
    let mut siblings = Vec::new();
    for (name, infos) in request.layering.others() {
        let closure = Closure::new(infos.iter().cloned())
            .map_err(|source| PlanError::Sibling { image: name.into(), source })?;
        siblings.push((name, closure));
    }
    let mut requests = vec![request];
    let others = siblings.iter().filter(|(name, _)| *name != request.name);
    requests.extend(others.map(|(name, closure)| Request { name, closure, ..request }));
    plan_set(&requests)
}

/// Plans the images of a set together, so that what several use is the same layer in each.
pub fn plan_set(requests: &[Request<'_>]) -> Result<BTreeMap<String, ImagePlan>, PlanError> {
    requests.iter().try_for_each(check)?;
    let floor = requests.iter().map(|request| request.layering.min_layer_size).max();
    let model = Model::new(requests)?;
    let lock = requests
        .iter()
        .map(|request| &request.layering.lock)
        .max_by_key(|lock| (lock.len(), std::cmp::Reverse(*lock)));
    let lock = lock.map(Vec::as_slice).unwrap_or_default();
    let layers = allocate::layers(&model, floor.unwrap_or_default(), lock)?;
    Ok(arrange(&model, &layers))
}

fn check(request: &Request<'_>) -> Result<(), PlanError> {
    let image = || request.name.to_owned();
    let nodes = request.closure.nodes();
    match (request.max_layers, nodes.first()) {
        (0, Some(node)) => {
            let (paths, first) = (nodes.len(), node.info.path.clone());
            Err(PlanError::NoRoom { image: image(), paths, first })
        }
        (layers, _) if layers > MAX_LAYERS => {
            Err(PlanError::TooManyLayers { image: image(), layers })
        }
        _ => Ok(()),
    }
}

/// Puts each image's layers in order. Layers that the same images have stay together, and what
/// more images have is further down: images of a set then start with the same layers.
fn arrange(model: &Model<'_>, layers: &[Layer]) -> BTreeMap<String, ImagePlan> {
    let mut bands: BTreeMap<&BitSet, Vec<&Layer>> = BTreeMap::new();
    for layer in layers {
        bands.entry(&layer.images).or_default().push(layer);
    }
    let mut ordered: Vec<(&BitSet, Vec<&Layer>)> = bands
        .iter()
        .map(|(images, band)| {
            let mut below = BitSet::new(model.sources);
            let wider =
                bands.iter().filter(|(other, _)| other != &images && images.is_subset(other));
            wider.flat_map(|(_, band)| band).for_each(|layer| {
                below.add(&layer.exposed);
            });
            let blocks: Vec<_> = band
                .iter()
                .map(|layer| order::Block { size: layer.size, exposed: layer.exposed.clone() })
                .collect();
            let mut order = order::order(&blocks, &below, model.scale);
            // Kept layers stay in their order, with what is new above them.
            order.sort_by_key(|at| {
                let kept = band.get(*at).and_then(|layer| layer.kept);
                (kept.is_none(), kept)
            });
            (*images, order.into_iter().filter_map(|at| band.get(at).copied()).collect())
        })
        .collect();
    ordered.sort_by_key(|(images, _)| (std::cmp::Reverse(images.count()), *images));
    let plan = |image: usize| {
        let mine = ordered.iter().filter(|(images, _)| images.contains(image));
        ImagePlan {
            layers: mine.flat_map(|(_, band)| band).filter_map(|l| finish(model, l)).collect(),
        }
    };
    let names = model.images.iter().enumerate();
    names.map(|(at, (name, _))| ((*name).to_owned(), plan(at))).collect()
}

fn finish(model: &Model<'_>, layer: &Layer) -> Option<PlannedLayer> {
    let items: Vec<_> = layer.members.iter().filter_map(|at| model.items.get(*at)).collect();
    let mut paths: Vec<StorePath> = items.iter().map(|item| item.path.clone()).collect();
    paths.sort();
    let largest = items.iter().max_by_key(|item| (item.size, std::cmp::Reverse(item.path)))?;
    let images = layer.images.iter().filter_map(|at| model.images.get(at));
    Some(PlannedLayer {
        nar_size: layer.size,
        why: Why {
            group: layer.group.and_then(|at| model.groups.get(at)).map(|name| (*name).to_owned()),
            images: images.map(|(name, _)| (*name).to_owned()).collect(),
            main: largest.path.clone(),
        },
        chance: Chance { sources: model.scale.weigh(&layer.exposed), of: model.weight },
        paths,
    })
}

#[cfg(test)]
mod tests;
