//! Small images to load, push and copy: a generated store, and specs of it.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cooper::digest::Digest;
use serde_json::{Value, json};

/// The alphabet of Nix's base 32.
const BASE32: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// A temporary store and cache.
pub(crate) struct Fixture {
    dir: tempfile::TempDir,
    specs: Cell<u32>,
}

/// A store path with its entry in the closure.
#[derive(Clone)]
pub(crate) struct StoreItem {
    pub(crate) path: String,
    info: Value,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), specs: Cell::new(0) }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A store path with one file of incompressible bytes. Another seed gives another store path of
    /// the same name, as after a change of the package.
    pub(crate) fn item(&self, name: &str, seed: u64, size: usize) -> StoreItem {
        self.item_with_file(name, "share/data", &noise(seed, size))
    }

    /// A static busybox, for containers that print something.
    pub(crate) fn busybox(&self) -> StoreItem {
        self.item_with_file("busybox", "bin/busybox", &fs::read("/bin/busybox").unwrap())
    }

    fn item_with_file(&self, name: &str, file: &str, bytes: &[u8]) -> StoreItem {
        use std::os::unix::fs::PermissionsExt;
        let digest = Digest::of(bytes);
        let identity = Digest::of(format!("{name} {digest}").as_bytes()).hex();
        let hash: String = identity
            .as_bytes()
            .iter()
            .take(32)
            .map(|byte| char::from(BASE32[usize::from(*byte) % BASE32.len()]))
            .collect();
        let path = self.dir().join("store").join(format!("{hash}-{name}"));
        let full = path.join(file);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(&full, bytes).unwrap();
        fs::set_permissions(&full, fs::Permissions::from_mode(0o555)).unwrap();
        let path = path.to_str().unwrap().to_owned();
        let info = json!({
            "path": path, "narHash": digest.to_string(), "narSize": bytes.len(), "references": [],
        });
        StoreItem { path, info }
    }

    /// Writes a spec of an image with a layer for each item, bottom first, and one for its own
    /// files. The fields of `rest` replace the fields of this function.
    pub(crate) fn write_spec(
        &self,
        name: &str,
        tag: &str,
        items: &[StoreItem],
        rest: &Value,
    ) -> PathBuf {
        let groups: Vec<Value> = items
            .iter()
            .enumerate()
            .map(|(at, item)| json!({"name": format!("{at}"), "paths": [item.path]}))
            .collect();
        let mut spec = json!({
            "version": 1,
            "name": name,
            "tags": [tag],
            "files": {"/etc/name": {"text": name}},
            "compression": {"algorithm": "gzip", "level": 1},
            "layering": {"groups": groups},
            "closure": items.iter().map(|item| item.info.clone()).collect::<Vec<_>>(),
        });
        for (key, value) in rest.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        self.specs.set(self.specs.get() + 1);
        let path = self.dir().join(format!("{}.spec.json", self.specs.get()));
        fs::write(&path, spec.to_string()).unwrap();
        path
    }

    /// Returns a command of cooper with the fixture's cache and without configuration of the
    /// machine.
    pub(crate) fn cooper(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cooper"));
        command
            .arg("--cache")
            .arg(self.dir().join("cache"))
            .current_dir(self.dir())
            .env("HOME", self.dir())
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("REGISTRY_AUTH_FILE")
            .env_remove("DOCKER_CONFIG")
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_HOST");
        for proxy in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(proxy).env_remove(proxy.to_lowercase());
        }
        command
    }
}

/// Returns incompressible bytes, the same ones for the same seed.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Returns the standard output of a program, which must have succeeded.
pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Returns the standard error of a program, which must have ended with this exit code.
pub(crate) fn stderr(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}
