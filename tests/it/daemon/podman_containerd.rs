//! podman and containerd, which store layers one by one: a change at the bottom sends as much as
//! one at the top.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::containerd::Containerd;
use super::{load, run_config, sent_bytes};
use crate::support::fixture::{Fixture, stderr, stdout};
use crate::support::servers::{Server, in_root, newest_root, unmount_below};

const LARGE: usize = 4_000_000;
const SMALL: usize = 300_000;

/// podman with its own storage.
pub(super) struct Podman {
    pub(super) fixture: Fixture,
    /// The command that starts it: podman itself, or a script that enters its root.
    program: Vec<String>,
}

impl Podman {
    pub(super) fn new() -> Self {
        Self::with_program(|_| vec!["podman".into()])
    }

    pub(super) fn newest() -> Self {
        let root = newest_root();
        Self::with_program(|dir| in_root(&root, dir).into_iter().chain(["podman".into()]).collect())
    }

    fn with_program(program: impl Fn(&Path) -> Vec<String>) -> Self {
        let fixture = Fixture::new();
        let config = "[engine]\nruntime=\"runc\"\ncgroup_manager=\"cgroupfs\"\n\
                      events_logger=\"file\"\n[containers]\n\
                      default_ulimits=[\"nofile=20000:20000\",\"nproc=32768:32768\"]\n";
        std::fs::write(fixture.dir().join("containers.conf"), config).unwrap();
        let program = program(fixture.dir());
        Self { fixture, program }
    }

    pub(super) fn command_line(&self) -> Vec<String> {
        let dir = self.fixture.dir().display();
        let store = format!("--root {dir}/p --runroot {dir}/run --storage-driver vfs");
        self.program.iter().cloned().chain(store.split(' ').map(str::to_owned)).collect()
    }

    pub(super) fn podman(&self, arguments: &[&str]) -> String {
        let words = self.command_line();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(arguments).env("CONTAINERS_CONF", self.config());
        stdout(&command.output().unwrap())
    }

    pub(super) fn config(&self) -> std::path::PathBuf {
        self.fixture.dir().join("containers.conf")
    }

    fn cooper(&self, arguments: &[&str], specs: &[&Path]) -> Command {
        let mut command = self.fixture.cooper();
        let client = self.command_line().join(" ");
        command.env("CONTAINERS_CONF", self.config());
        command.args(["load", "--to", "podman", "--client", &client]).args(arguments).args(specs);
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        unmount_below(self.fixture.dir());
    }
}

#[test]
fn podman_gets_changed_layer_only() {
    assert_changed_layer_only(&Podman::new());
}

#[test]
#[ignore = "needs the root that tests/new-root.sh builds"]
fn newest_podman_gets_changed_layer_only() {
    assert_changed_layer_only(&Podman::newest());
}

fn assert_changed_layer_only(podman: &Podman) {
    let fixture = &podman.fixture;
    let busybox = fixture.busybox();
    let base = fixture.item("base", 1, LARGE);
    let image = |name: &str, bottom: u64| {
        let items = [fixture.item("bottom", bottom, SMALL), base.clone(), busybox.clone()];
        fixture.write_spec(name, "v1", &items, &run_config(&busybox, &format!("{name} {bottom}")))
    };
    let (first, second, other) = (image("a", 1), image("a", 2), image("b", 3));
    let bytes = sent_bytes(&mut podman.cooper(&["--json"], &[&first]))[0].unwrap();
    assert!(bytes > LARGE as u64, "{bytes}");
    let bytes = sent_bytes(&mut podman.cooper(&["--json"], &[&second]))[0].unwrap();
    assert!((SMALL as u64..SMALL as u64 * 12 / 10).contains(&bytes), "{bytes}");
    let run = |name| podman.podman(&["run", "--rm", "--network=none", name]);
    assert_eq!(run("a:v1"), "a 2\n");
    assert_eq!(sent_bytes(&mut podman.cooper(&["--json"], &[&second])), [None]);
    // In a set, the second image does not send the layers of the first one again.
    let both = sent_bytes(&mut podman.cooper(&["--json"], &[&second, &other]));
    assert!(both[0].is_none() && both[1].unwrap() < LARGE as u64 / 2, "{both:?}");
    let (third, fourth) = (image("a", 5), image("c", 6));
    let both = sent_bytes(&mut podman.cooper(&["--json"], &[&third, &fourth]));
    assert!(both.iter().all(|bytes| bytes.unwrap() < LARGE as u64 / 2), "{both:?}");
    assert_eq!(run("b:v1"), "b 3\n");
    // Tags of killed loads, under both names that podman gives to a short name.
    for left in ["docker.io/library/b:cooper-loading-01", "localhost/b:cooper-loading-02"] {
        podman.podman(&["tag", "b:v1", left]);
    }
    assert_eq!(sent_bytes(&mut podman.cooper(&["--json"], &[&other])), [None]);
    let names = podman.podman(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert!(!names.contains("cooper-loading"), "no temporary tag stays: {names}");
}

#[test]
fn podman_unusable_layers_gets_all_layers() {
    let podman = Podman::new();
    let fixture = &podman.fixture;
    let items = [fixture.item("base", 1, LARGE)];
    let gzip = fixture.write_spec("a", "v1", &items, &json!({}));
    // The same files in blobs of other digests. It depends on the version of podman whether it
    // accepts an archive without them; the image must be complete in both cases.
    let plain = json!({"compression": {"algorithm": "none"}, "config": {"Env": ["A=2"]}});
    let plain = fixture.write_spec("a", "v1", &items, &plain);
    sent_bytes(&mut podman.cooper(&["--json"], &[&gzip]));
    let output = podman.cooper(&[], &[&plain]).output().unwrap();
    stderr(&output, 0);
    let id = podman.podman(&["image", "inspect", "--format", "{{.Config.Env}}", "a:v1"]);
    assert_eq!(id.trim(), "[A=2]");
    podman.podman(&["save", "--output", &format!("{}/o.tar", fixture.dir().display()), "a:v1"]);
}

#[test]
fn podman_socket_as_docker_host_loads_a_set() {
    let podman = Podman::new();
    let fixture = &podman.fixture;
    let base = fixture.item("base", 1, LARGE);
    let spec = |name: &str, seed| {
        let items = [base.clone(), fixture.item("app", seed, SMALL)];
        fixture.write_spec(name, "v1", &items, &json!({}))
    };
    let dir = tempfile::Builder::new().prefix("p").tempdir().unwrap();
    let host = format!("unix://{}/s", dir.path().display());
    let words = podman.command_line();
    let mut start = Command::new(&words[0]);
    start.args(&words[1..]).args(["system", "service", "--time=0", &host]);
    start.env("CONTAINERS_CONF", podman.config());
    let mut server = Server::start(&mut start, &dir.path().join("log"));
    server.wait_until(|| dir.path().join("s").exists());
    let sent = load(fixture, &host, &[], &[&spec("a", 1), &spec("b", 2)]);
    assert!(sent[0].unwrap() > LARGE as u64 && sent[1].is_some(), "{sent:?}");
    let names = podman.podman(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert!(names.contains("library/a:v1") && names.contains("library/b:v1"), "{names}");
    assert!(!names.contains("cooper-loading"), "{names}");
}

#[test]
fn load_missing_podman_error_names_the_program() {
    let fixture = Fixture::new();
    let spec = fixture.write_spec("a", "v1", &[], &json!({}));
    let mut command = fixture.cooper();
    command.args(["load", "--to", "podman", "--client", "no-podman-here"]).arg(spec);
    let text = stderr(&command.output().unwrap(), 2);
    assert!(text.contains("no podman answers at `no-podman-here`"), "{text}");
}

#[test]
fn containerd_namespace_gets_changed_layer_only() {
    let fixture = Fixture::new();
    let containerd = Containerd::start(|_| Vec::new());
    let ctr = |arguments: &[&str]| containerd.ctr().args(arguments).output().unwrap();
    let base = fixture.item("base", 1, LARGE);
    let busybox = fixture.busybox();
    let image = |bottom: u64| {
        let items = [fixture.item("bottom", bottom, SMALL), base.clone(), busybox.clone()];
        fixture.write_spec("a", "v1", &items, &run_config(&busybox, &format!("bottom {bottom}")))
    };
    let load = |spec: &Path| {
        let mut command = fixture.cooper();
        command.env("CONTAINERD_ADDRESS", containerd.address()).args([
            "load",
            "--json",
            "--to",
            "containerd",
        ]);
        sent_bytes(command.args(["--namespace", "k8s.io"]).arg(spec))[0]
    };
    assert!(load(&image(1)).unwrap() > LARGE as u64);
    let second = image(2);
    let bytes = load(&second).unwrap();
    assert!((SMALL as u64..SMALL as u64 * 12 / 10).contains(&bytes), "{bytes}");
    assert_eq!(load(&second), None);
    let images = stdout(&ctr(&["--namespace", "k8s.io", "images", "check"]));
    let rows: Vec<&str> = images.lines().skip(1).collect();
    assert_eq!(rows.len(), 1, "one name and no temporary one: {images}");
    assert!(rows[0].starts_with("docker.io/library/a:v1") && rows[0].contains("complete"));
    let run = ["--namespace", "k8s.io", "run", "--rm", "docker.io/library/a:v1", "one"];
    assert_eq!(stdout(&ctr(&run)), "bottom 2\n");
    // containerd stores manifests, so the copy has the same digest.
    let mut copy = fixture.cooper();
    copy.env("CONTAINERD_ADDRESS", containerd.address()).args(["copy", "--namespace", "k8s.io"]);
    stdout(&copy.args(["containerd:a:v1", "out.tar"]).output().unwrap());
    let whole = stdout(&fixture.cooper().args(["validate", "--json", "out.tar"]).output().unwrap());
    let digest = rows[0].split_whitespace().find(|cell| cell.starts_with("sha256:")).unwrap();
    assert!(whole.contains(digest), "{whole}");
    let saved = fixture.dir().join("saved.tar");
    let (export, name) = (["--namespace", "k8s.io", "images", "export"], "docker.io/library/a:v1");
    stdout(&ctr(&[&export[..], &[saved.to_str().unwrap(), name]].concat()));
    let whole = stdout(&fixture.cooper().args(["validate", "saved.tar"]).output().unwrap());
    assert!(whole.lines().all(|line| line.contains("is whole")), "{whole}");
}
