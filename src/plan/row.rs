//! Paths as rows of one table, so that two of them can be compared quickly.

use super::bits::Bits;
use super::model::Item;

/// A path, or several that share a layer in the making.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Items, by their place in the model.
    pub(super) members: Vec<usize>,
    pub(super) size: u64,
    /// The sources that tell it from other rows of its table.
    pub(super) exposed: Bits,
    /// How many they are.
    pub(super) count: u64,
}

impl Row {
    /// Nothing yet, over as many sources as `like`.
    pub(super) fn empty(like: &Self) -> Self {
        let mut exposed = like.exposed.clone();
        exposed.remove(&like.exposed);
        Self { members: Vec::new(), size: 0, exposed, count: 0 }
    }

    pub(super) fn union(mut self, other: &Self) -> Self {
        self.members.extend(&other.members);
        self.size = self.size.saturating_add(other.size);
        self.exposed.add(&other.exposed);
        self.count = self.exposed.count();
        self
    }

    /// What merging two adds to the expected bytes of a change: each is now renamed by the
    /// other's sources too. `None` as soon as it is certain to be `bound` or more.
    pub(super) fn merger(&self, other: &Self, bound: u64) -> Option<u64> {
        let least = match self.count > other.count {
            true => (self.count - other.count).saturating_mul(other.size),
            false => (other.count - self.count).saturating_mul(self.size),
        };
        if least >= bound {
            return None;
        }
        let shared = self.exposed.shared(&other.exposed);
        let cost = ((self.count - shared).saturating_mul(other.size))
            .saturating_add((other.count - shared).saturating_mul(self.size));
        (cost < bound).then_some(cost)
    }
}

/// A row an item. Sources that all items have, or none, are left out: they add the same to every
/// plan. Those that most items have come first.
pub(super) fn table(items: &[Item<'_>], members: &[usize]) -> Vec<Row> {
    let rows: Vec<(usize, &Item<'_>)> =
        members.iter().filter_map(|at| Some((*at, items.get(*at)?))).collect();
    let Some((_, first)) = rows.first() else { return Vec::new() };
    let (mut all, mut any) = (first.exposed.clone(), first.exposed.clone());
    for (_, item) in &rows {
        all.keep(&item.exposed);
        any.add(&item.exposed);
    }
    any.remove(&all);
    let columns: Vec<usize> = any.iter().collect();
    let own = |item: &Item<'_>| -> Vec<usize> {
        let mut own = item.exposed.clone();
        own.keep(&any);
        own.iter().filter_map(|source| columns.binary_search(&source).ok()).collect()
    };
    let rank = by_reach(rows.iter().flat_map(|(_, item)| own(item)), columns.len());
    rows.iter()
        .map(|(at, item)| {
            let mut exposed = Bits::new(columns.len());
            for to in own(item).iter().filter_map(|at| rank.get(*at)) {
                exposed.insert(*to);
            }
            Row { members: vec![*at], size: item.size, count: exposed.count(), exposed }
        })
        .collect()
}

/// For each column its place when those that occur most come first.
fn by_reach(occurrences: impl Iterator<Item = usize>, columns: usize) -> Vec<usize> {
    let mut reach = vec![0_usize; columns];
    for at in occurrences {
        if let Some(n) = reach.get_mut(at) {
            *n += 1;
        }
    }
    let mut ranked: Vec<(std::cmp::Reverse<usize>, usize)> =
        reach.into_iter().enumerate().map(|(at, n)| (std::cmp::Reverse(n), at)).collect();
    ranked.sort_unstable();
    let mut rank = vec![0; columns];
    for (to, (_, from)) in ranked.into_iter().enumerate() {
        if let Some(place) = rank.get_mut(from) {
            *place = to;
        }
    }
    rank
}
