//! Merging the paths of one class, from a layer a path down to a single layer, always the two
//! layers whose union adds least to the bytes that a change is expected to move.
//!
//! Classes do not touch each other here, so each has its own ladder, and how far down each goes
//! is decided later with all ladders in view.

use super::path_set::PathSet;

/// Above so many rows, the first merges look for partners among near neighbours only: the whole
/// table of pairs is quadratic in rows and each entry linear in sources.
const EXACT: usize = 512;
/// How many comparisons a round over all rows may take; each row is compared with so many of those
/// that come next, in an order that puts like closures side by side.
const COMPARISONS: usize = 60_000;
/// The fewest and the most that it is compared with.
const WINDOW: (usize, usize) = (6, 24);

/// One merger: the row at `gone` goes into the row at `into`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Merge {
    pub(super) cost: u64,
    into: usize,
    gone: usize,
}

/// The mergers of one class, in the order in which they are made.
#[derive(Debug)]
pub(super) struct MergeHierarchy {
    start: Vec<Vec<usize>>,
    steps: Vec<Merge>,
}

impl MergeHierarchy {
    /// Builds the ladder for the rows of a table; layers under `floor` bytes are merged before
    /// it starts, whatever the limits.
    pub(super) fn new(table: &[PathSet], floor: u64) -> Self {
        let rows = merge_neighbors(table.to_vec());
        let mut pool = Pool::new(rows);
        pool.raise(floor);
        let start = pool.rows.iter().map(|row| row.as_ref().map(|row| row.members.clone()));
        let start: Vec<_> = start.map(Option::unwrap_or_default).collect();
        Self { start, steps: pool.descend() }
    }

    /// How many layers there are before the first step.
    pub(super) fn len(&self) -> usize {
        self.start.iter().filter(|members| !members.is_empty()).count()
    }

    /// The step after so many.
    pub(super) fn step(&self, taken: usize) -> Option<Merge> {
        self.steps.get(taken).copied()
    }

    /// The layers after so many steps, each a list of items.
    pub(super) fn layers(&self, taken: usize) -> Vec<Vec<usize>> {
        let mut rows = self.start.clone();
        for step in self.steps.iter().take(taken) {
            let gone = rows.get_mut(step.gone).map(std::mem::take).unwrap_or_default();
            if let Some(row) = rows.get_mut(step.into) {
                row.extend(gone);
            }
        }
        rows.retain(|members| !members.is_empty());
        for members in &mut rows {
            members.sort_unstable();
        }
        rows
    }
}

/// Merges the cheapest neighbours until the exact way is affordable.
fn merge_neighbors(mut rows: Vec<PathSet>) -> Vec<PathSet> {
    while rows.len() > EXACT {
        rows.sort_by(|a, b| {
            a.exposed.cmp_first_difference(&b.exposed).then_with(|| a.members.cmp(&b.members))
        });
        let window = (COMPARISONS / rows.len()).clamp(WINDOW.0, WINDOW.1);
        let mut pairs: Vec<(u64, usize, usize)> = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let mut best: Option<(u64, usize, usize)> = None;
            for (other, near) in rows.iter().enumerate().skip(at + 1).take(window) {
                let bound = best.map_or(u64::MAX, |(cost, ..)| cost);
                best = row.merger(near, bound).map(|cost| (cost, at, other)).or(best);
            }
            pairs.extend(best.or((at + 1 < rows.len()).then_some((u64::MAX, at, at + 1))));
        }
        pairs.sort_unstable();
        // A third at most in one round, so that what is dear now can find a better partner.
        let most = (rows.len() - EXACT).min(rows.len() / 3).max(1);
        rows = merge_disjoint_pairs(rows, &pairs, most);
    }
    rows.sort_by(|a, b| a.members.cmp(&b.members));
    rows
}

fn merge_disjoint_pairs(
    rows: Vec<PathSet>,
    pairs: &[(u64, usize, usize)],
    most: usize,
) -> Vec<PathSet> {
    let mut rows: Vec<Option<PathSet>> = rows.into_iter().map(Some).collect();
    let mut out = Vec::with_capacity(rows.len());
    for (_, a, b) in pairs {
        let free = |at: usize| rows.get(at).is_some_and(Option::is_some);
        if out.len() < most && free(*a) && free(*b) {
            let mut take = |at: usize| rows.get_mut(at).and_then(Option::take);
            out.extend(take(*a).zip(take(*b)).map(|(a, b)| {
                let mut row = a.union(&b);
                row.members.sort_unstable();
                row
            }));
        }
    }
    out.extend(rows.into_iter().flatten());
    out
}

/// Rows, what merging any two of them costs, and for each the partner with which it merges most
/// cheaply.
#[derive(Debug)]
struct Pool {
    rows: Vec<Option<PathSet>>,
    /// The places of those that are left, ascending.
    live: Vec<usize>,
    /// For each row, as many costs as there are rows: a row loses its partner some twenty times
    /// before it is merged itself, and comparing it with all others each time took most of a plan.
    costs: Vec<u64>,
    near: Vec<Option<(u64, usize)>>,
}

impl Pool {
    fn new(rows: Vec<PathSet>) -> Self {
        let len = rows.len();
        let mut pool = Self {
            rows: rows.into_iter().map(Some).collect(),
            live: (0..len).collect(),
            costs: vec![0; len * len],
            near: vec![None; len],
        };
        for at in 0..len {
            pool.price(at, at);
        }
        pool
    }

    fn live(&self) -> impl Iterator<Item = (usize, &PathSet)> {
        self.live.iter().filter_map(|at| Some((*at, self.rows.get(*at)?.as_ref()?)))
    }

    /// Works out what a row costs with each of those before `end`.
    fn price(&mut self, at: usize, end: usize) {
        let len = self.rows.len();
        let Some(Some(row)) = self.rows.get(at) else { return };
        for other in self.live.iter().copied().take_while(|other| *other < end) {
            let Some(Some(candidate)) = self.rows.get(other) else { continue };
            // A sum that saturates is still a partner when there is no other.
            let cost = row.merger(candidate, u64::MAX).unwrap_or(u64::MAX);
            for place in [at * len + other, other * len + at] {
                if let Some(known) = self.costs.get_mut(place) {
                    *known = cost;
                }
            }
        }
    }

    /// What a row costs with each row.
    fn costs(&self, at: usize) -> &[u64] {
        let len = self.rows.len();
        self.costs.get(at * len..(at + 1) * len).unwrap_or_default()
    }

    fn nearest(&self, at: usize) -> Option<(u64, usize)> {
        let costs = self.costs(at);
        let others = self.live.iter().copied().filter(|other| *other != at);
        others.filter_map(|other| Some((*costs.get(other)?, other))).min()
    }

    fn merge(&mut self, into: usize, gone: usize) {
        let taken = self.rows.get_mut(gone).and_then(Option::take);
        self.live.retain(|at| *at != gone);
        if let (Some(place), Some(b)) = (self.rows.get_mut(into), taken) {
            *place = place.take().map(|a| a.union(&b));
        }
        self.price(into, self.rows.len());
    }

    /// Merges away rows under `floor` bytes, the smallest first.
    fn raise(&mut self, floor: u64) {
        loop {
            let smallest = self.live().map(|(at, row)| (row.size, at)).min();
            let Some((_, at)) = smallest.filter(|(size, _)| *size < floor) else { return };
            let Some((_, other)) = self.nearest(at) else { return };
            self.merge(at.min(other), at.max(other));
        }
    }

    /// Merges until one row is left.
    fn descend(&mut self) -> Vec<Merge> {
        for at in self.live.clone() {
            self.update(at);
        }
        let mut steps = Vec::new();
        while let Some((cost, a, b)) = self.cheapest() {
            let (into, gone) = (a.min(b), a.max(b));
            steps.push(Merge { cost, into, gone });
            self.merge(into, gone);
            self.refresh(into, gone);
        }
        steps
    }

    fn cheapest(&self) -> Option<(u64, usize, usize)> {
        let pairs = self.near.iter().enumerate();
        pairs.filter_map(|(at, near)| near.map(|(cost, other)| (cost, at, other))).min()
    }

    fn update(&mut self, at: usize) {
        let near = self.nearest(at);
        if let Some(place) = self.near.get_mut(at) {
            *place = near;
        }
    }

    /// After a merger: who had one of the two as partner looks again, all others only at the
    /// new row.
    fn refresh(&mut self, into: usize, gone: usize) {
        if let Some(place) = self.near.get_mut(gone) {
            *place = None;
        }
        self.update(into);
        let mut lost = Vec::new();
        let costs = self.costs.get(into * self.rows.len()..).unwrap_or_default();
        for at in self.live.iter().copied().filter(|at| *at != into) {
            let (Some(Some(near)), Some(cost)) = (self.near.get_mut(at), costs.get(at)) else {
                continue;
            };
            if near.1 == into || near.1 == gone {
                lost.push(at);
            } else if *cost < near.0 {
                *near = (*cost, into);
            }
        }
        for at in lost {
            self.update(at);
        }
    }
}
