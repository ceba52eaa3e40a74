//! Waits for locks that another process holds.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::command::{CommandOutput, TestDir};

/// Starts a process that holds a lock until its standard input ends.
fn hold_lock(path: &Path) -> Child {
    let mut command = Command::new("flock");
    command.arg("-x").arg(path).args(["sh", "-c", "echo held; read end"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    child
}

fn release(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

fn test_dir() -> TestDir {
    let test_dir = TestDir::new();
    test_dir.store_file("a", "x", "one");
    test_dir.write_spec(&["a"], serde_json::json!({"compression": {"algorithm": "gzip"}}));
    test_dir
}

/// Removes the records and blobs of the cache, and creates a lock file for each layer.
fn remove_layers(test_dir: &TestDir) -> Vec<PathBuf> {
    let version =
        std::fs::read_dir(test_dir.path("cache/cooper")).unwrap().next().unwrap().unwrap();
    let records: Vec<PathBuf> = std::fs::read_dir(version.path().join("layers"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let claim = |record: PathBuf| {
        std::fs::remove_file(&record).unwrap();
        let key = record.file_name().unwrap().to_str().unwrap().to_owned();
        let claim = version.path().join("tmp").join(format!("{key}.lock"));
        std::fs::write(&claim, "").unwrap();
        claim
    };
    records.into_iter().map(claim).collect()
}

#[test]
fn lock_timeout_error_names_the_holder() {
    let test_dir = test_dir();
    test_dir.build_archive();
    let layout = ["build", "spec.json", "--format", "layout", "-o", "layout"];
    test_dir.cooper(&layout).assert_success();
    let version =
        std::fs::read_dir(test_dir.path("cache/cooper")).unwrap().next().unwrap().unwrap();
    let plan = ["plan", "spec.json", "--write-lock=locks/layers.lock.json"];
    std::fs::create_dir(test_dir.path("locks")).unwrap();
    let build = ["build", "spec.json", "-o", "again.tar"];
    let ends = |path: &Path, args: &[&str]| {
        let hold_lock = hold_lock(path);
        let result = test_dir.cooper(&[args, &["--lock-timeout", "0"]].concat());
        let expected_text =
            format!("process {} (`flock`) still holds it after 0 s", hold_lock.id());
        result.assert_failure(2, &[&expected_text, "failed to lock `"]);
        release(hold_lock);
        test_dir.cooper(&[args, &["--lock-timeout", "60"]].concat()).assert_success();
    };
    ends(&test_dir.path("layout"), &layout);
    ends(&test_dir.path("locks"), &plan);
    ends(&version.path().join("lock"), &build);
    ends(&version.path().join("lock"), &["cache", "gc"]);
    let remove_layers = remove_layers(&test_dir);
    ends(&remove_layers[0], &build);
    assert!(!remove_layers[0].exists(), "the layer was made");
}

#[test]
fn lock_wait_prints_a_warning() {
    let test_dir = test_dir();
    std::fs::create_dir(test_dir.path("layout")).unwrap();
    let held = hold_lock(&test_dir.path("layout"));
    let mut command =
        test_dir.command(&["build", "spec.json", "--format", "layout", "-o", "layout"]);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let warning = lines.next().unwrap();
    let expected_text = format!(
        "warning: the lock `layout` is held by process {} (`flock`), which is waited for",
        held.id()
    );
    assert_eq!(warning, expected_text);
    release(held);
    assert!(child.wait().unwrap().success());
    assert!(!lines.any(|line| line.contains("warning")));
}

/// Starts a server that answers the first requests like Docker, and no later ones.
fn start_silent_docker() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut connection = BufReader::new(connection);
                loop {
                    let mut request = String::new();
                    while !request.ends_with("\r\n\r\n") {
                        if connection.read_line(&mut request).unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let known = ["/_ping", "/info", "/images/json"];
                    let body = match known.iter().position(|path| request.contains(path)) {
                        Some(2) => "[]",
                        Some(_) => "{}",
                        // The connection stays open.
                        None => continue,
                    };
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\napi-version: 1.41\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = connection.get_mut().write_all(answer.as_bytes());
                }
            });
        }
    });
    host
}

#[test]
fn load_waits_for_a_load_of_the_same_image() {
    let test_dir = test_dir();
    let host = start_silent_docker();
    let load = |args: &[&str]| {
        let mut command = test_dir.command(&[&["load", "spec.json"], args].concat());
        command.env("DOCKER_HOST", &host).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let mut first = load(&[]).spawn().unwrap();
    // The load takes its lock before it asks for the image.
    let locked = || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        let files = std::fs::read_dir(format!("/proc/{}/fd", first.id())).unwrap().flatten();
        let is_lock = |path: &PathBuf| {
            std::fs::read_link(path).is_ok_and(|name| name.display().to_string().contains("/load-"))
        };
        let mut files = files.map(|file| file.path()).filter(is_lock);
        let number = |path: PathBuf| std::fs::metadata(path).map(|meta| meta.ino()).ok();
        files.find_map(number).is_some_and(|number| locks.contains(&format!(":{number} ")))
    };
    while !locked() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let second = CommandOutput::new(load(&["--lock-timeout", "0"]).output().unwrap());
    let expected_text = format!("process {} (`cooper load`) still holds it after 0 s", first.id());
    second.assert_failure(2, &[&expected_text]);
    first.kill().unwrap();
    first.wait().unwrap();
}
