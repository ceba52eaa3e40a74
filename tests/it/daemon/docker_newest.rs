//! The newest Docker with both of its image stores; see `newest_root`.

use std::process::Command;

use serde_json::json;

use super::{load, run_config};
use crate::support::fixture::{Fixture, stderr, stdout};
use crate::support::servers::{Dockerd, newest_root};

const LARGE: usize = 4_000_000;
const SMALL: usize = 300_000;

fn start_graph_driver() -> Dockerd {
    Dockerd::start_in(&newest_root(), r#"{"features":{"containerd-snapshotter":false}}"#)
}

fn start_containerd_store() -> Dockerd {
    Dockerd::start_in(&newest_root(), r#"{"features":{"containerd-snapshotter":true}}"#)
}

fn container_output(docker: &Dockerd, image: &str) -> String {
    let run = ["run", "--rm", "--network=none", image];
    stdout(&docker.docker().args(run).output().unwrap())
}

#[test]
#[ignore = "needs the root that tests/new-root.sh builds"]
fn newest_graph_driver_resends_from_changed_layer_up() {
    let docker = start_graph_driver();
    let fixture = Fixture::new();
    let busybox = fixture.busybox();
    let base = fixture.item("base", 1, LARGE);
    let image = |app: u64| {
        let items = [base.clone(), busybox.clone(), fixture.item("app", app, SMALL)];
        fixture.write_spec("a", "v1", &items, &run_config(&busybox, &format!("app {app}")))
    };
    load(&fixture, &docker.host(), &[], &[&image(1)]);
    let bytes = load(&fixture, &docker.host(), &[], &[&image(2)])[0].unwrap();
    assert!((SMALL as u64..SMALL as u64 * 12 / 10).contains(&bytes), "{bytes}");
    assert_eq!(container_output(&docker, "a:v1"), "app 2\n");
    assert_eq!(load(&fixture, &docker.host(), &[], &[&image(2)]), [None]);
}

#[test]
#[ignore = "needs the root that tests/new-root.sh builds"]
fn newest_containerd_store_gets_changed_layer_only() {
    let docker = start_containerd_store();
    let fixture = Fixture::new();
    let busybox = fixture.busybox();
    let base = fixture.item("base", 1, LARGE);
    let image = |name: &str, bottom: u64| {
        let items = [fixture.item("bottom", bottom, SMALL), base.clone(), busybox.clone()];
        fixture.write_spec(name, "v1", &items, &run_config(&busybox, &format!("{name} {bottom}")))
    };
    let (first, other) = (image("a", 1), image("b", 1));
    let sent = load(&fixture, &docker.host(), &[], &[&first, &other]);
    assert!(sent[0].unwrap() > LARGE as u64 && sent[1].unwrap() < SMALL as u64, "{sent:?}");
    let second = image("a", 2);
    let bytes = load(&fixture, &docker.host(), &[], &[&second])[0].unwrap();
    assert!((SMALL as u64..SMALL as u64 * 12 / 10).contains(&bytes), "{bytes}");
    assert_eq!(container_output(&docker, "a:v1"), "a 2\n");
    assert_eq!(container_output(&docker, "b:v1"), "b 1\n");
    assert_eq!(load(&fixture, &docker.host(), &[], &[&second, &other]), [None, None]);
    let tags = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
    let tags = stdout(&docker.docker().args(tags).output().unwrap());
    assert!(!tags.contains("cooper-loading"), "{tags}");
}

#[test]
#[ignore = "needs the root that tests/new-root.sh builds"]
fn containerd_store_broken_image_gets_no_tag() {
    let docker = start_containerd_store();
    let fixture = Fixture::new();
    let busybox = fixture.busybox();
    let items = [fixture.item("base", 1, LARGE), busybox.clone()];
    let mut rest = run_config(&busybox, "one");
    load(&fixture, &docker.host(), &[], &[&fixture.write_spec("a", "v1", &items, &rest)]);
    // The same files in blobs that the store does not have. Docker reports success for an archive
    // without them.
    rest = run_config(&busybox, "two");
    rest["compression"] = json!({"algorithm": "none"});
    let mut command = fixture.cooper();
    command.env("DOCKER_HOST", docker.host()).arg("load");
    let second = fixture.write_spec("a", "v1", &items, &rest);
    let text = stderr(&command.arg(&second).output().unwrap(), 0);
    assert!(text.contains("did not take the missing layers alone"), "{text}");
    assert_eq!(container_output(&docker, "a:v1"), "two\n");
    assert_eq!(load(&fixture, &docker.host(), &[], &[&second]), [None]);
}

#[test]
#[ignore = "needs the root that tests/new-root.sh builds"]
fn load_replaces_image_left_broken_by_other_tool() {
    let docker = start_containerd_store();
    let fixture = Fixture::new();
    let busybox = fixture.busybox();
    let items = [fixture.item("base", 1, LARGE), busybox.clone()];
    let spec = fixture.write_spec("a", "v1", &items, &run_config(&busybox, "well"));
    let archive = fixture.dir().join("whole.tar");
    stdout(&fixture.cooper().arg("build").arg(&spec).arg("-o").arg(&archive).output().unwrap());
    // `docker load` reports success for an archive without its largest blob, the base.
    let script = "set -e; mkdir whole; tar -xf whole.tar -C whole; cd whole
        rm blobs/sha256/$(ls -S blobs/sha256 | head -n 1); tar -cf ../gap.tar *";
    let mut shell = Command::new("sh");
    stdout(&shell.args(["-c", script]).current_dir(fixture.dir()).output().unwrap());
    let mut load_gap = docker.docker();
    load_gap.args(["load", "-i"]).arg(fixture.dir().join("gap.tar")).output().unwrap();
    stdout(&docker.docker().args(["image", "inspect", "a:v1"]).output().unwrap());
    assert!(load(&fixture, &docker.host(), &[], &[&spec])[0].unwrap() > LARGE as u64);
    assert_eq!(container_output(&docker, "a:v1"), "well\n");
}
