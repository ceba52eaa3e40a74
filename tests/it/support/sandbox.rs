//! A sandbox for whole runs of cooper: their output, and what they leave after failures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) const GZIP: &str = r#"{"algorithm": "gzip", "level": 6}"#;
pub(crate) const ZSTD: &str = r#"{"algorithm": "zstd", "level": 1}"#;
pub(crate) const NONE: &str = r#"{"algorithm": "none"}"#;

/// A temporary directory with store paths, specs, a cache and outputs.
pub(crate) struct Sandbox {
    pub(crate) dir: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let sandbox = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(sandbox.path("store")).unwrap();
        sandbox
    }

    /// Creates a sandbox with this number of store paths of this size, and a spec of them.
    pub(crate) fn with_store_paths(paths: usize, size: usize, compression: &str) -> Self {
        let sandbox = Self::new();
        sandbox.add_store_paths(paths, size);
        sandbox.write_spec(compression);
        sandbox
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Returns a path in the cache.
    pub(crate) fn cache_path(&self, below: &str) -> PathBuf {
        cooper::cache::folder(&self.path("cache")).join(below)
    }

    pub(crate) fn store_path(&self, number: usize) -> PathBuf {
        self.path(&format!("store/{number:0>32}-package-{number}"))
    }

    /// Writes this number of store paths with compressible files of this size.
    pub(crate) fn add_store_paths(&self, paths: usize, size: usize) {
        for number in 0..paths {
            let file = self.store_path(number).join("share/data");
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, noise(number, size)).unwrap();
        }
    }

    /// Writes a spec of everything in the store.
    pub(crate) fn write_spec(&self, compression: &str) -> PathBuf {
        let mut paths: Vec<_> =
            fs::read_dir(self.path("store")).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let closure: Vec<Value> = paths
            .iter()
            .map(|path| json!({"path": path, "narHash": "sha256:test", "narSize": 1000}))
            .collect();
        let compression: Value = serde_json::from_str(compression).unwrap();
        let spec = json!({
            "version": 1, "name": "test", "closure": closure, "compression": compression,
            "layering": {"maxLayers": 100},
        });
        let path = self.path("spec.json");
        fs::write(&path, spec.to_string()).unwrap();
        path
    }

    /// Returns a `cooper build` behind a prefix, which may be empty.
    pub(crate) fn build(&self, before: &[&str], out: &str, more: &[&str]) -> Command {
        self.build_with("--quiet", before, out, more)
    }

    /// Returns a `cooper build` like [`build`](Sandbox::build) with another option for messages.
    pub(crate) fn build_with(
        &self,
        messages: &str,
        before: &[&str],
        out: &str,
        more: &[&str],
    ) -> Command {
        let cooper = env!("CARGO_BIN_EXE_cooper");
        let mut words = before.iter().copied().chain([cooper]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg("--cache").arg(self.path("cache"));
        command.args([messages, "build"]).arg(self.path("spec.json"));
        command.arg("-o").arg(if out == "-" { "-".into() } else { self.path(out) }).args(more);
        // The environment of the test run must not matter.
        command.env("TMPDIR", self.dir.path());
        command
    }

    /// Returns the bytes of the archive that every run must give.
    pub(crate) fn expected_archive(&self) -> Vec<u8> {
        let output = self.build(&[], "-", &[]).output().unwrap();
        assert_success(&output);
        output.stdout
    }

    /// Returns the names in the sandbox, without the store, the spec and the cache.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !["store", "spec.json", "cache"].contains(&name.as_str()));
        names.sort();
        names
    }
}

/// Returns the prefix that runs a command after a script has mounted something on a path.
pub(crate) fn with_mount<'a>(script: &'a str, path: &'a Path) -> [&'a str; 8] {
    let path = path.to_str().unwrap();
    ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", path]
}

pub(crate) fn noise(seed: usize, size: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Sixteen letters, so that a file compresses to half its size.
        b'a' + (state >> 60) as u8
    };
    (0..size).map(|_| next()).collect()
}

/// Random times after which a process is killed.
pub(crate) struct KillTimes(u64);

impl KillTimes {
    /// Reads the seed of a failed run from `COOPER_TEST_SEED`.
    pub(crate) fn new() -> Self {
        let seed = std::env::var("COOPER_TEST_SEED").map_or_else(
            |_| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0),
            |seed| seed.parse().unwrap(),
        );
        println!("COOPER_TEST_SEED={seed}");
        Self(seed)
    }

    /// Returns a time between the start of the process and about its end.
    pub(crate) fn next(&mut self, most: Duration) -> Duration {
        let factor = 6_364_136_223_846_793_005;
        self.0 = self.0.wrapping_mul(factor).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_micros((self.0 >> 32) % u64::try_from(most.as_micros()).unwrap())
    }
}

/// Returns the events of one kind on standard error with `--json`.
pub(crate) fn events(output: &Output, kind: &str) -> Vec<Value> {
    let text = stderr_text(output);
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == kind).collect()
}

pub(crate) fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}", stderr_text(output));
}

pub(crate) fn stderr_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a program that `tests/setup` installs, which must succeed.
pub(crate) fn run(program: &str, args: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = Command::new(program);
    for arg in args {
        command.arg(arg.as_ref());
    }
    let output = command.output().unwrap_or_else(|e| panic!("{program}: {e}; run tests/setup"));
    assert!(output.status.success(), "{program}: {}", stderr_text(&output));
    output
}

/// Returns every file, link and directory below a path with its content.
pub(crate) fn tree(root: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let what = if kind.is_dir() {
                directories.push(path.clone());
                "directory".to_owned()
            } else if kind.is_symlink() {
                format!("to {}", fs::read_link(&path).unwrap().display())
            } else {
                cooper::digest::Digest::of(&fs::read(&path).unwrap()).to_string()
            };
            found.push((path.strip_prefix(root).unwrap().to_path_buf(), what));
        }
    }
    found.sort();
    found
}
