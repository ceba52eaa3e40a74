//! Giving layers to where they are worth most.
//!
//! The ladders only ever join, each class by itself. When all have their layers, two of them
//! often cost little together while another would gain by being two: then both are done, in one
//! class or in two, as long as that lowers the expected bytes.

use std::collections::BTreeSet;

use super::allocate::LayerCounts;
use super::bit_set::BitSet;
use super::refine::{Search, Split};

/// Exchanges at most; what is left to gain after so many is not worth the wait.
const MOST: usize = 400;

/// Classes of more paths are left as they are: looking at all their layers takes too long for
/// the hundredth that there is to gain.
const LARGE: usize = 600;

/// The layers of one class, with what is cheapest and dearest in them.
#[derive(Debug)]
pub(super) struct ClassLayers<'a> {
    images: &'a BitSet,
    search: Search<'a>,
    split: Option<Split>,
    /// The merger that costs least, and the one that does so without the layer to split.
    merger: Option<MergeMove>,
    other_merger: Option<MergeMove>,
}

/// What it costs, and which two layers.
type MergeMove = (u64, usize, usize);

impl<'a> ClassLayers<'a> {
    pub(super) fn new(images: &'a BitSet, mut search: Search<'a>) -> Self {
        search.settle();
        let mut division = Self { images, search, split: None, merger: None, other_merger: None };
        division.look();
        division
    }

    pub(super) fn layers(&self) -> Vec<Vec<usize>> {
        self.search.layers()
    }

    /// How many layers there are.
    pub(super) fn len(&self) -> u64 {
        self.search.len()
    }

    fn settle(&mut self, counts: &mut LayerCounts) {
        let before = self.len();
        self.search.settle();
        // A layer whose last path moved away is room for another.
        for _ in self.len()..before {
            counts.less(self.images);
        }
        self.look();
    }

    fn look(&mut self) {
        if self.search.rows() > LARGE {
            return;
        }
        self.split = self.search.best_split();
        self.merger = self.search.cheapest_merger(None);
        self.other_merger = match &self.split {
            Some(split) => self.search.cheapest_merger(Some(split.layer)),
            None => None,
        };
    }
}

/// One exchange: a class that merges, if one has to, and one that splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Swap {
    gain: u64,
    splits: usize,
    merges: Option<usize>,
}

/// Exchanges layers within and between classes, within the limits.
pub(super) fn exchange(divisions: &mut [ClassLayers<'_>], counts: &mut LayerCounts) {
    let mut touched = BTreeSet::new();
    for _ in 0..MOST {
        match best(divisions, counts) {
            Some(best) => {
                apply(&best, divisions, counts);
                touched.extend(best.merges.into_iter().chain([best.splits]));
            }
            None if touched.is_empty() => return,
            // Paths find better places among the new layers, and then there may be more to do.
            None => settle(divisions, std::mem::take(&mut touched), counts),
        }
    }
    settle(divisions, touched, counts);
}

fn settle(divisions: &mut [ClassLayers<'_>], touched: BTreeSet<usize>, counts: &mut LayerCounts) {
    for at in touched {
        if let Some(division) = divisions.get_mut(at) {
            division.settle(counts);
        }
    }
}

fn apply(exchange: &Swap, divisions: &mut [ClassLayers<'_>], counts: &mut LayerCounts) {
    let split = divisions.get(exchange.splits).and_then(|division| division.split.clone());
    let merger = exchange.merges.and_then(|at| merger_for(divisions, at, exchange.splits));
    let merging = exchange.merges.and_then(|at| divisions.get_mut(at));
    if let Some(((_, into, gone), division)) = merger.zip(merging) {
        division.search.merge(into, gone);
        counts.less(division.images);
        division.look();
    }
    if let Some((split, division)) = split.zip(divisions.get_mut(exchange.splits)) {
        division.search.split(&split);
        counts.add(division.images, 1);
        division.look();
    }
}

fn merger_for(divisions: &[ClassLayers<'_>], merges: usize, splits: usize) -> Option<MergeMove> {
    let division = divisions.get(merges)?;
    if merges == splits { division.other_merger } else { division.merger }
}

fn best(divisions: &[ClassLayers<'_>], counts: &LayerCounts) -> Option<Swap> {
    let mut best: Option<Swap> = None;
    for (splits, division) in divisions.iter().enumerate() {
        let Some(split) = &division.split else { continue };
        if counts.room(division.images) {
            best = best.max(Some(Swap { gain: split.gain, splits, merges: None }));
            continue;
        }
        for (merges, other) in divisions.iter().enumerate() {
            let Some((cost, ..)) = merger_for(divisions, merges, splits) else { continue };
            if split.gain > cost && counts.room_after(division.images, other.images) {
                let gain = split.gain - cost;
                best = best.max(Some(Swap { gain, splits, merges: Some(merges) }));
            }
        }
    }
    best
}
