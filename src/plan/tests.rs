use super::*;
use crate::store_path::PathInfo;

/// A closure from `(name, size, references)`; hashes are made of the names' places.
pub(super) fn closure(paths: &[(&str, u64, &[&str])]) -> Closure {
    let path = |name: &str| {
        let digits = name.bytes().flat_map(|byte| [byte / 16, byte % 16]);
        let hash: String =
            digits.map(|digit| char::from(b"0123456789abcdfg"[usize::from(digit)])).collect();
        format!("/nix/store/{hash:0>32.32}-{name}").parse::<StorePath>().unwrap()
    };
    Closure::new(paths.iter().map(|(name, size, references)| PathInfo {
        path: path(name),
        nar_hash: format!("sha256:{name}"),
        nar_size: *size,
        references: references.iter().map(|to| path(to)).collect(),
    }))
    .unwrap()
}

fn names(plan: &ImagePlan) -> Vec<Vec<&str>> {
    let layers = plan.layers.iter();
    layers.map(|layer| layer.paths.iter().map(StorePath::name).collect()).collect()
}

#[test]
fn what_changes_least_is_at_the_bottom_and_the_dearest_to_move_stays_alone() {
    let closure = closure(&[
        ("libc", 30, &[]),
        ("ssl", 6, &["libc"]),
        ("data", 500, &[]),
        ("app", 10, &["ssl", "data"]),
    ]);
    let layering = spec::Layering::default();
    let plan = |max_layers| {
        plan_image(Request { name: "a", closure: &closure, max_layers, layering: &layering })
            .unwrap()
    };
    assert_eq!(names(&plan(4)), [vec!["data"], vec!["libc"], vec!["ssl"], vec!["app"]]);
    assert_eq!(names(&plan(3)), [vec!["data"], vec!["libc"], vec!["app", "ssl"]]);
    assert_eq!(plan(1).layers.len(), 1);
}
