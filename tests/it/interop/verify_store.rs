//! Store paths that differ from what Nix registered.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;

use crate::support::sandbox::{Sandbox, assert_success, run, stderr_text};

/// Returns the hash that Nix computes for a path, in one of its notations.
fn nix_hash(sandbox: &Sandbox, form: &[&str]) -> String {
    let path = sandbox.store_path(0);
    let mut words: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"--type", &"sha256", &path];
    words.extend(form.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
    let output = run("nix-hash", &words);
    format!("sha256:{}", String::from_utf8(output.stdout).unwrap().trim())
}

fn spec(sandbox: &Sandbox, hash: &str) {
    let closure = json!([{"path": sandbox.store_path(0), "narHash": hash, "narSize": 1000}]);
    let spec = json!({"version": 1, "name": "test", "closure": closure});
    fs::write(sandbox.path("spec.json"), spec.to_string()).unwrap();
}

#[test]
fn verify_store_tampered_path_is_named() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(1, 300_000);
    let root = sandbox.store_path(0);
    fs::create_dir_all(root.join("empty/a b")).unwrap();
    symlink("../missing", root.join("link")).unwrap();
    for (name, mode) in [("run", 0o555), ("a.b", 0o444), ("a-b", 0o644), ("é", 0o444)] {
        fs::write(root.join(name), name.repeat(7)).unwrap();
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    for form in [&["--base32"][..], &[]] {
        spec(&sandbox, &nix_hash(&sandbox, form));
        assert_success(&sandbox.build(&[], "out.tar", &["--verify-store"]).output().unwrap());
        fs::remove_file(sandbox.path("out.tar")).unwrap();
    }
    let before = nix_hash(&sandbox, &["--base32"]);
    spec(&sandbox, &before);
    fs::set_permissions(root.join("run"), fs::Permissions::from_mode(0o444)).unwrap();
    let output = sandbox.build(&[], "out.tar", &["--verify-store"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr_text(&output));
    for words in [root.to_str().unwrap(), &before, &nix_hash(&sandbox, &["--base32"])] {
        assert!(stderr_text(&output).contains(words), "{words}: {}", stderr_text(&output));
    }
    assert_eq!(sandbox.leftovers(), [""; 0]);
    assert_success(&sandbox.build(&[], "out.tar", &[]).output().unwrap());
}
