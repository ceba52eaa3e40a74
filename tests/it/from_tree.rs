//! Trees that a build laid out for an image's `/`, through the real binary: what `spec from-tree`
//! writes down, `spec from-attrs` puts into a spec, and the image has it.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::command::{Place, run};

fn tree(place: &Place) {
    place.store_file("root", "tree/etc/app.conf", "on\n");
    place.store_file("root", "tree/tmp/.keep", "");
    let root = place.store_path("root");
    symlink("/etc/app.conf", root.join("tree/conf")).unwrap();
    let mode = |path: &str, mode| {
        std::fs::set_permissions(root.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("tree", 0o755);
    mode("tree/etc", 0o755);
    mode("tree/etc/app.conf", 0o4751);
    mode("tree/tmp", 0o1777);
    mode("tree/tmp/.keep", 0o600);
}

/// Runs `from-tree` in the tree's store path, then `from-attrs` with the spec's fields.
fn spec(place: &Place, more: &[&str], fields: Value) -> crate::support::command::Ran {
    let root = place.store_path("root");
    let document = root.join("tree.json");
    let folder = root.join("tree");
    // As a build does it: inside of its output, so that sources are relative.
    let mut args = vec!["spec", "from-tree", "tree", "-o", "tree.json"];
    args.extend(more);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cooper"));
    assert!(command.current_dir(&root).args(&args).status().unwrap().success());
    // The store keeps no modes.
    let seal = [Path::new("-R"), Path::new("u=rX,go=rX"), folder.as_path()];
    run("chmod", &seal);
    let mut spec = json!({"version": 1, "name": "app", "compression": {"algorithm": "none"}});
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let attrs = json!({
        "spec": spec,
        "trees": [document],
        "closure": [{"path": root, "narHash": "sha256:0", "narSize": 1000, "references": []}],
        "outputs": {"out": place.path("made")},
    });
    let attrs = place.write("attrs.json", attrs.to_string());
    place.cooper(&["spec", "from-attrs", "--attrs", attrs.to_str().unwrap()])
}

/// The entries of the one layer that the image must have.
fn entries(place: &Place) -> Vec<String> {
    let made = place.path("made").display().to_string();
    let [layer] = place.layers(&made).try_into().unwrap();
    let mut lines = Vec::new();
    for entry in tar::Archive::new(layer).entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        let (mode, uid, gid) =
            (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
        let path = entry.path().unwrap().display().to_string();
        lines.push(format!("{} {mode:04o} {uid}:{gid}", path.trim_end_matches('/')));
    }
    lines
}

#[test]
fn from_tree_modes_reach_the_image() {
    let place = Place::new();
    tree(&place);
    let ran = spec(&place, &["--uid", "7", "--gid", "8"], json!({}));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let entries = entries(&place);
    assert_eq!(
        entries,
        [
            "conf 0777 0:0",
            "etc 0755 7:8",
            "etc/app.conf 4751 7:8",
            "tmp 1777 7:8",
            "tmp/.keep 0600 7:8"
        ]
    );
}

#[test]
fn from_tree_owner_list_reaches_the_image() {
    let place = Place::new();
    tree(&place);
    let listed = "l 777 0 0 conf\0d 750 1000 50 etc\0f 4755 12345 54321 etc/app.conf\0\
        d 1777 0 0 tmp\0f 644 0 0 tmp/.keep\0";
    let owners = place.write("owners", listed).display().to_string();
    let ran = spec(&place, &["--owners", &owners], json!({}));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let expected = [
        "conf 0777 0:0",
        "etc 0750 1000:50",
        "etc/app.conf 4755 12345:54321",
        "tmp 1777 0:0",
        "tmp/.keep 0644 0:0",
    ];
    assert_eq!(entries(&place), expected);
}

/// A list with a device, without an entry or in another format.
#[test]
fn from_tree_invalid_owner_list_is_refused() {
    let place = Place::new();
    tree(&place);
    let root = place.store_path("root");
    let refused = |list: &str, words: &[&str]| {
        let owners = place.write("owners", list).display().to_string();
        let folder = root.join("tree").display().to_string();
        let args = ["spec", "from-tree", &folder, "-o", "tree.json", "--owners", &owners];
        place.cooper(&args).failed(1, words);
        assert!(!place.path("tree.json").exists());
    };
    refused("c 644 0 0 dev/null\0", &["`dev/null` is no file", "a runtime makes the devices"]);
    refused("d 755 0 0 etc\0", &["has nothing of `"]);
    refused("drwxr-xr-x root etc\0", &["is no list of owners: `drwxr-xr-x root etc`", "find"]);
    refused("d 755 -1 0 etc\0", &["is no list of owners"]);
    refused("d 755 0 0 \0", &["is no list of owners"]);
}

#[test]
fn spec_directories_override_tree_directories() {
    let place = Place::new();
    tree(&place);
    let ran = spec(&place, &[], json!({"directories": {"/tmp": {"mode": "0700", "uid": 9}}}));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(entries(&place).contains(&"tmp 0700 9:0".to_owned()));
}

#[test]
fn file_in_spec_and_tree_is_refused() {
    let place = Place::new();
    tree(&place);
    let ran = spec(&place, &[], json!({"files": {"/etc/app.conf": {"text": ""}}}));
    ran.failed(1, &["`/etc/app.conf` is in files", "leave one of the two out"]);
}

#[test]
fn tree_referenced_by_config_stays_in_the_closure() {
    let place = Place::new();
    tree(&place);
    let named = format!("conf={}", place.store_path("root").display());
    let ran = spec(&place, &[], json!({"config": {"Labels": {"a": named}}}));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let plan = place.data(&["plan", "--json", place.path("made").to_str().unwrap()]);
    assert!(plan.contains("-root"), "{plan}");
}
