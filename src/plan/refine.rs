//! Moving paths between the layers of one class, as long as that lowers the expected bytes.
//!
//! Mergers only ever join, and an early one may look wrong when the layers are finished. Here a
//! path leaves for the layer where it costs least, alone, or with those of its layer that build
//! on it, or with those that it builds on.

use super::bit_set::BitSet;
use super::path_set::PathSet;

/// Rounds over all paths; what is left to gain after so many is not worth the wait.
const ROUNDS: usize = 10;
/// A bound on rounds × paths × (layers + paths a layer), so that large images take fewer rounds.
const BUDGET: usize = 1_200_000;
/// Above so many paths only single ones move.
const BLOCKS: usize = 2_000;

/// Which of its layer's members move along with a path.
#[derive(Debug, Clone, Copy, PartialEq)]
enum MoveScope {
    /// None.
    Single,
    /// Those that are exposed to all that it is exposed to.
    Above,
    /// Those that are exposed to nothing else.
    Below,
}

const REACHES: [MoveScope; 3] = [MoveScope::Single, MoveScope::Above, MoveScope::Below];

/// Layers over the rows of a table. Their `members` are rows here, not items.
#[derive(Debug)]
pub(super) struct Search<'a> {
    rows: Vec<&'a PathSet>,
    layers: Vec<PathSet>,
    /// For each layer, the sources that one row of it alone is exposed to: they go with it.
    once: Vec<BitSet>,
    home: Vec<usize>,
    floor: u64,
}

/// How one layer becomes two.
#[derive(Debug, Clone)]
pub(super) struct Split {
    /// The bytes that it saves, times the weight of the sources that no longer move them.
    pub(super) gain: u64,
    pub(super) layer: usize,
    /// What leaves it.
    block: PathSet,
}

impl<'a> Search<'a> {
    /// None of the layers ever falls under `floor` bytes that was not.
    pub(super) fn new(table: &'a [PathSet], layers: &[Vec<usize>], floor: u64) -> Self {
        let mut rows: Vec<&PathSet> = table.iter().collect();
        rows.sort_by(|a, b| a.members.cmp(&b.members));
        let home = vec![0; rows.len()];
        let mut search = Self { rows, layers: Vec::new(), once: Vec::new(), home, floor };
        for (at, layer) in layers.iter().enumerate() {
            let rows = layer.iter().filter_map(|item| {
                search.rows.binary_search_by(|row| row.members.as_slice().cmp(&[*item])).ok()
            });
            let rows: Vec<usize> = rows.collect();
            for row in &rows {
                if let Some(home) = search.home.get_mut(*row) {
                    *home = at;
                }
            }
            let (layer, once) = search.measured(rows);
            search.once.push(once);
            search.layers.push(layer);
        }
        search
    }

    /// How many paths there are.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// How many layers have paths.
    pub(super) fn len(&self) -> u64 {
        self.layers.iter().filter(|layer| !layer.members.is_empty()).count() as u64
    }

    /// Moves paths until none is better elsewhere.
    pub(super) fn settle(&mut self) {
        if self.layers.len() < 2 {
            return;
        }
        let width = self.layers.len() + self.rows.len() / self.layers.len();
        let rounds = (BUDGET / (self.rows.len() * width)).clamp(1, ROUNDS);
        let reaches = if self.rows.len() > BLOCKS { &[MoveScope::Single][..] } else { &REACHES };
        for _ in 0..rounds {
            let mut moved = false;
            for row in 0..self.rows.len() {
                for reach in reaches {
                    moved |= self.relocate(row, *reach);
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// The merger that costs least, without one of the layers if that is to stay.
    pub(super) fn cheapest_merger(&self, without: Option<usize>) -> Option<(u64, usize, usize)> {
        let live = || {
            let layers = self.layers.iter().enumerate();
            layers.filter(|(at, layer)| !layer.members.is_empty() && Some(*at) != without)
        };
        let mut best: Option<(u64, usize, usize)> = None;
        for (at, layer) in live() {
            for (other, near) in live().skip_while(|(other, _)| *other <= at) {
                let bound = best.map_or(u64::MAX, |(cost, ..)| cost);
                best = layer.merger(near, bound).map(|cost| (cost, at, other)).or(best);
            }
        }
        best
    }

    /// The division of a layer in two that saves most.
    pub(super) fn best_split(&self) -> Option<Split> {
        let mut best: Option<Split> = None;
        for (row, from) in self.home.iter().enumerate() {
            let Some(layer) = self.layers.get(*from) else { continue };
            for reach in REACHES {
                let Some(block) = self.block(row, reach) else { continue };
                let rest = layer.size.saturating_sub(block.size);
                let gain = self.stay(*from, layer, &block).unwrap_or_default();
                if rest >= self.floor
                    && block.size >= self.floor
                    && gain > best.as_ref().map_or(0, |best| best.gain)
                {
                    best = Some(Split { gain, layer: *from, block });
                }
            }
        }
        best
    }

    /// Makes one layer of two.
    pub(super) fn merge(&mut self, into: usize, gone: usize) {
        if let Some(layer) = self.layers.get(gone).cloned() {
            self.move_to(gone, into, layer);
        }
    }

    /// Makes two layers of one.
    pub(super) fn split(&mut self, split: &Split) {
        let free = self.layers.iter().position(|layer| layer.members.is_empty());
        let to = free.unwrap_or(self.layers.len());
        if free.is_none() {
            let empty = PathSet::empty(&split.block);
            self.once.push(empty.exposed.clone());
            self.layers.push(empty);
        }
        self.move_to(split.layer, to, split.block.clone());
    }

    fn layer(&self, members: Vec<usize>) -> PathSet {
        self.measured(members).0
    }

    /// A layer of these rows, and the sources that one of them alone is exposed to.
    fn measured(&self, members: Vec<usize>) -> (PathSet, BitSet) {
        let mut layer =
            self.rows.first().map_or_else(PathSet::nothing, |first| PathSet::empty(first));
        let mut twice = layer.exposed.clone();
        for row in members.iter().filter_map(|at| self.rows.get(*at)) {
            layer.size = layer.size.saturating_add(row.size);
            layer.exposed.union_with_overlap(&row.exposed, &mut twice);
        }
        let mut once = layer.exposed.clone();
        once.remove(&twice);
        let weight = layer.scale.weigh(&layer.exposed);
        (PathSet { members, weight, ..layer }, once)
    }

    /// Moves a row and what goes with it to the layer where that costs least, and says whether
    /// that was another one.
    fn relocate(&mut self, row: usize, reach: MoveScope) -> bool {
        let Some(from) = self.home.get(row).copied() else { return false };
        self.block(row, reach).is_some_and(|block| self.relocate_block(from, block))
    }

    fn relocate_block(&mut self, from: usize, block: PathSet) -> bool {
        let Some(layer) = self.layers.get(from) else { return false };
        if layer.size.saturating_sub(block.size) < self.floor {
            return false;
        }
        let Some(stay) = self.stay(from, layer, &block).filter(|cost| *cost > 0) else {
            return false;
        };
        let mut best = (stay, from);
        // An empty layer is none: others may have taken its place.
        let others = self.layers.iter().enumerate();
        let others = others.filter(|(to, layer)| *to != from && !layer.members.is_empty());
        for (to, layer) in others {
            if let Some(cost) = layer.merger(&block, best.0) {
                best = (cost, to);
            }
        }
        if best.1 == from {
            return false;
        }
        self.move_to(from, best.1, block);
        true
    }

    /// A row and what goes with it; nothing where that is the whole layer or the row alone.
    fn block(&self, row: usize, reach: MoveScope) -> Option<PathSet> {
        let lead = self.rows.get(row)?;
        let layer = self.layers.get(*self.home.get(row)?)?;
        let goes = |other: &usize| {
            self.rows.get(*other).is_some_and(|other| match reach {
                MoveScope::Below => other.exposed.is_subset(&lead.exposed),
                _ => lead.exposed.is_subset(&other.exposed),
            })
        };
        if reach == MoveScope::Single {
            let block = PathSet { members: vec![row], ..(*lead).clone() };
            return (layer.members.len() > 1).then_some(block);
        }
        let block: Vec<usize> = layer.members.iter().copied().filter(goes).collect();
        (1 < block.len() && block.len() < layer.members.len()).then(|| self.layer(block))
    }

    /// What the block costs where it is: what merging it with the rest of its layer again would.
    fn stay(&self, from: usize, layer: &PathSet, block: &PathSet) -> Option<u64> {
        match block.members.as_slice() {
            [_] => {
                let alone = block.scale.shared(&block.exposed, self.once.get(from)?);
                let rest = layer.size.saturating_sub(block.size);
                let theirs = (layer.weight - block.weight).saturating_mul(block.size);
                Some(theirs.saturating_add(alone.saturating_mul(rest)))
            }
            _ => self.layer(Self::without(layer, block)).merger(block, u64::MAX),
        }
    }

    fn without(layer: &PathSet, block: &PathSet) -> Vec<usize> {
        layer.members.iter().copied().filter(|row| !block.members.contains(row)).collect()
    }

    fn move_to(&mut self, from: usize, to: usize, block: PathSet) {
        for row in &block.members {
            if let Some(home) = self.home.get_mut(*row) {
                *home = to;
            }
        }
        let mut own = match block.members.as_slice() {
            [_] => block.exposed.clone(),
            _ => self.measured(block.members.clone()).1,
        };
        if let (Some(layer), Some(once)) = (self.layers.get_mut(to), self.once.get_mut(to)) {
            once.remove(&block.exposed);
            own.remove(&layer.exposed);
            once.add(&own);
            *layer = block.clone().union(layer);
        }
        let Some(layer) = self.layers.get(from) else { return };
        let measured = self.measured(Self::without(layer, &block));
        if let (Some(layer), Some(once)) = (self.layers.get_mut(from), self.once.get_mut(from)) {
            (*layer, *once) = measured;
        }
    }

    /// The layers as lists of items, ascending.
    pub(super) fn layers(&self) -> Vec<Vec<usize>> {
        let items = |layer: &PathSet| {
            let rows = layer.members.iter().filter_map(|at| self.rows.get(*at));
            let mut items: Vec<usize> = rows.flat_map(|row| row.members.clone()).collect();
            items.sort_unstable();
            items
        };
        self.layers.iter().map(items).filter(|items| !items.is_empty()).collect()
    }
}
