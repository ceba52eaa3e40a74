//! How many layers each class gets: the paths that the same images use, and how to go on when an
//! image has more classes than it may have layers.

use std::collections::BTreeMap;

use super::PlanError;
use super::bit_set::BitSet;
use super::change_rate::RateColumns;
use super::hierarchy::MergeHierarchy;
use super::lock;
use super::model::Model;
use super::path_set;
use super::path_set::PathSet;
use super::rebalance::{ClassLayers, exchange};
use super::refine::Search;

/// A finished layer: items, and the images that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) members: Vec<usize>,
    pub(super) images: BitSet,
    pub(super) group: Option<usize>,
    pub(super) size: u64,
    pub(super) exposed: BitSet,
    /// Its place in the lock that it was kept by.
    pub(super) kept: Option<usize>,
}

impl Layer {
    pub(super) fn new(
        model: &Model<'_>,
        members: Vec<usize>,
        images: BitSet,
        group: Option<usize>,
    ) -> Self {
        let mut exposed = BitSet::new(model.sources);
        let mut size: u64 = 0;
        for item in members.iter().filter_map(|at| model.items.get(*at)) {
            exposed.add(&item.exposed);
            size = size.saturating_add(item.size);
        }
        Self { members, images, group, size, exposed, kept: None }
    }
}

/// Splits all items into layers, within every image's limit.
pub(super) fn layers(
    model: &Model<'_>,
    floor: u64,
    lock: &[Vec<String>],
) -> Result<Vec<Layer>, PlanError> {
    let mut classes: BTreeMap<(Option<usize>, &BitSet), Vec<usize>> = BTreeMap::new();
    for (at, item) in model.items.iter().enumerate() {
        classes.entry((item.group, &item.images)).or_default().push(at);
    }
    let mut out = Vec::new();
    let mut free = Vec::new();
    for ((group, images), members) in classes {
        if group.is_some() {
            out.push(Layer::new(model, members, images.clone(), group));
        } else if lock.is_empty() {
            let table = path_set::table(model, &members);
            let ladder = MergeHierarchy::new(&table, floor);
            free.push(Class { images, table, ladder, taken: 0 });
        }
    }
    if !lock.is_empty() {
        out.extend(lock::layers(model, lock));
    }
    let mut counts = LayerCounts::new(model, &out, &free);
    descend(&mut free, &mut counts);
    undo_spare_merges(&mut free, &mut counts);
    let mut divisions: Vec<ClassLayers<'_>> = Vec::new();
    for class in &free {
        let layers = class.ladder.layers(class.taken);
        let division = ClassLayers::new(class.images, Search::new(&class.table, &layers, floor));
        for _ in division.len()..layers.len() as u64 {
            counts.less(class.images);
        }
        divisions.push(division);
    }
    exchange(&mut divisions, &mut counts);
    for (class, division) in free.iter().zip(&divisions) {
        for members in division.layers() {
            out.push(Layer::new(model, members, class.images.clone(), None));
        }
    }
    merge_across_classes(model, &mut out, &mut counts)?;
    Ok(out)
}

#[derive(Debug)]
struct Class<'a> {
    images: &'a BitSet,
    table: Vec<PathSet>,
    ladder: MergeHierarchy,
    taken: usize,
}

/// How many layers each image has, and may have.
#[derive(Debug)]
pub(super) struct LayerCounts {
    now: Vec<u64>,
    limit: Vec<u64>,
}

impl LayerCounts {
    fn new(model: &Model<'_>, fixed: &[Layer], free: &[Class<'_>]) -> Self {
        let limit = model.images.iter().map(|(_, limit)| u64::from(*limit)).collect();
        let mut counts = Self { now: vec![0; model.images.len()], limit };
        for layer in fixed {
            counts.add(&layer.images, 1);
        }
        for class in free {
            counts.add(class.images, class.ladder.len() as u64);
        }
        counts
    }

    pub(super) fn add(&mut self, images: &BitSet, layers: u64) {
        for image in images.iter() {
            if let Some(now) = self.now.get_mut(image) {
                *now += layers;
            }
        }
    }

    pub(super) fn less(&mut self, images: &BitSet) {
        for image in images.iter() {
            if let Some(now) = self.now.get_mut(image) {
                *now = now.saturating_sub(1);
            }
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, &u64, &u64)> {
        self.now.iter().zip(&self.limit).enumerate().map(|(at, (now, limit))| (at, now, limit))
    }

    /// How many of these images have too many layers.
    fn over(&self, images: &BitSet) -> u64 {
        self.pairs().filter(|(at, now, limit)| now > limit && images.contains(*at)).count() as u64
    }

    /// Whether all of these images could have one more.
    pub(super) fn room(&self, images: &BitSet) -> bool {
        self.pairs().all(|(at, now, limit)| now < limit || !images.contains(at))
    }

    /// Whether they could when others have one less.
    pub(super) fn room_after(&self, images: &BitSet, less: &BitSet) -> bool {
        self.pairs().all(|(at, now, limit)| {
            !images.contains(at) || *now < limit + u64::from(less.contains(at))
        })
    }
}

/// Takes, as long as an image has too many layers, the step that costs least for each such image
/// that it helps.
fn descend(classes: &mut [Class<'_>], counts: &mut LayerCounts) {
    loop {
        let mut best: Option<(u64, u64, usize)> = None;
        for (at, class) in classes.iter().enumerate() {
            let helped = counts.over(class.images);
            let Some(step) = class.ladder.step(class.taken).filter(|_| helped > 0) else {
                continue;
            };
            if best.is_none_or(|(cost, helps, _)| less((step.cost, helped), (cost, helps))) {
                best = Some((step.cost, helped, at));
            }
        }
        let Some(class) = best.and_then(|(_, _, at)| classes.get_mut(at)) else { return };
        class.taken += 1;
        counts.less(class.images);
    }
}

/// Whether `a.0 / a.1` is under `b.0 / b.1`.
fn less(a: (u64, u64), b: (u64, u64)) -> bool {
    u128::from(a.0) * u128::from(b.1) < u128::from(b.0) * u128::from(a.1)
}

/// A step that helped a crowded image may have cost a roomy one more than it had to: takes back
/// the dearest steps for which there is room.
fn undo_spare_merges(classes: &mut [Class<'_>], counts: &mut LayerCounts) {
    loop {
        let mut best: Option<(u64, usize)> = None;
        for (at, class) in classes.iter().enumerate() {
            let last = class.taken.checked_sub(1).and_then(|last| class.ladder.step(last));
            let Some(step) = last.filter(|_| counts.room(class.images)) else { continue };
            if best.is_none_or(|(cost, _)| step.cost > cost) {
                best = Some((step.cost, at));
            }
        }
        let Some(class) = best.and_then(|(_, at)| classes.get_mut(at)) else { return };
        class.taken -= 1;
        counts.add(class.images, 1);
    }
}

/// Merges across classes where classes alone are too many.
fn merge_across_classes(
    model: &Model<'_>,
    layers: &mut Vec<Layer>,
    counts: &mut LayerCounts,
) -> Result<(), PlanError> {
    loop {
        let crowded = counts.pairs().find(|(_, now, limit)| now > limit);
        let Some((image, now, limit)) = crowded else { return Ok(()) };
        let crowded = PlanError::TooManyGroups {
            image: model.images.get(image).map(|(name, _)| *name).unwrap_or_default().into(),
            layers: *now,
            limit: *limit,
        };
        let mut best: Option<(u128, u64, usize, usize)> = None;
        for (i, a) in layers.iter().enumerate().filter(|(_, a)| a.group.is_none()) {
            for (j, b) in layers.iter().enumerate().skip(i + 1).filter(|(_, b)| b.group.is_none()) {
                let mut both = a.images.clone();
                both.keep(&b.images);
                let helped = counts.over(&both);
                if helped == 0 {
                    continue;
                }
                let cost = forced_cost(model.scale, a, b);
                if best.is_none_or(|(least, helps, ..)| {
                    cost.saturating_mul(u128::from(helps))
                        < least.saturating_mul(u128::from(helped))
                }) {
                    best = Some((cost, helped, i, j));
                }
            }
        }
        let (_, _, i, j) = best.ok_or(crowded)?;
        fuse(model, layers, counts, i, j);
    }
}

/// What the union of two layers costs in bytes to move and to store, where images that have only
/// one of the two keep it as it is. A byte stored twice counts like one that every change of the
/// union moves.
fn forced_cost(scale: RateColumns, a: &Layer, b: &Layer) -> u128 {
    let (x, y) = (scale.weigh(&a.exposed), scale.weigh(&b.exposed));
    let union = x + y - scale.shared(&a.exposed, &b.exposed);
    let cost = |size: u64, count: u64| u128::from(size) * u128::from(count + union);
    let mut total = cost(a.size.saturating_add(b.size), union);
    if a.images.is_subset(&b.images) {
        total = total.saturating_sub(cost(a.size, x));
    }
    if b.images.is_subset(&a.images) {
        total = total.saturating_sub(cost(b.size, y));
    }
    total
}

fn fuse(model: &Model<'_>, layers: &mut Vec<Layer>, counts: &mut LayerCounts, i: usize, j: usize) {
    let (b, a) = (layers.remove(j), layers.remove(i));
    let mut both = a.images.clone();
    both.keep(&b.images);
    counts.less(&both);
    let mut members = a.members.clone();
    members.extend(&b.members);
    members.sort_unstable();
    let kept = a.kept.into_iter().chain(b.kept).min();
    for mut rest in [a, b] {
        rest.images.remove(&both);
        if !rest.images.is_empty() {
            layers.push(rest);
        }
    }
    layers.push(Layer { kept, ..Layer::new(model, members, both, None) });
}
