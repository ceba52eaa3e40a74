//! Copies between daemons, and between daemons and files.

use std::process::Command;

use serde_json::Value;

use super::podman_containerd::Podman;
use super::run_config;
use crate::support::fixture::{Fixture, stderr, stdout};
use crate::support::servers::Dockerd;

/// Returns the diff ids, bottom first, and the digest of the config of the only image in a file.
fn content(fixture: &Fixture, file: &str) -> Vec<String> {
    let whole = fixture.cooper().args(["validate", file]).output().unwrap();
    assert!(stdout(&whole).contains("is whole"));
    let layout = format!("{file}.layout");
    stdout(&fixture.cooper().args(["copy", file, &format!("oci:{layout}")]).output().unwrap());
    let blob = |digest: &str| -> Value {
        let name = digest.replace(':', "/");
        let path = fixture.dir().join(&layout).join("blobs").join(name);
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let index = std::fs::read(fixture.dir().join(&layout).join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let manifest = blob(index["manifests"][0]["digest"].as_str().unwrap());
    let config = manifest["config"]["digest"].as_str().unwrap();
    let diff_ids = blob(config)["rootfs"]["diff_ids"].clone();
    let mut all: Vec<String> = serde_json::from_value(diff_ids).unwrap();
    all.push(config.into());
    all
}

/// The image is copied into Docker and podman and out again.
#[test]
fn copy_through_docker_and_podman_keeps_content() {
    let (docker, podman) = (Dockerd::start(), Podman::new());
    let fixture = &podman.fixture;
    let busybox = fixture.busybox();
    let items = [fixture.item("base", 1, 300_000), busybox.clone()];
    let spec = fixture.write_spec("app", "v1", &items, &run_config(&busybox, "moved"));
    stdout(&fixture.cooper().arg("build").arg(spec).args(["-o", "a.tar"]).output().unwrap());
    let expected = content(fixture, "a.tar");
    let client = podman.command_line().join(" ");
    let copy = |arguments: &[&str]| -> Command {
        let mut command = fixture.cooper();
        command.env("DOCKER_HOST", docker.host()).env("CONTAINERS_CONF", podman.config());
        command.arg("copy").args(arguments);
        command
    };
    stdout(&copy(&["a.tar", "docker-daemon:team/app:v7"]).output().unwrap());
    let run = ["run", "--rm", "--network=none", "team/app:v7"];
    assert_eq!(stdout(&docker.docker().args(run).output().unwrap()), "moved\n");
    // Newer versions of Docker write a layout and a Docker archive into one file.
    let saved = fixture.dir().join("saved.tar");
    let save = ["save", "team/app:v7", "-o", saved.to_str().unwrap()];
    stdout(&docker.docker().args(save).output().unwrap());
    assert_eq!(content(fixture, "saved.tar"), expected);
    stdout(&copy(&["docker-daemon:team/app:v7", "b.tar"]).output().unwrap());
    assert_eq!(content(fixture, "b.tar"), expected);

    stdout(&copy(&["--client", &client, "b.tar", "podman:app:v8"]).output().unwrap());
    assert_eq!(podman.podman(&["run", "--rm", "--network=none", "app:v8"]), "moved\n");
    stdout(&copy(&["--client", &client, "podman:app:v8", "c.tar"]).output().unwrap());
    assert_eq!(content(fixture, "c.tar"), expected);
    // Both daemons store layers uncompressed, so the manifest differs.
    let digest = |file: &str| {
        let checked = fixture.cooper().args(["validate", "--json", file]).output().unwrap();
        let checked: Value = serde_json::from_str(&stdout(&checked)).unwrap();
        checked[0]["images"][0]["digest"].clone()
    };
    assert_ne!(digest("b.tar"), digest("a.tar"));
    assert_ne!(digest("c.tar"), digest("a.tar"));

    // An image that is present is not sent again.
    let again = copy(&["a.tar", "docker-daemon:team/app:v7"]).output().unwrap();
    let text = stderr(&again, 0);
    assert!(text.contains("team/app is in Docker already, nothing was sent"), "{text}");
}

#[test]
fn copy_missing_daemon_image_error_leaves_no_file() {
    let (fixture, docker) = (Fixture::new(), Dockerd::start());
    let mut command = fixture.cooper();
    command.env("DOCKER_HOST", docker.host());
    let output = command.args(["copy", "docker-daemon:gone:v1", "out.tar"]).output().unwrap();
    let text = stderr(&output, 2);
    assert!(text.contains("Docker failed to save `gone:v1`"), "{text}");
    assert!(text.contains("reference does not exist") || text.contains("o such image"), "{text}");
    assert!(!fixture.dir().join("out.tar").exists());
}
