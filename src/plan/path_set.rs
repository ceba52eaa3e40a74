//! Paths as rows of one table, so that two of them can be compared quickly.

use super::bit_set::BitSet;
use super::change_rate::RateColumns;
use super::model::{Item, Model};

/// A path, or several that share a layer in the making.
#[derive(Debug, Clone)]
pub(super) struct PathSet {
    /// Items, by their place in the model.
    pub(super) members: Vec<usize>,
    pub(super) size: u64,
    /// The sources that tell it from other rows of its table.
    pub(super) exposed: BitSet,
    /// What they weigh together.
    pub(super) weight: u64,
    pub(super) scale: RateColumns,
}

impl PathSet {
    /// Nothing, over no sources.
    pub(super) fn nothing() -> Self {
        let (scale, _, width) = RateColumns::pack(&[]);
        let exposed = BitSet::new(width);
        Self { members: Vec::new(), size: 0, exposed, weight: 0, scale }
    }

    /// Nothing yet, over as many sources as `like`.
    pub(super) fn empty(like: &Self) -> Self {
        let mut exposed = like.exposed.clone();
        exposed.remove(&like.exposed);
        Self { members: Vec::new(), size: 0, exposed, weight: 0, scale: like.scale }
    }

    pub(super) fn union(mut self, other: &Self) -> Self {
        self.members.extend(&other.members);
        self.size = self.size.saturating_add(other.size);
        self.exposed.add(&other.exposed);
        self.weight = self.scale.weigh(&self.exposed);
        self
    }

    /// What merging two adds to the expected bytes of a change: each is now renamed by the
    /// other's sources too. `None` as soon as it is certain to be `bound` or more.
    pub(super) fn merger(&self, other: &Self, bound: u64) -> Option<u64> {
        let least = match self.weight > other.weight {
            true => (self.weight - other.weight).saturating_mul(other.size),
            false => (other.weight - self.weight).saturating_mul(self.size),
        };
        if least >= bound {
            return None;
        }
        let shared = self.scale.shared(&self.exposed, &other.exposed);
        let cost = ((self.weight - shared).saturating_mul(other.size))
            .saturating_add((other.weight - shared).saturating_mul(self.size));
        (cost < bound).then_some(cost)
    }
}

/// A row an item. Sources that all items have, or none, are left out: they add the same to every
/// plan. Those that most items have come first among those of their rate.
pub(super) fn table(model: &Model<'_>, members: &[usize]) -> Vec<PathSet> {
    let rows: Vec<(usize, &Item<'_>)> =
        members.iter().filter_map(|at| Some((*at, model.items.get(*at)?))).collect();
    let Some((_, first)) = rows.first() else { return Vec::new() };
    let (mut all, mut any) = (first.exposed.clone(), first.exposed.clone());
    for (_, item) in &rows {
        all.keep(&item.exposed);
        any.add(&item.exposed);
    }
    any.remove(&all);
    let mut reach = vec![0_usize; model.sources];
    for source in rows.iter().flat_map(|(_, item)| item.exposed.iter()) {
        if let Some(n) = reach.get_mut(source) {
            *n += 1;
        }
    }
    let mut kept: Vec<usize> = any.iter().collect();
    kept.sort_by_key(|source| (reach.get(*source).map(|n| std::cmp::Reverse(*n)), *source));
    let rates: Vec<_> = kept.iter().map(|source| model.scale.rate(*source)).collect();
    let (scale, columns, width) = RateColumns::pack(&rates);
    let mut place = vec![None; model.sources];
    for (source, column) in kept.iter().zip(columns) {
        if let Some(place) = place.get_mut(*source) {
            *place = Some(column);
        }
    }
    rows.iter()
        .map(|(at, item)| {
            let mut exposed = BitSet::new(width);
            let own = item.exposed.iter().filter_map(|source| place.get(source).copied().flatten());
            own.for_each(|column| exposed.insert(column));
            PathSet {
                members: vec![*at],
                size: item.size,
                weight: scale.weigh(&exposed),
                exposed,
                scale,
            }
        })
        .collect()
}
