//! Docker with its graph driver, which stores layers by chain id.

use serde_json::json;

use super::{load, run_config};
use crate::support::fixture::{Fixture, stderr, stdout};
use crate::support::servers::Dockerd;

const LARGE: usize = 4_000_000;
const SMALL: usize = 300_000;

#[test]
fn loaded_image_runs_and_is_not_sent_twice() {
    let (fixture, docker) = (Fixture::new(), Dockerd::start());
    let busybox = fixture.busybox();
    let items = [fixture.item("base", 1, LARGE), busybox.clone()];
    let spec = fixture.write_spec("backend", "v1", &items, &run_config(&busybox, "well"));
    let first = load(&fixture, &docker.host(), &[], &[&spec]);
    assert!(first[0].unwrap() > LARGE as u64);
    let run = ["run", "--rm", "--network=none", "backend:v1"];
    assert_eq!(stdout(&docker.docker().args(run).output().unwrap()), "well\n");
    let mut again = fixture.cooper();
    let again = again.env("DOCKER_HOST", docker.host()).arg("load").arg(&spec).output().unwrap();
    let text = stderr(&again, 0);
    assert!(text.contains("backend is in Docker already, nothing was sent"), "{text}");
    // Another tag of the same image does not send it again.
    assert_eq!(load(&fixture, &docker.host(), &["--tag", "v2"], &[&spec]), [None]);
    let run = ["run", "--rm", "--network=none", "backend:v2"];
    assert_eq!(stdout(&docker.docker().args(run).output().unwrap()), "well\n");
    let tags = ["images", "--all", "--format", "{{.Repository}}:{{.Tag}}"];
    let tags = stdout(&docker.docker().args(tags).output().unwrap());
    assert_eq!(tags.lines().count(), 2, "no temporary tag stays: {tags}");
}

#[test]
fn load_zstd_into_old_docker_names_the_reason() {
    let (fixture, docker) = (Fixture::new(), Dockerd::start());
    let zstd = json!({"compression": {"algorithm": "zstd"}});
    let spec = fixture.write_spec("backend", "v1", &[fixture.item("base", 1, SMALL)], &zstd);
    let mut command = fixture.cooper();
    command.env("DOCKER_HOST", docker.host()).arg("load").arg(&spec);
    let text = stderr(&command.output().unwrap(), 2);
    assert!(text.contains("no tag was moved") && text.contains("cannot read zstd"), "{text}");
}

#[test]
fn docker_changed_layer_resends_from_there_up() {
    let (fixture, docker) = (Fixture::new(), Dockerd::start());
    let busybox = fixture.busybox();
    let base = fixture.item("base", 1, LARGE);
    let image = |app: u64| {
        let items = [base.clone(), busybox.clone(), fixture.item("app", app, SMALL)];
        fixture.write_spec(
            "backend",
            "latest",
            &items,
            &run_config(&busybox, &format!("app {app}")),
        )
    };
    load(&fixture, &docker.host(), &[], &[&image(1)]);
    let mut second = fixture.cooper();
    second.env("DOCKER_HOST", docker.host()).arg("load").arg(image(2));
    let text = stderr(&second.output().unwrap(), 0);
    assert!(text.contains("backend:latest named another image before, sha256:"), "{text}");
    let third = load(&fixture, &docker.host(), &[], &[&image(3)]);
    let bytes = third[0].unwrap();
    assert!((SMALL as u64..SMALL as u64 * 12 / 10).contains(&bytes), "{bytes}");
    let run = ["run", "--rm", "--network=none", "backend"];
    assert_eq!(stdout(&docker.docker().args(run).output().unwrap()), "app 3\n");
    // A new release finds the layers of older ones.
    let release = load(&fixture, &docker.host(), &["--tag", "v9"], &[&image(4)]);
    assert!(release[0].unwrap() < SMALL as u64 * 12 / 10, "{release:?}");
}

#[test]
fn docker_set_shared_layer_is_sent_once() {
    let (fixture, docker) = (Fixture::new(), Dockerd::start());
    let busybox = fixture.busybox();
    let base = fixture.item("base", 1, LARGE);
    let spec = |name: &str, seed| {
        let items = [base.clone(), busybox.clone(), fixture.item("app", seed, SMALL)];
        fixture.write_spec(name, "v1", &items, &run_config(&busybox, name))
    };
    let specs = [spec("one", 1), spec("two", 2)];
    let sent = load(&fixture, &docker.host(), &[], &[&specs[0], &specs[1]]);
    assert!(sent[0].unwrap() > LARGE as u64 && sent[1].unwrap() < LARGE as u64 / 2, "{sent:?}");
    // An image that joins the set later shares the layers of the others.
    let late = [specs[0].as_path(), &spec("three", 3)];
    let sent = load(&fixture, &docker.host(), &[], &late);
    assert!(sent[0].is_none() && sent[1].unwrap() < LARGE as u64 / 2, "{sent:?}");
    for name in ["one", "two", "three"] {
        let run = ["run", "--rm", "--network=none", &format!("{name}:v1")];
        assert_eq!(stdout(&docker.docker().args(run).output().unwrap()), format!("{name}\n"));
    }
}

#[test]
fn list_shows_docker_image_of_each_reference() {
    let (fixture, docker) = (Fixture::new(), Dockerd::start());
    let image = |seed| fixture.write_spec("a", "v1", &[fixture.item("x", seed, 1000)], &json!({}));
    let list = |spec| {
        let mut list = fixture.cooper();
        list.env("DOCKER_HOST", docker.host()).arg("list").arg(spec);
        stdout(&list.output().unwrap())
    };
    let (one, two) = (image(1), image(2));
    assert!(list(&one).contains("not there"), "{}", list(&one));
    load(&fixture, &docker.host(), &[], &[&one]);
    assert!(list(&one).contains("this image"), "{}", list(&one));
    assert!(list(&two).contains("another: sha256:"), "{}", list(&two));
}

#[test]
fn docker_image_list_is_always_filtered() {
    let fixture = Fixture::new();
    let mut docker = Dockerd::start_with(&["--debug"]);
    let image = |seed| fixture.write_spec("a", "v1", &[fixture.item("x", seed, 1000)], &json!({}));
    load(&fixture, &docker.host(), &[], &[&image(1)]);
    load(&fixture, &docker.host(), &[], &[&image(2)]);
    let log = docker.server().log();
    let lists: Vec<&str> =
        log.lines().filter(|line| line.contains("Calling GET /images/json")).collect();
    assert_eq!(lists.len(), 2, "{log}");
    assert!(lists.iter().all(|line| line.contains("filters=") && line.contains("reference")));
}
