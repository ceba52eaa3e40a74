//! What plans cost over a series of versions, to compare cooper's with others'.

use std::collections::{BTreeMap, BTreeSet};

use super::ImagePlan;
use crate::closure::Closure;
use crate::store_path::StorePath;

/// Layers as lists of paths, bottom first.
pub type Layers = Vec<Vec<StorePath>>;

/// Bytes, summed over a series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransferCost {
    /// What a registry's clients fetch: the layers that the version before did not have.
    pub pulled: u64,
    /// What a store that keeps chains takes in: all from the first changed layer upwards.
    pub chained: u64,
    /// What a registry keeps: every layer of every version, once.
    pub stored: u64,
}

/// A version of an image and its layers.
#[derive(Debug, Clone)]
pub struct Version<'a> {
    /// The store paths.
    pub closure: &'a Closure,
    /// The layers.
    pub layers: Layers,
}

impl Version<'_> {
    fn size(&self, layer: &[StorePath]) -> u64 {
        let sizes = layer.iter().filter_map(|path| self.closure.get(path));
        sizes.map(|node| node.info.nar_size).fold(0, u64::saturating_add)
    }
}

/// Measures a series. Each step is from one version to another, by their places.
pub fn toll(versions: &[Version<'_>], steps: &[(usize, usize)]) -> TransferCost {
    let mut toll = TransferCost::default();
    for (from, to) in steps {
        let (Some(old), Some(new)) = (versions.get(*from), versions.get(*to)) else { continue };
        let had: BTreeSet<&Vec<StorePath>> = old.layers.iter().collect();
        let pulled = new.layers.iter().filter(|layer| !had.contains(layer));
        toll.pulled += pulled.map(|layer| new.size(layer)).sum::<u64>();
        let same = old.layers.iter().zip(&new.layers).take_while(|(a, b)| a == b).count();
        toll.chained += new.layers.iter().skip(same).map(|layer| new.size(layer)).sum::<u64>();
    }
    let mut stored: BTreeMap<&Vec<StorePath>, u64> = BTreeMap::new();
    for version in versions {
        for layer in &version.layers {
            stored.entry(layer).or_insert_with(|| version.size(layer));
        }
    }
    toll.stored = stored.into_values().sum();
    toll
}

/// A plan's layers, without the reasons.
pub fn layers_of(plan: &ImagePlan) -> Layers {
    plan.layers.iter().map(|layer| layer.paths.clone()).collect()
}

/// Everything in one layer, as a Dockerfile's `COPY` does it.
pub fn one_layer(closure: &Closure) -> Layers {
    vec![closure.nodes().iter().map(|node| node.info.path.clone()).collect()]
}

/// A layer a path: the least that any plan can move.
pub fn each_path(closure: &Closure) -> Layers {
    closure.nodes().iter().map(|node| vec![node.info.path.clone()]).collect()
}

/// By popularity, as nix2container and older dockerTools do it: the paths that most ways lead to
/// get a layer each, all others share the last one.
pub fn popularity(closure: &Closure, max_layers: u32) -> Layers {
    let nodes = closure.nodes();
    let mut ways = vec![1_u64; nodes.len()];
    for at in referrers_first(closure) {
        let own = ways.get(at).copied().unwrap_or_default();
        for to in nodes.get(at).into_iter().flat_map(|node| &node.references) {
            if let Some(ways) = ways.get_mut(*to) {
                *ways = ways.saturating_add(own);
            }
        }
    }
    let mut ranked: Vec<(std::cmp::Reverse<u64>, &StorePath)> =
        ways.into_iter().map(std::cmp::Reverse).zip(nodes.iter().map(|n| &n.info.path)).collect();
    ranked.sort();
    let single = ranked.len().min(max_layers.saturating_sub(1) as usize);
    let (first, rest) = ranked.split_at(single);
    let mut layers: Layers = first.iter().map(|(_, path)| vec![(*path).clone()]).collect();
    let mut last: Vec<StorePath> = rest.iter().map(|(_, path)| (*path).clone()).collect();
    last.sort();
    layers.extend((!last.is_empty()).then_some(last));
    layers
}

fn referrers_first(closure: &Closure) -> Vec<usize> {
    let nodes = closure.nodes();
    let mut visited = BTreeSet::new();
    let mut order = Vec::with_capacity(nodes.len());
    for root in 0..nodes.len() {
        let mut stack = vec![(root, false)];
        while let Some((at, done)) = stack.pop() {
            if done {
                order.push(at);
            } else if visited.insert(at) {
                stack.push((at, true));
                let references = nodes.get(at).into_iter().flat_map(|node| &node.references);
                stack.extend(references.map(|to| (*to, false)));
            }
        }
    }
    order.reverse();
    order
}

#[cfg(test)]
mod tests {
    use super::super::tests::{closure, path};
    use super::*;

    #[test]
    fn a_chain_breaks_at_the_first_change_and_a_registry_does_not_mind() {
        let old = closure(&[("a-1", 1, &[]), ("b-1", 20, &[]), ("c-1", 300, &[])]);
        let new = closure(&[("a-1", 1, &[]), ("b-2", 20, &[]), ("c-1", 300, &[])]);
        let layers = |names: [&str; 3]| names.map(|name| vec![path(name)]).to_vec();
        let versions = [
            Version { closure: &old, layers: layers(["a-1", "b-1", "c-1"]) },
            Version { closure: &new, layers: layers(["a-1", "b-2", "c-1"]) },
        ];
        assert_eq!(
            toll(&versions, &[(0, 1)]),
            TransferCost { pulled: 20, chained: 320, stored: 341 }
        );
    }

    #[test]
    fn popularity_gives_layers_to_what_most_ways_lead_to() {
        let closure = closure(&[
            ("libc-1", 1, &[]),
            ("ssl-1", 1, &["libc-1"]),
            ("x-1", 1, &["ssl-1", "libc-1"]),
            ("y-1", 1, &["ssl-1"]),
        ]);
        let layers = popularity(&closure, 3);
        assert_eq!(layers[..2], [vec![path("libc-1")], vec![path("ssl-1")]]);
        assert_eq!(layers[2].len(), 2);
    }
}
