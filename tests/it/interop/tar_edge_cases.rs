//! An image with every edge case of the tar format, and a comparison with what another program
//! unpacks from it: names, links, sizes, owners, times and attributes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use cooper::digest::Digest;
use serde_json::json;

use crate::support::fixture::{noise, stdout};

pub(crate) const GZIP: &str = "gzip";
pub(crate) const ZSTD: &str = "zstd";
pub(crate) const NONE: &str = "none";

/// The state of each file: kind, mode, owner, size, content or target, attributes.
type FileStates = BTreeMap<String, String>;

const HASH: &str = "0123456789abcdfghijklmnpqrsvwxyz";
/// A time in the year 2242, above the maximum of an octal header field.
const MTIME: (&str, i64) = ("2242-12-01T00:00:00Z", 8_612_352_000);
const CAPABILITY: &str = "security.capability";

/// A store with unusual trees, and an image of them with unusual own files.
pub(crate) struct TarEdgeCases {
    dir: tempfile::TempDir,
}

impl TarEdgeCases {
    /// Writes the trees and builds the image, as an archive and as a layout.
    pub(crate) fn new(compression: &str) -> Self {
        let cases = Self { dir: tempfile::tempdir().unwrap() };
        cases.write_tree();
        cases.write_spec(compression);
        for (format, out) in [("archive", cases.archive()), ("layout", cases.layout())] {
            let mut cooper = Command::new(env!("CARGO_BIN_EXE_cooper"));
            cooper.args(["build", "--quiet", "--cache", "none", "--format", format, "-o"]);
            stdout(&cooper.arg(out).arg(cases.dir().join("spec.json")).output().unwrap());
        }
        cases
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.dir().join("image.tar")
    }

    pub(crate) fn layout(&self) -> PathBuf {
        self.dir().join("layout")
    }

    fn store_path(&self, name: &str) -> PathBuf {
        self.dir().join("store").join(format!("{HASH}-{name}"))
    }

    fn write_tree(&self) {
        for name in ["names", "other"] {
            fs::create_dir_all(self.store_path(name).join("empty")).unwrap();
            fs::write(self.store_path(name).join("data"), noise(1, 100_000)).unwrap();
        }
        let root = self.store_path("names");
        // Several gzip members and zstd frames.
        fs::write(root.join("members"), noise(3, 9_500_000)).unwrap();
        write_long_paths(&root);
        for name in [
            &b"-n"[..],
            b"..foo",
            b"A",
            b"a",
            b"a b ",
            b"back\\slash",
            b"new\nline",
            b"tab\t=",
            b"\xc3\xa9",
            b"e\xcc\x81",
            b"\xff\xfe",
        ] {
            fs::write(root.join(OsStr::from_bytes(name)), name).unwrap();
            let long = [name, &[b'x'; 150]].concat();
            fs::write(root.join(OsStr::from_bytes(&long)), name).unwrap();
        }
        for (name, target) in [
            ("dangling", "/missing".into()),
            ("loop", "loop".into()),
            ("100", "t".repeat(100)),
            ("101", "t".repeat(101)),
            ("4095", "t".repeat(4095)),
        ] {
            std::os::unix::fs::symlink(target, root.join(format!("link-{name}"))).unwrap();
        }
    }

    fn write_spec(&self, compression: &str) {
        let info =
            |name| json!({"path": self.store_path(name), "narHash": "sha256:0", "narSize": 1000});
        let spec = json!({
            "version": 1, "name": "edges", "compression": {"algorithm": compression},
            "mtime": MTIME.0, "closure": [info("names"), info("other")],
            "directories": {
                "/own": {"mode": "0711", "uid": 7, "gid": 8},
                "/own/tmp": {"mode": "1777"},
                "/own/group": {"mode": "2775", "gid": 9},
            },
            "files": {
                "/own/root": {"text": "setuid", "mode": "4755"},
                "/own/user": {"text": "setgid", "mode": "2755", "uid": 1234, "gid": 5678},
                "/own/secret": {"text": "", "mode": "0600", "uid": 2_097_151, "gid": 2_097_152},
                "/own/far": {"text": "large", "uid": 4_000_000_000_u32, "gid": 3_000_000_000_u32},
                "/own/ping": {
                    "text": "ping", "mode": "0755", "capabilities": ["cap_net_raw=ep"],
                },
            },
            "symlinks": {"/own/link": "ping"},
        });
        fs::write(self.dir().join("spec.json"), spec.to_string()).unwrap();
    }

    /// Compares a tree that a program unpacked with the input.
    pub(crate) fn check(&self, root: &Path, who: &str) {
        let store = self.dir().join("store");
        let mut expected = FileStates::new();
        walk(&store, &mut |path, meta| {
            let mode = match meta.is_symlink() {
                true => 0o777,
                false if path == store => 0o755,
                false if meta.is_dir() || meta.mode() & 0o100 != 0 => 0o555,
                false => 0o444,
            };
            expected.insert(escaped_path(path, &store), describe(path, meta, mode, (0, 0), ""));
        });
        expected.extend(own_files());
        let mut found = FileStates::new();
        for below in [store.strip_prefix("/").unwrap(), Path::new("own")] {
            let top = root.join(below);
            walk(&top, &mut |path, meta| {
                assert_eq!(meta.mtime(), MTIME.1, "{who}: {}", path.display());
                let from = if below == Path::new("own") { root } else { &top };
                let owner = (meta.uid(), meta.gid());
                let (mode, has) = (meta.mode() & 0o7777, attributes(path));
                found.insert(escaped_path(path, from), describe(path, meta, mode, owner, &has));
            });
        }
        for (path, what) in &expected {
            assert_eq!(found.remove(path).as_ref(), Some(what), "{who}: {path}");
        }
        assert_eq!(found, FileStates::new(), "{who}: nothing else");
    }

    /// Compares a tar that a program wrote with the input.
    pub(crate) fn check_tar(&self, tar: &Path, who: &str) {
        let root = tempfile::tempdir_in(self.dir()).unwrap();
        extract(tar, root.path());
        self.check(root.path(), who);
    }
}

/// Unpacks a tar over a directory with GNU tar, with every attribute that it keeps.
pub(crate) fn extract(tar: &Path, root: &Path) {
    let mut command = Command::new("tar");
    command.args(["--extract", "--numeric-owner", "--same-owner", "--preserve-permissions"]);
    command.args(["--xattrs", "--xattrs-include=*", "--delay-directory-restore", "--file"]);
    stdout(&command.arg(tar).arg("--directory").arg(root).output().unwrap());
}

/// Writes files whose paths in the tar have these lengths.
fn write_long_paths(root: &Path) {
    let depth = root.as_os_str().len() - 1;
    for length in [99, 100, 101, 155, 156, 255, 256, 257, 1000, 3900] {
        let mut path = root.as_os_str().as_bytes().to_vec();
        while path.len() - 1 < length.max(depth + 3) - 1 {
            let name = (length - (path.len() - 1)).saturating_sub(1).clamp(1, 200);
            path.push(b'/');
            path.extend(std::iter::repeat_n(b'n', name));
        }
        let path = Path::new(OsStr::from_bytes(&path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if !path.exists() {
            fs::write(path, format!("{length}")).unwrap();
        }
    }
}

/// Returns the states of the image's own files.
fn own_files() -> FileStates {
    // The kernel's form of `cap_net_raw=ep`.
    let capability = [&[1, 0, 0, 2, 0, 0x20][..], &[0; 14]].concat();
    let capability = format!(" {CAPABILITY}={}", capability.escape_ascii());
    let file = |text: &str| format!("{} bytes, {}", text.len(), Digest::of(text.as_bytes()));
    let all: [(&str, u32, u32, u32, String); 9] = [
        ("own", 0o711, 7, 8, "directory".into()),
        ("own/tmp", 0o1777, 0, 0, "directory".into()),
        ("own/group", 0o2775, 0, 9, "directory".into()),
        ("own/root", 0o4755, 0, 0, file("setuid")),
        ("own/user", 0o2755, 1234, 5678, file("setgid")),
        ("own/secret", 0o600, 2_097_151, 2_097_152, file("")),
        ("own/far", 0o644, 4_000_000_000, 3_000_000_000, file("large")),
        ("own/ping", 0o755, 0, 0, file("ping") + &capability),
        ("own/link", 0o777, 0, 0, "to ping".into()),
    ];
    let line = |(path, mode, uid, gid, what): (&str, u32, u32, u32, String)| {
        (path.to_owned(), format!("{mode:04o} {uid}:{gid} {what}"))
    };
    all.map(line).into()
}

fn describe(path: &Path, meta: &fs::Metadata, mode: u32, owner: (u32, u32), has: &str) -> String {
    let what = if meta.is_dir() {
        "directory".to_owned()
    } else if meta.is_symlink() {
        format!("to {}", fs::read_link(path).unwrap().display())
    } else {
        format!("{} bytes, {}", meta.len(), Digest::of(&fs::read(path).unwrap()))
    };
    format!("{mode:04o} {}:{} {what}{has}", owner.0, owner.1)
}

fn escaped_path(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap().as_os_str().as_bytes().escape_ascii().to_string()
}

/// Returns the attributes of a file that an image can set.
fn attributes(path: &Path) -> String {
    let mut value = [0; 64];
    match rustix::fs::lgetxattr(path, CAPABILITY, &mut value) {
        Ok(size) => format!(" {CAPABILITY}={}", value[..size].escape_ascii()),
        Err(_) => String::new(),
    }
}

/// Visits a directory and everything below it.
fn walk(root: &Path, visit: &mut dyn FnMut(&Path, &fs::Metadata)) {
    let mut open = vec![root.to_path_buf()];
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        visit(&path, &meta);
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}
