//! Store paths that are no longer what Nix registered.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;

use crate::support::sandbox::{House, errors, run, succeeded};

/// What Nix says of a path, in one of its ways to write a hash.
fn registered(house: &House, form: &[&str]) -> String {
    let path = house.store_path(0);
    let mut words: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"--type", &"sha256", &path];
    words.extend(form.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
    let output = run("nix-hash", &words);
    format!("sha256:{}", String::from_utf8(output.stdout).unwrap().trim())
}

fn spec(house: &House, hash: &str) {
    let closure = json!([{"path": house.store_path(0), "narHash": hash, "narSize": 1000}]);
    let spec = json!({"version": 1, "name": "test", "closure": closure});
    fs::write(house.path("spec.json"), spec.to_string()).unwrap();
}

#[test]
fn verify_store_tampered_path_is_named() {
    let house = House::new();
    house.fill(1, 300_000);
    let root = house.store_path(0);
    fs::create_dir_all(root.join("empty/a b")).unwrap();
    symlink("../nowhere", root.join("link")).unwrap();
    for (name, mode) in [("run", 0o555), ("a.b", 0o444), ("a-b", 0o644), ("é", 0o444)] {
        fs::write(root.join(name), name.repeat(7)).unwrap();
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    for form in [&["--base32"][..], &[]] {
        spec(&house, &registered(&house, form));
        succeeded(&house.build(&[], "out.tar", &["--verify-store"]).output().unwrap());
        fs::remove_file(house.path("out.tar")).unwrap();
    }
    let before = registered(&house, &["--base32"]);
    spec(&house, &before);
    fs::set_permissions(root.join("run"), fs::Permissions::from_mode(0o444)).unwrap();
    let output = house.build(&[], "out.tar", &["--verify-store"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    for words in [root.to_str().unwrap(), &before, &registered(&house, &["--base32"])] {
        assert!(errors(&output).contains(words), "{words}: {}", errors(&output));
    }
    assert_eq!(house.leftovers(), [""; 0]);
    succeeded(&house.build(&[], "out.tar", &[]).output().unwrap());
}
