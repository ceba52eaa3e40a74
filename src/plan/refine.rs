//! Moving paths between the layers of one class, as long as that lowers the expected bytes.
//!
//! Mergers only ever join, and an early one may look wrong when the layers are finished. Here a
//! path leaves for the layer where it costs least, alone, or with those of its layer that build
//! on it, or with those that it builds on.

use super::bits::Bits;
use super::row::Row;

/// Rounds over all paths; what is left to gain after so many is not worth the wait.
const ROUNDS: usize = 10;
/// A bound on rounds × paths × (layers + paths a layer), so that large images take fewer rounds.
const BUDGET: usize = 1_200_000;
/// Above so many paths only single ones move.
const BLOCKS: usize = 2_000;

/// Which of its layer's members move along with a path.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reach {
    /// None.
    Alone,
    /// Those that are exposed to all that it is exposed to.
    Above,
    /// Those that are exposed to nothing else.
    Below,
}

/// Gives as many layers as it gets: lists of items, ascending. None falls under `floor` bytes
/// that was not.
pub(super) fn refine(table: &[Row], layers: Vec<Vec<usize>>, floor: u64) -> Vec<Vec<usize>> {
    if layers.len() < 2 {
        return layers;
    }
    let mut sorted: Vec<&Row> = table.iter().collect();
    sorted.sort_by(|a, b| a.members.cmp(&b.members));
    let mut search = Search::new(&sorted, &layers, floor);
    let width = layers.len() + sorted.len() / layers.len();
    let rounds = (BUDGET / (sorted.len() * width)).clamp(1, ROUNDS);
    let reaches: &[Reach] = match sorted.len() > BLOCKS {
        true => &[Reach::Alone],
        false => &[Reach::Alone, Reach::Above, Reach::Below],
    };
    for _ in 0..rounds {
        let mut moved = false;
        for row in 0..sorted.len() {
            for reach in reaches {
                moved |= search.relocate(row, *reach);
            }
        }
        if !moved {
            break;
        }
    }
    search.layers()
}

/// Layers over the rows of a table. Their `members` are rows here, not items.
#[derive(Debug)]
struct Search<'a> {
    rows: &'a [&'a Row],
    layers: Vec<Row>,
    /// For each layer, the sources that one row of it alone is exposed to: they go with it.
    once: Vec<Bits>,
    home: Vec<usize>,
    floor: u64,
}

impl<'a> Search<'a> {
    fn new(rows: &'a [&'a Row], layers: &[Vec<usize>], floor: u64) -> Self {
        let mut search =
            Self { rows, layers: Vec::new(), once: Vec::new(), home: vec![0; rows.len()], floor };
        for (at, layer) in layers.iter().enumerate() {
            let rows = layer.iter().filter_map(|item| {
                rows.binary_search_by(|row| row.members.as_slice().cmp(&[*item])).ok()
            });
            let rows: Vec<usize> = rows.collect();
            for row in &rows {
                if let Some(home) = search.home.get_mut(*row) {
                    *home = at;
                }
            }
            let layer = search.layer(rows);
            search.once.push(search.once(&layer));
            search.layers.push(layer);
        }
        search
    }

    fn layer(&self, members: Vec<usize>) -> Row {
        let Some(first) = self.rows.first() else {
            return Row { members, size: 0, exposed: Bits::new(0), count: 0 };
        };
        let mut layer = Row::empty(first);
        for row in members.iter().filter_map(|at| self.rows.get(*at)) {
            layer.size = layer.size.saturating_add(row.size);
            layer.exposed.add(&row.exposed);
        }
        Row { members, count: layer.exposed.count(), ..layer }
    }

    /// Moves a row and what goes with it to the layer where that costs least, and says whether
    /// that was another one.
    fn relocate(&mut self, row: usize, reach: Reach) -> bool {
        let (Some(lead), Some(from)) = (self.rows.get(row), self.home.get(row).copied()) else {
            return false;
        };
        let Some(layer) = self.layers.get(from) else { return false };
        let goes = |other: &usize| match (reach, self.rows.get(*other)) {
            (Reach::Above, Some(other)) => lead.exposed.is_subset(&other.exposed),
            (Reach::Below, Some(other)) => other.exposed.is_subset(&lead.exposed),
            _ => *other == row,
        };
        let block: Vec<usize> = match reach {
            Reach::Alone => vec![row],
            _ => layer.members.iter().copied().filter(goes).collect(),
        };
        if block.len() == layer.members.len() || (reach != Reach::Alone && block.len() == 1) {
            return false;
        }
        let block = self.layer(block);
        if layer.size.saturating_sub(block.size) < self.floor {
            return false;
        }
        let Some(stay) = self.stay(from, layer, &block).filter(|cost| *cost > 0) else {
            return false;
        };
        let mut best = (stay, from);
        for (to, layer) in self.layers.iter().enumerate().filter(|(to, _)| *to != from) {
            if let Some(cost) = layer.merger(&block, best.0) {
                best = (cost, to);
            }
        }
        if best.1 == from {
            return false;
        }
        self.settle(from, best.1, block);
        true
    }

    /// What the block costs where it is: what merging it with the rest of its layer again would.
    fn stay(&self, from: usize, layer: &Row, block: &Row) -> Option<u64> {
        match block.members.as_slice() {
            [_] => {
                let alone = block.exposed.shared(self.once.get(from)?);
                let rest = layer.size.saturating_sub(block.size);
                let theirs = (layer.count - block.count).saturating_mul(block.size);
                Some(theirs.saturating_add(alone.saturating_mul(rest)))
            }
            _ => self.rest(layer, block).merger(block, u64::MAX),
        }
    }

    fn rest(&self, layer: &Row, block: &Row) -> Row {
        let stays = layer.members.iter().copied().filter(|row| !block.members.contains(row));
        self.layer(stays.collect())
    }

    fn once(&self, layer: &Row) -> Bits {
        let (mut any, mut twice) = (Row::empty(layer).exposed, Row::empty(layer).exposed);
        for row in layer.members.iter().filter_map(|at| self.rows.get(*at)) {
            let mut again = row.exposed.clone();
            again.keep(&any);
            twice.add(&again);
            any.add(&row.exposed);
        }
        any.remove(&twice);
        any
    }

    fn settle(&mut self, from: usize, to: usize, block: Row) {
        for row in &block.members {
            if let Some(home) = self.home.get_mut(*row) {
                *home = to;
            }
        }
        let rest = self.layers.get(from).map(|layer| self.rest(layer, &block));
        let joined = self.layers.get(to).map(|layer| block.union(layer));
        for (at, layer) in [(from, rest), (to, joined)] {
            let Some(layer) = layer else { continue };
            let once = self.once(&layer);
            if let (Some(a), Some(b)) = (self.layers.get_mut(at), self.once.get_mut(at)) {
                (*a, *b) = (layer, once);
            }
        }
    }

    fn layers(&self) -> Vec<Vec<usize>> {
        let items = |layer: &Row| {
            let rows = layer.members.iter().filter_map(|at| self.rows.get(*at));
            let mut items: Vec<usize> = rows.flat_map(|row| row.members.clone()).collect();
            items.sort_unstable();
            items
        };
        self.layers.iter().map(items).filter(|items| !items.is_empty()).collect()
    }
}
