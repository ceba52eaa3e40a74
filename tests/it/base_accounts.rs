//! Accounts of a base image whose `/etc/passwd` may be a link.

use std::path::Path;

use cooper::digest::Digest;
use serde_json::{Value, json};

use crate::support::command::{CommandOutput, TestDir};

/// An entry of a layer.
enum Entry<'a> {
    File(&'a str, &'a str),
    Symlink(&'a str, &'a str),
    HardLink(&'a str, &'a str),
    Directory(&'a str),
}
use Entry::{Directory, File, HardLink, Symlink};

fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        let mut link = |kind, path: &str, target: &str| {
            header.set_entry_type(kind);
            header.set_size(0);
            builder.append_link(&mut header, path, target).unwrap();
        };
        match entry {
            Symlink(path, target) => link(tar::EntryType::Symlink, path, target),
            HardLink(path, target) => link(tar::EntryType::Link, path, target),
            Directory(path) => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                builder.append_data(&mut header, path, &[][..]).unwrap();
            }
            File(path, text) => {
                header.set_size(text.len() as u64);
                builder.append_data(&mut header, path, text.as_bytes()).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

/// Writes a layout of one image with these layers.
fn layout(test_dir: &TestDir, layers: &[&[Entry<'_>]]) {
    let blob = |bytes: &[u8], media_type: &str| {
        let digest = Digest::of(bytes);
        test_dir.write(&format!("base/blobs/sha256/{}", digest.hex()), bytes);
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()})
    };
    let oci = |what: &str| format!("application/vnd.oci.image.{what}");
    let layers: Vec<Value> =
        layers.iter().map(|entries| blob(&tar(entries), &oci("layer.v1.tar"))).collect();
    let diff_ids: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = blob(config.to_string().as_bytes(), &oci("config.v1+json"));
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers});
    let manifest = blob(manifest.to_string().as_bytes(), &oci("manifest.v1+json"));
    test_dir.write("base/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    test_dir
        .write("base/index.json", json!({"schemaVersion": 2, "manifests": [manifest]}).to_string());
}

/// Builds an image on a base with these layers.
fn build(layers: &[&[Entry<'_>]], mut fields: Value) -> (TestDir, CommandOutput) {
    let test_dir = TestDir::new();
    layout(&test_dir, layers);
    fields["base"] = json!({"path": test_dir.path("base")});
    fields["compression"] = json!({"algorithm": "none"});
    test_dir.write_spec(&[], fields);
    let output = test_dir.cooper(&["build", "spec.json", "-o", "image.tar"]);
    (test_dir, output)
}

/// Returns the kind and the content of a file in the top layer.
fn in_top_layer(archive: &Path, path: &str) -> Option<(tar::EntryType, String)> {
    use std::io::Read;
    let read = |name: &str| {
        let mut archive = tar::Archive::new(std::fs::File::open(archive).unwrap());
        let mut entries = archive.entries().unwrap().map(Result::unwrap);
        let mut entry = entries.find(|entry| entry.path().unwrap() == Path::new(name)).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        bytes
    };
    let list: Value = serde_json::from_slice(&read("manifest.json")).unwrap();
    let top = read(list[0]["Layers"].as_array().unwrap().last().unwrap().as_str().unwrap());
    let mut layer = tar::Archive::new(&top[..]);
    let mut entries = layer.entries().unwrap().map(Result::unwrap);
    let mut entry = entries.find(|entry| entry.path().unwrap() == Path::new(path))?;
    let mut text = String::new();
    entry.read_to_string(&mut text).unwrap();
    Some((entry.header().entry_type(), text))
}

const BASE_ACCOUNTS: &str = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n";
const OLD_ACCOUNTS: &str = "old:x:7:7::/:/bin/sh\n";

#[test]
fn users_are_added_to_accounts_behind_links() {
    let bases: [(&str, &str, &[&[Entry<'_>]]); 9] = [
        ("a file without its directory", "etc/passwd", &[&[File("etc/passwd", BASE_ACCOUNTS)]]),
        (
            "an absolute link into the store",
            "etc/passwd",
            &[&[
                Directory("etc"),
                Symlink("etc/passwd", "/nix/store/p"),
                File("nix/store/p", BASE_ACCOUNTS),
            ]],
        ),
        (
            "links of an upper layer",
            "etc/passwd",
            &[
                &[File("usr/lib/passwd", BASE_ACCOUNTS), File("etc/passwd", OLD_ACCOUNTS)],
                &[Symlink("etc/passwd", "../share/passwd"), Symlink("share", "usr/lib")],
            ],
        ),
        (
            "a target that an upper layer replaces",
            "etc/passwd",
            &[
                &[Symlink("etc/passwd", "/srv/p"), File("srv/p", OLD_ACCOUNTS)],
                &[File("srv/p", BASE_ACCOUNTS)],
                &[File("srv/q", OLD_ACCOUNTS)],
            ],
        ),
        (
            "a link over a whiteout",
            "etc/passwd",
            &[
                &[File("etc/passwd", OLD_ACCOUNTS), File("usr/passwd", BASE_ACCOUNTS)],
                &[File("etc/.wh.passwd", "")],
                &[Symlink("etc/passwd", "/usr/passwd")],
            ],
        ),
        (
            "a link at /etc",
            "usr/etc/passwd",
            &[&[
                Directory("usr/etc"),
                File("usr/etc/passwd", BASE_ACCOUNTS),
                Symlink("etc", "usr/etc"),
            ]],
        ),
        (
            "a path below a link of a lower layer",
            "usr/etc/passwd",
            &[
                &[
                    Directory("usr/etc"),
                    File("usr/etc/passwd", OLD_ACCOUNTS),
                    Symlink("etc", "usr/etc"),
                ],
                &[File("etc/passwd", BASE_ACCOUNTS)],
            ],
        ),
        (
            "a hard link in one layer",
            "etc/passwd",
            &[&[File("a", BASE_ACCOUNTS), HardLink("b", "a"), HardLink("etc/passwd", "b")]],
        ),
        (
            "a hard link into a lower layer",
            "etc/passwd",
            &[&[File("a", BASE_ACCOUNTS)], &[HardLink("etc/passwd", "a")], &[File(".wh.a", "")]],
        ),
    ];
    for (what, path, layers) in bases {
        let users = json!({"users": {"app": {"uid": 1000, "gid": 1000}}});
        let (test_dir, output) = build(layers, users);
        assert_eq!(output.code, Some(0), "{what}: {}", output.stderr);
        let accounts = format!("{BASE_ACCOUNTS}app:x:1000:1000::/:/sbin/nologin\n");
        let found = in_top_layer(&test_dir.path("image.tar"), path);
        assert_eq!(found, Some((tar::EntryType::Regular, accounts)), "{what}");
    }
}

#[test]
fn users_on_unreadable_accounts_are_refused() {
    let large = format!("{BASE_ACCOUNTS}{}", "#\n".repeat(1 << 19));
    let users = json!({"users": {"app": {"uid": 7, "gid": 7}}});
    let groups = json!({"groups": {"app": {"gid": 7}}});
    let in_group: &[Entry<'_>] = &[Symlink("etc/group", "/srv"), File("srv", &large)];
    for (layer, fields, file, why) in [
        (&[Directory("etc/passwd")][..], &users, "passwd", "is a directory"),
        (
            &[HardLink("etc/passwd", "gone")],
            &users,
            "passwd",
            "is a hard link to a file that is not in the image",
        ),
        (
            &[File("etc/passwd", &large)],
            &users,
            "passwd",
            "has 1048634 bytes; cooper reads at most 1048576",
        ),
        (in_group, &groups, "group", "has 1048634 bytes; cooper reads at most 1048576"),
    ] {
        let (test_dir, output) = build(&[layer], fields.clone());
        let expected_text =
            format!("`users` and `groups` need `/etc/{file}` of the base image, which {why}\n");
        assert!(
            output.code == Some(1) && output.stderr.contains(&expected_text),
            "{expected_text}: {}",
            output.stderr
        );
        assert!(!test_dir.path("image.tar").exists());
    }
    let (_, output) = build(&[in_group], users);
    assert_eq!(output.code, Some(0), "the file is not needed: {}", output.stderr);
}

#[test]
fn absolute_links_of_a_base_become_regular_files() {
    let layer: &[Entry<'_>] = &[
        Directory("etc"),
        Symlink("etc/passwd", "/nix/store/p"),
        File("nix/store/p", BASE_ACCOUNTS),
        Symlink("etc/group", "../srv/g"),
        File("srv/g", "root:x:0:\n"),
    ];
    let (test_dir, output) = build(&[layer], json!({}));
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let found = in_top_layer(&test_dir.path("image.tar"), "etc/passwd");
    assert_eq!(found, Some((tar::EntryType::Regular, BASE_ACCOUNTS.to_owned())));
    assert_eq!(
        in_top_layer(&test_dir.path("image.tar"), "etc/group"),
        None,
        "a runtime follows it"
    );
    let (_, output) = build(&[&[Directory("srv"), Symlink("etc", "/srv")]], json!({}));
    assert!(output.stderr.contains("`/etc` is an absolute link to `/srv`"), "{}", output.stderr);
}
