//! What holds for every plan, over generated graphs.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{closure, path};
use crate::plan::*;
use crate::store_path::PathInfo;

/// Packages with sizes and references (cycles included), and images as sets of roots.
#[derive(Debug, Clone)]
struct Set {
    packages: Vec<(String, u64, Vec<usize>)>,
    images: Vec<Vec<usize>>,
    limit: u32,
}

impl Set {
    /// What an image gets: its roots and all that they lead to.
    fn infos(&self, roots: &[usize]) -> Vec<PathInfo> {
        let mut seen: BTreeSet<usize> = BTreeSet::new();
        let mut todo = roots.to_vec();
        while let Some(at) = todo.pop() {
            if seen.insert(at) {
                todo.extend(&self.packages[at].2);
            }
        }
        let info = |at: usize| PathInfo {
            path: path(&self.packages[at].0),
            nar_hash: format!("sha256:{}", self.packages[at].0),
            nar_size: self.packages[at].1,
            references: self.packages[at].2.iter().map(|to| path(&self.packages[*to].0)).collect(),
        };
        seen.into_iter().map(info).collect()
    }

    fn closures(&self) -> Vec<(String, Closure)> {
        let images = self.images.iter().enumerate();
        images
            .map(|(at, roots)| (format!("image{at}"), Closure::new(self.infos(roots)).unwrap()))
            .collect()
    }
}

fn plans(
    closures: &[(String, Closure)],
    limit: u32,
    layering: &spec::Layering,
) -> BTreeMap<String, ImagePlan> {
    let request = |(name, closure)| Request { name, closure, max_layers: limit, layering };
    let requests: Vec<_> =
        closures.iter().map(|(name, closure)| request((name, closure))).collect();
    plan_set(&requests).unwrap()
}

prop_compose! {
    fn sets()(count in 1_usize..30)(
        sizes in prop::collection::vec(0_u64..5_000_000, count),
        references in prop::collection::vec(prop::collection::vec(0..count, 0..4), count),
        images in prop::collection::vec(prop::collection::vec(0..count, 1..4), 1..5),
        limit in 1_u32..12,
    ) -> Set {
        let packages = sizes.into_iter().zip(references).enumerate();
        let packages = packages.map(|(at, (size, to))| (format!("p{at:02}-1.0"), size, to));
        Set { packages: packages.collect(), images, limit }
    }
}

fn paths(plan: &ImagePlan) -> Vec<&StorePath> {
    plan.layers.iter().flat_map(|layer| &layer.paths).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        // A failing case is printed whole; write a test of its own for it.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Each path of an image is in exactly one of its layers, no layer is empty, and there are
    /// no more layers than allowed.
    #[test]
    fn every_path_once_and_within_the_limit(set in sets()) {
        let closures = set.closures();
        let plans = plans(&closures, set.limit, &spec::Layering::default());
        for (name, closure) in &closures {
            let plan = &plans[name];
            let mut planned = paths(plan);
            planned.sort();
            let all: Vec<_> = closure.nodes().iter().map(|node| &node.info.path).collect();
            prop_assert_eq!(planned, all);
            prop_assert!(plan.layers.len() <= set.limit as usize);
            prop_assert!(plan.layers.iter().all(|layer| !layer.paths.is_empty()));
            prop_assert_eq!(
                plan.layers.iter().map(|layer| layer.nar_size).sum::<u64>(),
                closure.nar_size()
            );
        }
    }

    /// The plan is a function of what the images are, not of how they are listed.
    #[test]
    fn a_permuted_input_gives_the_same_plan(set in sets(), turn in 0_usize..30) {
        let closures = set.closures();
        let mut turned: Vec<(String, Closure)> = set
            .images
            .iter()
            .enumerate()
            .map(|(at, roots)| {
                let mut infos = set.infos(roots);
                let by = turn % infos.len();
                infos.rotate_left(by);
                for info in &mut infos {
                    info.references.reverse();
                }
                (format!("image{at}"), Closure::new(infos).unwrap())
            })
            .collect();
        turned.reverse();
        let layering = spec::Layering::default();
        prop_assert_eq!(
            plans(&closures, set.limit, &layering),
            plans(&turned, set.limit, &layering)
        );
    }

    /// What the plan says of a layer's images is so: each of them has that very layer.
    #[test]
    fn a_shared_layer_is_the_same_in_each_of_its_images(set in sets()) {
        let closures = set.closures();
        let plans = plans(&closures, set.limit, &spec::Layering::default());
        for (name, plan) in &plans {
            for layer in &plan.layers {
                prop_assert!(layer.why.images.contains(name));
                for other in &layer.why.images {
                    prop_assert!(plans[other].layers.contains(layer), "{other}");
                }
            }
        }
    }

    /// Where no limit forces it, paths that different images use lie apart, and nothing is
    /// stored twice.
    #[test]
    fn with_room_nothing_is_stored_twice(set in sets()) {
        let closures = set.closures();
        let plans = plans(&closures, 30, &spec::Layering::default());
        let layers: BTreeSet<&[StorePath]> = plans
            .values()
            .flat_map(|plan| &plan.layers)
            .map(|layer| layer.paths.as_slice())
            .collect();
        let stored: usize = layers.iter().map(|layer| layer.len()).sum();
        let distinct: BTreeSet<&StorePath> = layers.iter().copied().flatten().collect();
        prop_assert_eq!(stored, distinct.len());
    }

    /// An image that shares no path with the others changes none of their layers.
    #[test]
    fn an_unrelated_image_changes_no_layer_of_the_others(set in sets(), other in sets()) {
        let mut closures = set.closures();
        let layering = spec::Layering::default();
        let before = plans(&closures, set.limit, &layering);
        let mut stranger = other;
        for (name, ..) in &mut stranger.packages {
            name.insert_str(0, "stranger-");
        }
        let infos = stranger.infos(&stranger.images[0]);
        closures.push(("stranger".into(), Closure::new(infos).unwrap()));
        let after = plans(&closures, set.limit, &layering);
        for (name, plan) in &before {
            let had: Vec<_> = plan.layers.iter().map(|layer| &layer.paths).collect();
            let has: Vec<_> = after[name].layers.iter().map(|layer| &layer.paths).collect();
            prop_assert_eq!(had, has);
        }
    }

    /// A new version of something that nothing depends on renames its own layer and no other.
    #[test]
    fn a_changed_leaf_changes_only_its_layer(set in sets()) {
        let mut set = set;
        let count = set.packages.len();
        set.packages.push(("leaf-1.0".into(), 1_000, vec![0, count / 2]));
        set.images.truncate(1);
        set.images[0].push(count);
        let layering = spec::Layering::default();
        let before = plans(&set.closures(), set.limit, &layering);
        set.packages[count].0 = "leaf-2.0".into();
        let after = plans(&set.closures(), set.limit, &layering);
        let had: BTreeSet<_> = before["image0"].layers.iter().map(|layer| &layer.paths).collect();
        let new: Vec<_> =
            after["image0"].layers.iter().filter(|layer| !had.contains(&layer.paths)).collect();
        prop_assert_eq!(new.len(), 1);
        prop_assert!(new[0].paths.contains(&path("leaf-2.0")));
    }

    /// Under a floor, a layer is either large enough or all that there is of its kind.
    #[test]
    fn layers_under_the_floor_are_merged_for_good(set in sets(), floor in 1_u64..20_000_000) {
        let mut set = set;
        set.images.truncate(1);
        let layering = spec::Layering { min_layer_size: floor, ..spec::Layering::default() };
        let plan = &plans(&set.closures(), 100, &layering)["image0"];
        let small = plan.layers.iter().filter(|layer| layer.nar_size < floor).count();
        prop_assert!(small == 0 || plan.layers.len() == 1);
    }

    /// A plan that is kept by its own lock comes out as it was, at any later limit that has room
    /// for it; and whatever a lock says, every path is in one layer, within the limit.
    #[test]
    fn a_lock_keeps_its_own_plan_and_every_other_stays_whole(set in sets(), other in sets()) {
        let closures = set.closures();
        let fresh = plans(&closures, set.limit, &spec::Layering::default());
        let keep = |plans: &BTreeMap<String, ImagePlan>| spec::Layering {
            lock: lock(plans.values()),
            ..spec::Layering::default()
        };
        let one: Vec<_> = closures.iter().take(1).cloned().collect();
        let alone = plans(&one, set.limit, &spec::Layering::default());
        prop_assert_eq!(&plans(&one, set.limit + 20, &keep(&alone)), &alone);
        let strange = plans(&other.closures(), other.limit, &keep(&fresh));
        for (name, closure) in other.closures() {
            prop_assert_eq!(paths(&strange[&name]).len(), closure.nodes().len());
            prop_assert!(strange[&name].layers.len() <= other.limit as usize);
        }
    }

    /// A group is one layer with what its author put into it, whatever the limit does to the
    /// rest.
    #[test]
    fn a_group_is_a_layer_of_its_own(set in sets(), limit in 2_u32..6) {
        let mut set = set;
        set.images.truncate(1);
        let closures = set.closures();
        let members: Vec<StorePath> =
            closures[0].1.nodes().iter().step_by(3).map(|node| node.info.path.clone()).collect();
        let group = spec::LayerGroup { name: "chosen".into(), paths: members.clone() };
        let layering = spec::Layering { groups: vec![group], ..spec::Layering::default() };
        let plan = &plans(&closures, limit, &layering)["image0"];
        let named: Vec<_> =
            plan.layers.iter().filter(|layer| layer.why.group.is_some()).collect();
        prop_assert_eq!(named.len(), 1);
        prop_assert_eq!(&named[0].paths, &members);
    }
}

#[test]
fn planning_a_thousand_like_paths_ends() {
    let names: Vec<String> = (0..1_000).map(|at| format!("p{at:04}-1")).collect();
    let paths: Vec<(&str, u64, &[&str])> =
        names.iter().map(|name| (name.as_str(), 7, &[][..])).collect();
    let closure = closure(&paths);
    let layering = spec::Layering::default();
    let request = Request { name: "a", closure: &closure, max_layers: 10, layering: &layering };
    assert_eq!(plan_image(request).unwrap().layers.len(), 10);
}
