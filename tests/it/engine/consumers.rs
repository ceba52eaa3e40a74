//! Section C of the faults, as other programs read it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::{GZIP, House, NONE, noise, run, succeeded, tree};

/// Everything about names, links and sizes that tars get wrong.
fn lay_out(house: &House) {
    house.fill(3, 100_000);
    let root = house.store_path(0);
    // Two gzip members and more.
    fs::write(root.join("members"), noise(3, 3_500_000)).unwrap();
    let depth = root.as_os_str().len() - 1;
    for length in [99, 100, 101, 155, 156, 255, 256, 257, 1000, 4000] {
        let mut path = root.as_os_str().as_bytes().to_vec();
        while path.len() - 1 < length.max(depth + 3) - 1 {
            let name = (length - (path.len() - 1)).saturating_sub(1).clamp(1, 200);
            path.push(b'/');
            path.extend(std::iter::repeat_n(b'n', name));
        }
        let path = std::path::Path::new(OsStr::from_bytes(&path)).to_path_buf();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if !path.exists() {
            fs::write(path, format!("{length}")).unwrap();
        }
    }
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
        ("dangling", "/nowhere".into()),
        ("loop", "loop".into()),
        ("100", "t".repeat(100)),
        ("101", "t".repeat(101)),
        ("4095", "t".repeat(4095)),
    ] {
        std::os::unix::fs::symlink(target, root.join(format!("link-{name}"))).unwrap();
    }
}

#[test]
fn umoci_unpacks_the_tree_that_went_in() {
    // faults 25, 33 to 36, 44, 45, 50
    for compression in [GZIP, NONE] {
        let house = House::new();
        lay_out(&house);
        house.spec(compression);
        succeeded(&house.build(&[], "layout", &["--format", "layout"]).output().unwrap());
        let image = format!("{}:latest", house.path("layout").display());
        let bundle = house.path("bundle");
        run("umoci", &[&"unpack", &"--rootless", &"--image", &image, &bundle]);
        let store = house.path("store");
        let below = store.strip_prefix("/").unwrap();
        let unpacked = bundle.join("rootfs").join(below);
        assert!(tree(&unpacked) == tree(&store), "{compression}");
        run("chmod", &[&"-R", &"u+w", &bundle]);
    }
}

#[test]
fn skopeo_and_gnu_tools_read_archive_and_blobs() {
    let house = House::new();
    lay_out(&house);
    house.spec(GZIP);
    succeeded(&house.build(&[], "out.tar", &[]).output().unwrap());
    let archive = format!("oci-archive:{}", house.path("out.tar").display());
    let copy = format!("dir:{}", house.path("copy").display());
    run("skopeo", &[&"copy", &"-q", &"--insecure-policy", &archive, &copy]);
    let docker = format!("docker-archive:{}", house.path("out.tar").display());
    let copy = format!("dir:{}", house.path("copy-of-docker").display());
    run("skopeo", &[&"copy", &"-q", &"--insecure-policy", &docker, &copy]);
    let out = house.path("unpacked");
    fs::create_dir(&out).unwrap();
    let manifest = fs::read(house.path("copy/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    for layer in manifest["layers"].as_array().unwrap() {
        let hex = layer["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let blob = house.path("copy").join(hex);
        run("sh", &[&"-c", &"gzip --test < \"$0\"", &blob]);
        run("tar", &[&"--extract", &"--gzip", &"--file", &blob, &"--directory", &out]);
    }
    let store = house.path("store");
    let unpacked = out.join(store.strip_prefix("/").unwrap());
    assert!(tree(&unpacked) == tree(&store));
    run("chmod", &[&"-R", &"u+w", &out]);
}
