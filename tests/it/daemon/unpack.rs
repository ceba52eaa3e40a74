//! The edge cases of the tar format, unpacked by podman, containerd and Docker.

use std::path::Path;
use std::process::Command;

use super::containerd::Containerd;
use super::podman_containerd::Podman;
use crate::interop::tar_edge_cases::{GZIP, NONE, TarEdgeCases, ZSTD};
use crate::support::fixture::stdout;
use crate::support::servers::{Dockerd, in_root, newest_root};

const ALL: [&str; 3] = [GZIP, ZSTD, NONE];

#[test]
fn podman_unpacks_edge_cases() {
    unpack_with_podman(&Podman::new());
}

#[test]
#[ignore = "needs the root that tests/new-root.sh builds"]
fn newest_podman_unpacks_edge_cases() {
    unpack_with_podman(&Podman::newest());
}

fn unpack_with_podman(podman: &Podman) {
    let archive = podman.fixture.dir().join("edges.tar");
    for compression in ALL {
        let cases = TarEdgeCases::new(compression);
        std::fs::copy(cases.archive(), &archive).unwrap();
        podman.podman(&["load", "--input", archive.to_str().unwrap()]);
        let root = podman.podman(&["image", "mount", "edges:latest"]);
        cases.check(Path::new(root.trim()), &format!("podman, {compression}"));
    }
}

#[test]
fn docker_unpacks_edge_cases() {
    // Docker 20.10 cannot read zstd.
    unpack_with_docker(&Dockerd::start(), &[GZIP, NONE]);
}

#[test]
#[ignore = "needs the root that tests/new-root.sh builds"]
fn newest_docker_both_stores_unpack_edge_cases() {
    for store in [false, true] {
        let config = format!(r#"{{"features":{{"containerd-snapshotter":{store}}}}}"#);
        unpack_with_docker(&Dockerd::start_in(&newest_root(), &config), &ALL);
    }
}

fn unpack_with_docker(docker: &Dockerd, compressions: &[&str]) {
    let run = |arguments: &[&str]| stdout(&docker.docker().args(arguments).output().unwrap());
    for compression in compressions {
        let cases = TarEdgeCases::new(compression);
        run(&["load", "--input", cases.archive().to_str().unwrap()]);
        run(&["create", "--name", compression, "--network=none", "edges:latest", "/none"]);
        let tar = cases.dir().join("export.tar");
        run(&["export", "--output", tar.to_str().unwrap(), compression]);
        cases.check_tar(&tar, &format!("Docker, {compression}"));
    }
}

#[test]
fn containerd_unpacks_edge_cases() {
    unpack_with_containerd(|_| ["unshare", "--mount"].map(str::to_owned).into());
}

#[test]
#[ignore = "needs the root that tests/new-root.sh builds"]
fn newest_containerd_unpacks_edge_cases() {
    unpack_with_containerd(|dir| in_root(&newest_root(), dir).into());
}

/// Imports an archive and writes its mounted tree into a tar with all attributes.
const MOUNTED: &str = r#"set -e
ctr="ctr --address $1/s"
$ctr images import "$1/edges.tar" >&2
mkdir -p "$1/mounted"
$ctr images mount docker.io/library/edges:latest "$1/mounted" >&2
tar --create --file "$1/mounted.tar" --xattrs '--xattrs-include=*' -C "$1/mounted" .
$ctr images unmount --rm "$1/mounted" >&2
"#;

fn unpack_with_containerd(before: impl Fn(&Path) -> Vec<String>) {
    let containerd = Containerd::start(before);
    for compression in ALL {
        let cases = TarEdgeCases::new(compression);
        std::fs::copy(cases.archive(), containerd.dir().join("edges.tar")).unwrap();
        let mut shell = containerd.command("sh");
        shell.args(["-c", MOUNTED, "sh"]).arg(containerd.dir());
        stdout(&shell.output().unwrap());
        let tar = containerd.dir().join("mounted.tar");
        cases.check_tar(&tar, &format!("containerd, {compression}"));
    }
}

#[test]
#[ignore = "needs the root that tests/new-root.sh builds"]
fn newest_umoci_and_crane_unpack_edge_cases() {
    let root = newest_root();
    for compression in ALL {
        let cases = TarEdgeCases::new(compression);
        let script = r#"set -e
            umoci unpack --image "$1/layout:latest" "$1/bundle"
            crane export - "$1/export.tar" <"$1/image.tar""#;
        let words = in_root(&root, cases.dir());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["sh", "-c", script, "sh"]).arg(cases.dir());
        stdout(&command.output().unwrap());
        cases.check(&cases.dir().join("bundle/rootfs"), &format!("umoci, {compression}"));
        cases.check_tar(&cases.dir().join("export.tar"), &format!("crane, {compression}"));
    }
}
