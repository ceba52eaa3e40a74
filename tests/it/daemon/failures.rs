//! Daemons that are missing, die, or lose their client during a load.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::{load, run_config};
use crate::cache_damage;
use crate::support::fixture::{Fixture, stderr, stdout};
use crate::support::servers::{Dockerd, signal};

#[test]
fn load_no_daemon_error_has_cause_and_hint() {
    let fixture = Fixture::new();
    let spec = fixture.write_spec("a", "v1", &[], &json!({}));
    let load = |host: String| {
        let mut command = fixture.cooper();
        stderr(&command.env("DOCKER_HOST", host).arg("load").arg(&spec).output().unwrap(), 2)
    };
    let missing = load(format!("unix://{}/none", fixture.dir().display()));
    assert!(missing.starts_with("error: no Docker answers at `unix://"), "{missing}");
    assert!(missing.contains("No such file") && missing.contains("hint: start it"), "{missing}");
    let dead = fixture.dir().join("dead");
    drop(UnixListener::bind(&dead).unwrap());
    let dead = load(format!("unix://{}", dead.display()));
    assert!(dead.contains("refused") && dead.contains("nobody listens there"), "{dead}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let wrong = load(format!("tcp://{free}"));
    assert!(wrong.contains("refused") && wrong.contains("or name another place"), "{wrong}");
    assert!(!wrong.contains("the place is right"), "{wrong}");
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in stranger.incoming().map_while(Result::ok) {
            let mut connection = connection;
            let mut request = [0; 4096];
            let _ = connection.read(&mut request);
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let stranger = load(format!("tcp://127.0.0.1:{port}"));
    assert!(stranger.contains("does not say that it is Docker"), "{stranger}");
}

#[test]
fn load_socket_without_permission_names_the_group() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    let spec = fixture.write_spec("a", "v1", &[], &json!({}));
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let socket = fixture.dir().join("s");
    let _listener = UnixListener::bind(&socket).unwrap();
    open(&socket, 0o600);
    open(fixture.dir(), 0o755);
    // Another user may not be able to read the build directory.
    let binary = fixture.dir().join("cooper");
    std::fs::copy(env!("CARGO_BIN_EXE_cooper"), &binary).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(binary)
        .args(["--cache", "none", "load"])
        .arg(spec)
        .env("DOCKER_HOST", format!("unix://{}", socket.display()));
    let text = stderr(&command.output().unwrap(), 2);
    assert!(text.contains("ermission denied") && text.contains("join its group"), "{text}");
}

#[test]
fn load_or_save_archives_equal_build_and_load_later() {
    let (fixture, docker) = (Fixture::new(), Dockerd::start());
    let busybox = fixture.busybox();
    let items = [fixture.item("base", 1, 300_000), busybox.clone()];
    let spec = fixture.write_spec("team/a", "v1", &items, &run_config(&busybox, "a"));
    let mut command = fixture.cooper();
    command.env("DOCKER_HOST", "unix:///none").args(["load", "--or-save", "images"]).arg(&spec);
    let text = stderr(&command.output().unwrap(), 0);
    let built = fixture.cooper().arg("build").arg(&spec).args(["-o", "built.tar"]).output();
    stdout(&built.unwrap());
    let bytes = |name: &str| std::fs::read(fixture.dir().join(name)).unwrap();
    assert!(bytes("built.tar") == bytes("images/team_a.tar"));
    assert!(text.contains("`docker load -i images/team_a.tar`"), "{text}");
    let mut docker_load = docker.docker();
    docker_load.args(["load", "-i"]).arg(fixture.dir().join("images/team_a.tar"));
    stdout(&docker_load.output().unwrap());
    let run = ["run", "--rm", "--network=none", "team/a:v1"];
    assert_eq!(stdout(&docker.docker().args(run).output().unwrap()), "a\n");
}

#[test]
fn load_unknown_name_lists_known_names() {
    let fixture = Fixture::new();
    let specs = ["a", "b"].map(|name| fixture.write_spec(name, "v1", &[], &json!({})));
    let mut command = fixture.cooper();
    let text = stderr(&command.args(["load", "--only", "c"]).args(&specs).output().unwrap(), 1);
    assert!(text.contains("`--only c`") && text.contains("there are a, b"), "{text}");
    let twice = fixture.write_spec("a", "v1", &[], &json!({}));
    let mut command = fixture.cooper();
    let text = stderr(&command.arg("load").args(&specs).arg(&twice).output().unwrap(), 1);
    assert!(text.contains("two of the specs define `a:v1`"), "{text}");
}

/// The number of bytes of an archive that pass before the interruption.
const MIDDLE_OF_ARCHIVE: u64 = 3_000_000;
const LARGE: usize = 12_000_000;

#[test]
fn load_killed_midway_keeps_old_tag() {
    let (fixture, docker) = (Fixture::new(), Dockerd::start());
    let busybox = fixture.busybox();
    let image = |seed: u64| {
        let items = [busybox.clone(), fixture.item("app", seed, LARGE)];
        fixture.write_spec("backend", "v1", &items, &run_config(&busybox, &format!("app {seed}")))
    };
    load(&fixture, &docker.host(), &[], &[&image(1)]);
    let relay = fixture.dir().join("relay");
    let listener = UnixListener::bind(&relay).unwrap();
    let mut command = fixture.cooper();
    command.env("DOCKER_HOST", format!("unix://{}", relay.display())).arg("load").arg(image(2));
    let mut cooper = command.stderr(Stdio::null()).spawn().unwrap();
    let id = cooper.id();
    relay_until(listener, docker.dir().join("s"), move || signal(id, "KILL"));
    assert!(!cooper.wait().unwrap().success(), "it was killed before it was done");
    let run = ["run", "--rm", "--network=none", "backend:v1"];
    assert_eq!(stdout(&docker.docker().args(run).output().unwrap()), "app 1\n");
    load(&fixture, &docker.host(), &[], &[&image(2)]);
    assert_eq!(stdout(&docker.docker().args(run).output().unwrap()), "app 2\n");
}

#[test]
fn load_removes_tags_of_ended_loads() {
    let (fixture, docker) = (Fixture::new(), Dockerd::start());
    let image =
        |text: &str| fixture.write_spec("team/a", "v1", &[], &json!({"config": {"Env": [text]}}));
    let (first, second) = (image("A=1"), image("A=2"));
    let tags = || {
        let arguments = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
        let listed = stdout(&docker.docker().args(arguments).output().unwrap());
        let mut tags: Vec<String> = listed.lines().map(str::to_owned).collect();
        tags.sort();
        tags
    };
    load(&fixture, &docker.host(), &[], &[&first]);
    let theirs = "team/a:cooper-loading-0123-01234567";
    for left in ["team/a:cooper-loading-0123456789abcdef0123", theirs, "b:cooper-loading-01"] {
        stdout(&docker.docker().args(["tag", "team/a:v1", left]).output().unwrap());
    }
    // The first image is present, and another version of it is not.
    for spec in [&first, &second] {
        load(&fixture, &docker.host(), &[], &[spec]);
        // A load from another machine may still run, and so may one of another name.
        assert_eq!(tags(), ["b:cooper-loading-01", theirs, "team/a:v1"]);
    }
}

#[test]
fn daemon_dies_midway_error_moves_no_tag() {
    let (fixture, mut docker) = (Fixture::new(), Dockerd::start());
    let spec = fixture.write_spec("backend", "v1", &[fixture.item("app", 1, LARGE)], &json!({}));
    let relay = fixture.dir().join("relay");
    let listener = UnixListener::bind(&relay).unwrap();
    let id = docker.server().id();
    let mut command = fixture.cooper();
    command.env("DOCKER_HOST", format!("unix://{}", relay.display())).arg("load").arg(spec);
    let socket = docker.dir().join("s");
    let relayed = std::thread::spawn(move || relay_until(listener, socket, || signal(id, "KILL")));
    let text = stderr(&command.output().unwrap(), 2);
    assert!(text.contains("failed to load; no tag was moved"), "{text}");
    assert!(text.contains("Docker failed to load the archive"), "{text}");
    relayed.join().unwrap();
}

/// Relays between cooper and a daemon until [`MIDDLE_OF_ARCHIVE`] bytes of one connection have
/// reached the daemon; then calls `middle` and stops.
fn relay_until(listener: UnixListener, to: std::path::PathBuf, middle: impl FnOnce()) {
    let (tell, messages) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = UnixStream::connect(&to) else { return };
            let (mut back_from, mut back_to) =
                (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut back_from, &mut back_to);
                let _ = back_to.shutdown(std::net::Shutdown::Both);
            });
            let tell = tell.clone();
            std::thread::spawn(move || forward(client, server, &tell));
        }
    });
    messages.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
    middle();
}

fn forward(mut from: UnixStream, mut to: UnixStream, tell: &std::sync::mpsc::Sender<()>) {
    let mut buffer = vec![0; 64 << 10];
    let mut passed = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
        passed += count as u64;
        if passed > MIDDLE_OF_ARCHIVE {
            // The receiver may have ended already.
            let _ = tell.send(());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn load_damaged_cache_image_is_whole() {
    let (fixture, docker) = (Fixture::new(), Dockerd::start());
    let spec = fixture.write_spec("app", "v1", &[cache_damage::item(&fixture)], &json!({}));
    let build = fixture.cooper().arg("build").arg(&spec).args(["-o", "good.tar"]).output();
    stderr(&build.unwrap(), 0);
    cache_damage::damage(&fixture);
    let mut load = fixture.cooper();
    load.env("DOCKER_HOST", docker.host()).arg("load").arg(&spec);
    cache_damage::assert_damage_warning(&load.output().unwrap(), 0);
    let inspect = docker.docker().args(["image", "inspect", "app:v1"]).output().unwrap();
    assert!(inspect.status.success());
}
