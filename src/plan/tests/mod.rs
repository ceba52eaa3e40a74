#[cfg(test)]
mod properties;
use super::*;
use crate::store_path::PathInfo;

/// A store path whose hash is made of its name.
pub(super) fn path(name: &str) -> StorePath {
    let digits = name.bytes().flat_map(|byte| [byte / 16, byte % 16]);
    let hash: String =
        digits.map(|digit| char::from(b"0123456789abcdfg"[usize::from(digit)])).collect();
    format!("/nix/store/{hash:0>32.32}-{name}").parse().unwrap()
}

/// A closure from names, sizes and references.
pub(super) fn closure(paths: &[(&str, u64, &[&str])]) -> Closure {
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
    assert_eq!(names(&plan(3)), [vec!["data"], vec!["ssl", "libc"], vec!["app"]]);
    assert_eq!(plan(1).layers.len(), 1);
}

#[test]
fn each_bad_request_is_an_error_that_names_what_is_wrong() {
    // fault 13
    let closure = closure(&[("a-1", 1, &[]), ("b-1", 1, &["a-1"])]);
    let group = |name: &str, paths: &[&str]| spec::LayerGroup {
        name: name.into(),
        paths: paths.iter().map(|name| path(name)).collect(),
    };
    let grouped = |groups| spec::Layering { groups, ..spec::Layering::default() };
    let plain = spec::Layering::default();
    let absent = grouped(vec![group("runtime", &["c-1"])]);
    let twice = grouped(vec![group("one", &["a-1"]), group("two", &["a-1"])]);
    let crowded = grouped(vec![group("one", &["a-1"]), group("two", &["b-1"])]);
    for (max_layers, layering, says) in [
        (0, &plain, "image `web` has 2 store paths and no layer left for them"),
        (126, &plain, "image `web` may not have 126 layers: Docker mounts at most 125"),
        (5, &absent, "-c-1` into `runtime`, but no closure has it"),
        (5, &twice, "-a-1` into both `one` and `two`"),
        (1, &crowded, "image `web` has 2 layers that may not be merged"),
    ] {
        let request = Request { name: "web", closure: &closure, max_layers, layering };
        let error = plan_image(request).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn two_contents_under_one_path_are_an_error_that_names_both_images() {
    // fault 16
    let one = closure(&[("a-1", 1, &[])]);
    let mut info = one.nodes()[0].info.clone();
    info.nar_hash = "sha256:other".into();
    let other = Closure::new([info]).unwrap();
    let layering = spec::Layering::default();
    let request = |name, closure| Request { name, closure, max_layers: 5, layering: &layering };
    let error = plan_set(&[request("x", &one), request("y", &other)]).unwrap_err().to_string();
    assert!(error.contains("images `x` and `y` have different contents under"), "{error}");
    let error = plan_set(&[request("x", &one), request("x", &one)]).unwrap_err().to_string();
    assert!(error.contains("two images of the set are called `x`"), "{error}");
}

#[test]
fn a_sibling_brings_an_image_to_the_layers_that_both_have() {
    let paths: &[(&str, u64, &[&str])] =
        &[("libc-2", 30, &[]), ("ssl-3", 6, &["libc-2"]), ("web-1", 1, &["ssl-3"])];
    let (web, job) = (closure(paths), closure(&[("libc-2", 30, &[]), ("job-1", 9, &["libc-2"])]));
    let infos = |closure: &Closure| closure.nodes().iter().map(|node| node.info.clone()).collect();
    let layering = |name: &str, sibling: &Closure| spec::Layering {
        mode: spec::LayeringMode::Set,
        siblings: BTreeMap::from([(name.to_owned(), infos(sibling))]),
        ..spec::Layering::default()
    };
    let (for_web, for_job) = (layering("job", &job), layering("web", &web));
    let plan = |name, closure, layering| {
        plan_image(Request { name, closure, max_layers: 2, layering }).unwrap()
    };
    let (web, job) = (plan("web", &web, &for_web), plan("job", &job, &for_job));
    assert_eq!(names(&web), [vec!["libc-2"], vec!["ssl-3", "web-1"]]);
    assert_eq!(web.layers[0], job.layers[0]);
    assert_eq!(web.layers[0].why.images, ["job", "web"]);
}

#[test]
fn what_changes_often_keeps_a_layer_to_itself() {
    let closure = closure(&[
        ("a-1", 40, &[]),
        ("b-1", 40, &[]),
        ("c-1", 40, &[]),
        ("top-1", 1, &["a-1", "b-1", "c-1"]),
    ]);
    let plan = |often: &str| {
        let layering =
            spec::Layering { changes_often: vec![often.into()], ..spec::Layering::default() };
        plan_image(Request { name: "i", closure: &closure, max_layers: 3, layering: &layering })
            .unwrap()
    };
    for often in ["a", "b", "c"] {
        let plan = plan(often);
        let own =
            plan.layers.iter().find(|layer| layer.paths.contains(&path(&format!("{often}-1"))));
        assert_eq!(own.unwrap().paths.len(), 1, "{plan:?}");
    }
}

#[test]
fn a_lock_names_packages_and_their_outputs_without_versions() {
    for (name, locked) in [
        ("glibc-2.40-66", "glibc"),
        ("gcc-14.2.1.20250322-lib", "gcc-lib"),
        ("openssl-3.4.1-dev", "openssl-dev"),
        ("python3.12-numpy-2.1", "python3.12-numpy"),
        ("libssl3-3.0.17-1-deb12u2", "libssl3"),
        ("source", "source"),
    ] {
        assert_eq!(lock_name(&path(name)), locked);
    }
}

#[test]
fn a_locked_package_stays_where_it_was_when_it_grows() {
    let version = |x: &str, size| {
        let top: &[&str] = &[x, "y-1", "z-1"];
        closure(&[(x, size, &[]), ("y-1", 100, &[]), ("z-1", 100, &[]), ("top-1", 1, top)])
    };
    let first = |closure: &Closure, layering: &spec::Layering| {
        let request = Request { name: "i", closure, max_layers: 3, layering };
        let plan = plan_image(request).unwrap();
        let layers = names(&plan);
        let with_y = layers.iter().find(|layer| layer.contains(&"y-1")).unwrap();
        (with_y.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), lock([&plan]))
    };
    let (old, new) = (version("x-1", 20), version("x-2", 1_000));
    let plain = spec::Layering::default();
    let (together, kept) = first(&old, &plain);
    assert_eq!(together, ["x-1", "y-1"]);
    assert_eq!(first(&new, &plain).0, ["y-1", "z-1"]);
    let locked = spec::Layering { lock: kept, ..plain };
    assert_eq!(first(&new, &locked).0, ["x-2", "y-1"]);
}

#[test]
fn two_versions_of_a_package_side_by_side_each_stay_in_their_layer() {
    let version = |patch: &str| {
        let gcc =
            [format!("gcc-12-base-{patch}"), format!("gcc-12-{patch}"), format!("gcc-4-{patch}")];
        let [base, twelve, four] = gcc.each_ref().map(String::as_str);
        closure(&[
            ("libc-2", 500, &[]),
            (base, 1, &["libc-2"]),
            (twelve, 900, &[base, "libc-2"]),
            (four, 3, &[twelve]),
            ("data-1", 70, &[]),
        ])
    };
    let plan = |closure: &Closure, layering: &spec::Layering| {
        plan_image(Request { name: "i", closure, max_layers: 4, layering }).unwrap()
    };
    let fresh = plan(&version("1"), &spec::Layering::default());
    let kept = spec::Layering { lock: lock([&fresh]), ..spec::Layering::default() };
    assert_eq!(plan(&version("1"), &kept), fresh);
    let places = |plan: &ImagePlan| -> Vec<Vec<String>> {
        let layers = names(plan).into_iter();
        layers
            .map(|names| names.iter().map(|name| name[..name.len() - 1].into()).collect())
            .collect()
    };
    assert_eq!(places(&plan(&version("2"), &kept)), places(&fresh));
}

/// The closure of an image, its packages named as a native compiler and as cross compilers name
/// them.
fn for_platform(platform: &str) -> Closure {
    let named = |package: &str, version: &str| format!("{package}{platform}-{version}");
    let names = [
        named("libc", "2.42-51"),
        named("libc", "2.42-51-getent"),
        named("libcap", "2.77"),
        named("zlib", "1.3.1"),
        named("tool", "0.1.0"),
    ];
    let [libc, getent, cap, zlib, tool] = names.each_ref().map(String::as_str);
    closure(&[
        (libc, 500, &[]),
        (getent, 40, &[libc]),
        (cap, 300, &[libc]),
        (zlib, 80, &[libc]),
        // Its commands come from a compiler of neither platform.
        ("wrapper", 1, &[]),
        (tool, 70, &[getent, cap, zlib]),
        ("app-root", 2, &[tool, "wrapper"]),
    ])
}

#[test]
fn cross_image_has_the_plan_and_the_lock_of_the_native_one() {
    let layering = |lock| spec::Layering {
        changes_often: vec!["tool".into(), "zlib".into()],
        lock,
        ..spec::Layering::default()
    };
    let plan = |closure: &Closure, lock| {
        let layering = layering(lock);
        plan_image(Request { name: "i", closure, max_layers: 4, layering: &layering }).unwrap()
    };
    let packages = |plan: &ImagePlan| lock([plan]);
    let native = for_platform("");
    let fresh = plan(&native, Vec::new());
    // Two layers exchanged and two joined: nothing that a fresh plan has.
    let mut moved = packages(&fresh);
    moved.swap(0, 1);
    let last = moved.pop().unwrap();
    moved[0].extend(last);
    let kept = plan(&native, moved.clone());
    assert_ne!(packages(&kept), packages(&fresh));
    for platform in [
        "-aarch64-unknown-linux-gnu",
        "-static-x86_64-unknown-linux-musl",
        "-armv7l-unknown-linux-gnueabihf",
    ] {
        let cross = for_platform(platform);
        assert_eq!(packages(&plan(&cross, Vec::new())), packages(&fresh), "{platform}");
        assert_eq!(packages(&plan(&cross, moved.clone())), packages(&kept), "{platform}");
    }
}
