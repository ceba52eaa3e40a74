//! Directory trees as the contents of an image: `spec from-tree` records them, `spec from-attrs`
//! puts them into a spec, and the image has them.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::command::{TestDir, run};

fn tree(test_dir: &TestDir) {
    test_dir.store_file("root", "tree/etc/app.conf", "on\n");
    test_dir.store_file("root", "tree/tmp/.keep", "");
    let root = test_dir.store_path("root");
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

/// Runs `from-tree` in the tree's store path, then `from-attrs` with the fields of a spec.
fn spec(
    test_dir: &TestDir,
    more: &[&str],
    fields: Value,
) -> crate::support::command::CommandOutput {
    let root = test_dir.store_path("root");
    let document = root.join("tree.json");
    let directory = root.join("tree");
    // A build runs this inside its output, so that the sources are relative.
    let mut args = vec!["spec", "from-tree", "tree", "-o", "tree.json"];
    args.extend(more);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cooper"));
    assert!(command.current_dir(&root).args(&args).status().unwrap().success());
    // The store drops modes.
    let seal = [Path::new("-R"), Path::new("u=rX,go=rX"), directory.as_path()];
    run("chmod", &seal);
    let mut spec = json!({"version": 1, "name": "app", "compression": {"algorithm": "none"}});
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let attrs = json!({
        "spec": spec,
        "trees": [document],
        "closure": [{"path": root, "narHash": "sha256:0", "narSize": 1000, "references": []}],
        "outputs": {"out": test_dir.path("made")},
    });
    let attrs = test_dir.write("attrs.json", attrs.to_string());
    test_dir.cooper(&["spec", "from-attrs", "--attrs", attrs.to_str().unwrap()])
}

/// Returns the entries of the only layer.
fn entries(test_dir: &TestDir) -> Vec<String> {
    let made = test_dir.path("made").display().to_string();
    let [layer] = test_dir.layers(&made).try_into().unwrap();
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
    let test_dir = TestDir::new();
    tree(&test_dir);
    let output = spec(&test_dir, &["--uid", "7", "--gid", "8"], json!({}));
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let entries = entries(&test_dir);
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
    let test_dir = TestDir::new();
    tree(&test_dir);
    let listed = "l 777 0 0 conf\0d 750 1000 50 etc\0f 4755 12345 54321 etc/app.conf\0\
        d 1777 0 0 tmp\0f 644 0 0 tmp/.keep\0";
    let owners = test_dir.write("owners", listed).display().to_string();
    let output = spec(&test_dir, &["--owners", &owners], json!({}));
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let expected = [
        "conf 0777 0:0",
        "etc 0750 1000:50",
        "etc/app.conf 4755 12345:54321",
        "tmp 1777 0:0",
        "tmp/.keep 0644 0:0",
    ];
    assert_eq!(entries(&test_dir), expected);
}

/// A list with a device, without an entry or in another format.
#[test]
fn from_tree_invalid_owner_list_is_refused() {
    let test_dir = TestDir::new();
    tree(&test_dir);
    let root = test_dir.store_path("root");
    let refused = |list: &str, words: &[&str]| {
        let owners = test_dir.write("owners", list).display().to_string();
        let directory = root.join("tree").display().to_string();
        let args = ["spec", "from-tree", &directory, "-o", "tree.json", "--owners", &owners];
        test_dir.cooper(&args).assert_failure(1, words);
        assert!(!test_dir.path("tree.json").exists());
    };
    refused("c 644 0 0 dev/null\0", &["`dev/null` is not a file", "a runtime makes the devices"]);
    refused("d 755 0 0 etc\0", &["has no entry for `"]);
    refused("drwxr-xr-x root etc\0", &["is no list of owners: `drwxr-xr-x root etc`", "find"]);
    refused("d 755 -1 0 etc\0", &["is no list of owners"]);
    refused("d 755 0 0 \0", &["is no list of owners"]);
}

#[test]
fn spec_directories_override_tree_directories() {
    let test_dir = TestDir::new();
    tree(&test_dir);
    let output = spec(&test_dir, &[], json!({"directories": {"/tmp": {"mode": "0700", "uid": 9}}}));
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert!(entries(&test_dir).contains(&"tmp 0700 9:0".to_owned()));
}

#[test]
fn file_in_spec_and_tree_is_refused() {
    let test_dir = TestDir::new();
    tree(&test_dir);
    let output = spec(&test_dir, &[], json!({"files": {"/etc/app.conf": {"text": ""}}}));
    output.assert_failure(1, &["`/etc/app.conf` is in files", "leave one of the two out"]);
}

#[test]
fn tree_referenced_by_config_stays_in_the_closure() {
    let test_dir = TestDir::new();
    tree(&test_dir);
    let named = format!("conf={}", test_dir.store_path("root").display());
    let output = spec(&test_dir, &[], json!({"config": {"Labels": {"a": named}}}));
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let plan = test_dir.stdout_of(&["plan", "--json", test_dir.path("made").to_str().unwrap()]);
    assert!(plan.contains("-root"), "{plan}");
}
