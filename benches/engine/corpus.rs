//! A directory of store paths, and runs of cooper on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use serde_json::{Value, json};

use crate::timing::{self, Measurement};

pub(crate) struct Corpus {
    pub(crate) name: String,
    pub(crate) store: PathBuf,
    pub(crate) paths: usize,
    pub(crate) bytes: u64,
    pub(crate) files: Vec<(PathBuf, u64)>,
    pub(crate) work: tempfile::TempDir,
    changes: std::cell::Cell<u32>,
}

impl Corpus {
    pub(crate) fn new(store: &Path) -> Self {
        let store = fs::canonicalize(store).expect("the corpus is there");
        let files = files(&store);
        let corpus = Self {
            name: store.file_name().unwrap().to_string_lossy().into_owned(),
            paths: fs::read_dir(&store).unwrap().count(),
            bytes: files.iter().map(|(_, size)| size).sum(),
            files,
            // Next to the corpus, because the default temporary directory may be in memory.
            work: tempfile::tempdir_in(store.parent().unwrap()).unwrap(),
            store,
            changes: std::cell::Cell::new(0),
        };
        for algorithm in ["none", "gzip", "zstd"] {
            corpus.spec(algorithm, algorithm, None);
        }
        corpus
    }

    pub(crate) fn megabytes(&self) -> f64 {
        self.bytes as f64 / 1e6
    }

    /// Returns all bytes in blocks of at most this size.
    pub(crate) fn blocks(&self, size: usize) -> Vec<Vec<u8>> {
        let mut blocks = vec![Vec::with_capacity(size)];
        for (path, _) in &self.files {
            for piece in fs::read(path).unwrap().chunks(size / 4) {
                if blocks.last().unwrap().len() + piece.len() > size {
                    blocks.push(Vec::with_capacity(size));
                }
                blocks.last_mut().unwrap().extend_from_slice(piece);
            }
        }
        blocks
    }

    fn spec(&self, name: &str, algorithm: &str, more: Option<&Path>) {
        let mut sizes: BTreeMap<PathBuf, u64> = BTreeMap::new();
        for (path, size) in &self.files {
            let below = path.strip_prefix(&self.store).unwrap();
            let top = self.store.join(below.components().next().unwrap());
            *sizes.entry(top).or_default() += size;
        }
        let info = |path: &Path, size, references: BTreeSet<&PathBuf>| {
            json!({
                "path": path, "narHash": "sha256:bench", "narSize": size, "references": references,
            })
        };
        let paths: Vec<&PathBuf> = sizes.keys().collect();
        let known = sizes.iter().enumerate().map(|(at, (path, size))| {
            // References to some earlier paths, so that there is a graph to plan from.
            info(path, *size, (0..at % 6).map(|n| paths[at * n / 6]).collect())
        });
        // The image's own program refers to all paths, and a plan puts it on top.
        let more = more.map(|path| info(path, 10_000_000, paths.iter().copied().collect()));
        let closure: Vec<Value> = known.chain(more).collect();
        let spec = json!({
            "version": 1, "name": "bench", "closure": closure,
            "compression": {"algorithm": algorithm},
        });
        fs::write(self.work.path().join(format!("{name}.json")), spec.to_string()).unwrap();
    }

    fn cooper(&self, spec: &str, out: &str, args: &[&str]) -> Measurement {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cooper"));
        command.args(["--quiet", "build"]).arg(self.work.path().join(format!("{spec}.json")));
        command.arg("--cache").arg(self.work.path().join("cache"));
        command.arg("-o").arg(if out == "-" { "-".into() } else { self.work.path().join(out) });
        timing::run({
            command.args(args);
            command
        })
    }

    /// Removes the outputs, and reads the corpus into memory again.
    fn remove_outputs(&self) {
        for name in ["cache", "layout"] {
            let _ = fs::remove_dir_all(self.work.path().join(name));
        }
        for (path, _) in &self.files {
            io::copy(&mut fs::File::open(path).unwrap(), &mut io::sink()).unwrap();
        }
    }

    pub(crate) fn archive(&self) -> Measurement {
        self.remove_outputs();
        self.cooper("none", "-", &[])
    }

    pub(crate) fn cold(&self, algorithm: &str, jobs: usize) -> Measurement {
        self.remove_outputs();
        self.cooper(algorithm, "layout", &["--format", "layout", "--jobs", &jobs.to_string()])
    }

    /// Builds again into the layout that has the image.
    pub(crate) fn warm(&self, algorithm: &str) -> Measurement {
        self.cooper(algorithm, "layout", &["--format", "layout"])
    }

    /// Replaces a path of 10 MB, and builds into the layout that has the rest.
    pub(crate) fn changed(&self) -> Measurement {
        let number = self.changes.get() + 1;
        self.changes.set(number);
        let path = self.store.parent().unwrap().join(format!("{number:0>32}-changes"));
        let path = self.store.join(path.file_name().unwrap());
        fs::create_dir(&path).unwrap();
        fs::write(path.join("data"), ten_megabytes(number)).unwrap();
        self.spec("changed", "gzip", Some(&path));
        let measured = self.cooper("changed", "layout", &["--format", "layout"]);
        fs::remove_dir_all(path).unwrap();
        measured
    }
}

/// Returns text that compresses like programs do, to about a third.
pub(crate) fn ten_megabytes(seed: u32) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let mut out = Vec::with_capacity(10_000_100);
    while out.len() < 10_000_000 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        out.extend_from_slice(
            format!("{:x} mov rax, [rbp-{}]\n", state >> 44, state >> 60).as_bytes(),
        );
    }
    out.truncate(10_000_000);
    out
}

fn files(root: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push((entry.path(), entry.metadata().unwrap().len()));
            }
        }
    }
    found.sort();
    found
}
