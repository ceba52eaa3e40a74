//! The order of layers: what stays is below, what changes is on top.
//!
//! A graph driver keeps layers by chain: once a layer is new, all above it are. So a change
//! costs the bytes from the lowest layer that it reaches upwards, and the expected cost of an
//! order is the sum over layers of their size times the chance that anything up to them changes.
//! That is scheduling with precedence (sources are the work, layers what the work releases),
//! which is hard in general; a greedy order by density, improved by moving single layers while
//! that helps, comes within a few percent on real graphs.

use super::bit_set::BitSet;
use super::change_rate::RateColumns;

/// Passes over all blocks; most orders settle after three.
const ROUNDS: usize = 8;

/// What the order minds of a layer.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) size: u64,
    pub(super) exposed: BitSet,
}

/// The order, from the bottom, as indices into `blocks`; `below` is what layers further down
/// are exposed to.
pub(super) fn order(blocks: &[Block], below: &BitSet, scale: RateColumns) -> Vec<usize> {
    let problem = Problem::new(blocks, below, scale);
    let mut order = problem.greedy();
    problem.improve(&mut order);
    order
}

/// The blocks over merged sources: those that reach the same blocks are one, with a weight.
#[derive(Debug)]
struct Problem {
    sizes: Vec<u64>,
    exposed: Vec<BitSet>,
    weights: Vec<u64>,
}

impl Problem {
    fn new(blocks: &[Block], below: &BitSet, scale: RateColumns) -> Self {
        let mut reach: std::collections::BTreeMap<usize, BitSet> =
            std::collections::BTreeMap::new();
        for (at, block) in blocks.iter().enumerate() {
            let mut own = block.exposed.clone();
            own.remove(below);
            for source in own.iter() {
                reach.entry(source).or_insert_with(|| BitSet::new(blocks.len())).insert(at);
            }
        }
        let mut columns: std::collections::BTreeMap<BitSet, u64> =
            std::collections::BTreeMap::new();
        for (source, reached) in reach {
            *columns.entry(reached).or_insert(0) += scale.rate(source).weight();
        }
        let mut exposed = vec![BitSet::new(columns.len()); blocks.len()];
        for (column, reached) in columns.keys().enumerate() {
            for at in reached.iter() {
                if let Some(bits) = exposed.get_mut(at) {
                    bits.insert(column);
                }
            }
        }
        let sizes = blocks.iter().map(|block| block.size).collect();
        Self { sizes, exposed, weights: columns.into_values().collect() }
    }

    fn size(&self, at: usize) -> u64 {
        self.sizes.get(at).copied().unwrap_or_default()
    }

    /// The weight of what `at` is exposed to and `covered` has not.
    fn new_weight(&self, at: usize, covered: &BitSet) -> u64 {
        let own = self.exposed.get(at).into_iter().flat_map(BitSet::iter);
        let new = own.filter(|column| !covered.contains(*column));
        new.filter_map(|column| self.weights.get(column)).sum()
    }

    fn cover(&self, at: usize, covered: &mut BitSet) {
        if let Some(bits) = self.exposed.get(at) {
            covered.add(bits);
        }
    }

    /// Next always the block that, with all that it brings for nothing, has most bytes for each
    /// source that it exposes.
    fn greedy(&self) -> Vec<usize> {
        let mut left: Vec<usize> = (0..self.sizes.len()).collect();
        let mut covered = BitSet::new(self.weights.len());
        let mut order = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let best = left.iter().copied().reduce(|best, at| {
                let (x, y) =
                    (self.density(at, &left, &covered), self.density(best, &left, &covered));
                // x.0 / x.1 > y.0 / y.1, where nothing new counts as endless density.
                let denser = u128::from(x.0) * u128::from(y.1) > u128::from(y.0) * u128::from(x.1);
                if y.1 != 0 && (x.1 == 0 || denser) { at } else { best }
            });
            let Some(best) = best else { break };
            left.retain(|at| *at != best);
            self.cover(best, &mut covered);
            order.push(best);
        }
        order
    }

    fn density(&self, at: usize, left: &[usize], covered: &BitSet) -> (u64, u64) {
        let weight = self.new_weight(at, covered);
        let mut then = covered.clone();
        self.cover(at, &mut then);
        let free = left.iter().filter(|other| {
            self.exposed.get(**other).is_some_and(|exposed| exposed.is_subset(&then))
        });
        (free.map(|other| self.size(*other)).fold(0, u64::saturating_add), weight)
    }

    /// Takes out one block after another and puts it where it costs least.
    fn improve(&self, order: &mut Vec<usize>) {
        for _ in 0..ROUNDS {
            let before = order.clone();
            for block in 0..self.sizes.len() {
                let Some(from) = order.iter().position(|at| *at == block) else { continue };
                order.remove(from);
                let costs = self.places(order, block);
                let best = (0..costs.len()).min_by_key(|at| (costs.get(*at), *at != from, *at));
                order.insert(best.unwrap_or(from), block);
            }
            if *order == before {
                return;
            }
        }
    }

    /// What the order costs with `block` at each place in it, less what it costs without.
    fn places(&self, order: &[usize], block: usize) -> Vec<u128> {
        // For each source, the first place in the order that is exposed to it.
        let mut first = vec![order.len(); self.weights.len()];
        for (place, at) in order.iter().enumerate().rev() {
            for column in self.exposed.get(*at).into_iter().flat_map(BitSet::iter) {
                if let Some(known) = first.get_mut(column) {
                    *known = place;
                }
            }
        }
        let tally = |columns: &mut dyn Iterator<Item = usize>| {
            let mut at_place = vec![0_u128; order.len() + 1];
            for column in columns {
                let place = first.get(column).and_then(|place| at_place.get_mut(*place));
                if let (Some(sum), Some(weight)) = (place, self.weights.get(column)) {
                    *sum += u128::from(*weight);
                }
            }
            at_place
        };
        let news = tally(&mut (0..self.weights.len()));
        let owns = tally(&mut self.exposed.get(block).into_iter().flat_map(BitSet::iter));
        // From the top down: what the block alone exposes at this place, and what that costs all
        // that is above it.
        let mut own: u128 = owns.last().copied().unwrap_or_default();
        let mut above: u128 = 0;
        let mut costs = vec![self.priced(own, block)];
        for (at, here) in order.iter().zip(&owns).rev() {
            above = above.saturating_add(self.priced(own, *at));
            own += here;
            costs.push(above.saturating_add(self.priced(own, block)));
        }
        costs.reverse();
        let mut below: u128 = 0;
        for (cost, new) in costs.iter_mut().zip(&news) {
            *cost = cost.saturating_add(self.priced(below, block));
            below += new;
        }
        costs
    }

    fn priced(&self, weight: u128, block: usize) -> u128 {
        weight.saturating_mul(u128::from(self.size(block)))
    }
}
