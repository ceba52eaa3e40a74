//! Pinned bytes. A change here changes every image of every user. If the bytes of a layer change,
//! raise `VERSION` in `src/layer/tar/mod.rs`; `INSTA_UPDATE=always cargo test golden` writes the
//! new listings.

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cooper::digest::Digest;

use crate::support::sandbox::{GZIP, NONE, Sandbox, ZSTD, assert_success, noise, with_mount};

/// Copies a tree to a path that is the same on every machine, and runs a command.
const SCRIPT: &str = r#"
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/store
cp -a "$1/." /mnt/store
shift
exec "$@"
"#;

const HASH: &str = "0123456789abcdfghijklmnpqrsvwxyz";

fn write_tree(sandbox: &Sandbox) {
    let root = sandbox.path(&format!("store/{HASH}-golden"));
    let long = |n: usize| format!("{}/{}", "d".repeat(n / 2 - 1), "f".repeat(n - n / 2));
    fs::create_dir_all(root.join("empty")).unwrap();
    for (name, bytes) in [
        ("a", b"A".to_vec()),
        ("a-b", Vec::new()),
        ("a b\t=\n", b"odd".to_vec()),
        ("block", vec![b'x'; 512]),
        ("block+1", vec![b'y'; 513]),
        ("é", b"composed".to_vec()),
        ("e\u{301}", b"decomposed".to_vec()),
        ("two-members", noise(1, 1_500_000)),
    ] {
        fs::write(root.join(name), bytes).unwrap();
    }
    // The path in the tar is 50 bytes longer.
    for length in [49, 50, 51, 100, 150, 206, 207, 250, 300] {
        let path = root.join(long(length));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{length}")).unwrap();
    }
    for (name, target) in
        [("l", "a".into()), ("link-100", "t".repeat(100)), ("link-101", "t".repeat(101))]
    {
        std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    }
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), "not UTF-8").unwrap();
    let run = root.join("run");
    fs::write(&run, "#!/bin/sh\n").unwrap();
    fs::set_permissions(run, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Returns the layers of the layout, bottom first.
fn layers(layout: &Path) -> Vec<Vec<u8>> {
    let json = |bytes: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
    let blob = |digest: &serde_json::Value| {
        let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
        fs::read(layout.join("blobs/sha256").join(hex)).unwrap()
    };
    let index = json(fs::read(layout.join("index.json")).unwrap());
    let manifest = json(blob(&index["manifests"][0]["digest"]));
    manifest["layers"].as_array().unwrap().iter().map(|layer| blob(&layer["digest"])).collect()
}

fn listing(tar: &[u8]) -> String {
    let mut text = String::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path_bytes().escape_ascii().to_string();
        let link = entry.link_name_bytes().map(|link| link.escape_ascii().to_string());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let header = entry.header();
        assert_eq!(
            (header.username_bytes(), header.groupname_bytes()),
            (Some(&[][..]), Some(&[][..]))
        );
        let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
        let (mode, mtime) = (header.mode().unwrap(), header.mtime().unwrap());
        let kind = char::from(header.entry_type().as_byte());
        let at = entry.raw_header_position();
        let size = bytes.len();
        write!(text, "{at:>8} {kind} {mode:04o} {uid}:{gid} {mtime} {size:>8} {path}").unwrap();
        if let Some(link) = link {
            write!(text, " -> {link}").unwrap();
        }
        text.push('\n');
        for record in entry.pax_extensions().unwrap().into_iter().flatten() {
            let record = record.unwrap();
            let (key, value) = (record.key().unwrap(), record.value_bytes().escape_ascii());
            match key {
                "path" | "linkpath" => writeln!(text, "           PAX {key}").unwrap(),
                _ => writeln!(text, "           PAX {key}={value}").unwrap(),
            }
        }
    }
    text
}

#[test]
fn golden_layers_of_store_paths() {
    let mut text = String::new();
    for compression in [NONE, GZIP, ZSTD] {
        let sandbox = Sandbox::new();
        write_tree(&sandbox);
        let path = format!("/mnt/store/{HASH}-golden");
        let compression_json: serde_json::Value = serde_json::from_str(compression).unwrap();
        let spec = serde_json::json!({
            "version": 1, "name": "golden", "compression": compression_json,
            "closure": [{"path": path, "narHash": "sha256:golden", "narSize": 1}],
        });
        fs::write(sandbox.path("spec.json"), spec.to_string()).unwrap();
        let store = sandbox.path("store");
        let before = with_mount(SCRIPT, &store);
        let output = sandbox.build(&before, "layout", &["--format", "layout"]).output().unwrap();
        assert_success(&output);
        // The listing does not show the end of the archive.
        let layer = layers(&sandbox.path("layout")).remove(0);
        writeln!(text, "{compression}: {} bytes, {}", layer.len(), Digest::of(&layer)).unwrap();
        if compression == NONE {
            text.push_str(&listing(&layer));
            let end = layer.len() - 1024;
            assert!(layer[end..].iter().all(|byte| *byte == 0), "two blocks of zeros");
            assert!(layer[end - 512..end].iter().any(|byte| *byte != 0), "and no more");
        }
    }
    insta::assert_snapshot!(text);
}

/// An image of own files alone: owners, modes, attributes and times that a store cannot have.
fn write_own_files_spec(sandbox: &Sandbox) {
    let long = format!("/{}/{}", "d".repeat(120), "f".repeat(120));
    let spec = serde_json::json!({
        "version": 1, "name": "golden/own", "tags": ["v1", "v2"],
        "compression": {"algorithm": "none"}, "mtime": "2242-12-01T00:00:00Z",
        "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"},
        "directories": {"/tmp": {"mode": "1777"}, "/var/lib/app": {"mode": "0750", "uid": 7}},
        "files": {
            "/bin/setuid": {"text": "x", "mode": "4755"},
            "/bin/ping": {"text": "x", "mode": "0755", "capabilities": ["cap_net_raw=ep"]},
            "/etc/far": {"text": "", "uid": 2_097_152, "gid": 4_000_000_000_u32},
            "/etc/near": {"text": "x", "mode": "0600", "uid": 2_097_151, "gid": 2_097_151},
            long: {"text": "long"},
        },
        "symlinks": {"/etc/link": "near", "/etc/long": "t".repeat(101)},
        "users": {"app": {"uid": 65532, "gid": 65532, "home": "/var/lib/app"}},
        "annotations": {"one": "1", "two": "2"}, "checks": {"skip": ["entrypoint", "healthcheck"]},
        "config": {
            "User": "65532:65532", "Env": ["B=2", "A=1"], "Entrypoint": ["/bin/setuid"],
            "WorkingDir": "/tmp", "Labels": {"z": "1", "a": "2"}, "Volumes": {"/tmp": {}},
            "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGINT",
            "Healthcheck": {"Test": ["CMD", "/bin/setuid"], "Interval": 1_000_000_000_u64},
        },
    });
    fs::write(sandbox.path("spec.json"), spec.to_string()).unwrap();
}

#[test]
fn golden_archives_and_own_files() {
    let sandbox = Sandbox::new();
    write_own_files_spec(&sandbox);
    let archive = sandbox.expected_archive();
    let mut text = format!("archive: {} bytes, {}\n", archive.len(), Digest::of(&archive));
    text.push_str(&listing(&archive));
    for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        match bytes.first() {
            // The text itself, not a parsed form.
            Some(b'{' | b'[') => {
                writeln!(text, "{name}: {}", String::from_utf8(bytes).unwrap()).unwrap();
            }
            Some(_) => {
                writeln!(text, "{name}: {} bytes\n{}", bytes.len(), listing(&bytes)).unwrap();
            }
            None => {}
        }
    }
    assert!(archive.ends_with(&[0; 1024]), "two blocks of zeros");
    insta::assert_snapshot!(text);
}
