//! With which code a process ends, and what it says then: a reader that leaves early is no error,
//! and the machine's faults are not the input's.

use std::process::Stdio;

use serde_json::json;

use crate::support::command::{Place, Ran};

const SPEC: &str = r#"{"version":1,"name":"app","files":{"/x":{"text":"x"}}}"#;

/// Runs cooper with a standard output that nobody reads any more.
fn unread(place: &Place, args: &[&str]) -> Ran {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    Ran::of(place.command(args).stdout(writer).stderr(Stdio::piped()).output().unwrap())
}

#[test]
fn listing_closed_pipe_is_not_an_error() {
    let place = Place::new();
    place.write("spec.json", SPEC);
    place.builds();
    for args in [
        &["plan", "spec.json"][..],
        &["plan", "spec.json", "--json"],
        &["inspect", "image.tar"],
        &["history", "spec.json"],
        &["validate", "image.tar"],
        &["cache", "info"],
        &["schema"],
        &["man"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let ran = unread(&place, args);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}

/// Starts a build behind other words, and gives it back when it is in the middle of its output,
/// with a file in the folder for temporary ones.
fn started(place: &Place, before: &[&str]) -> (std::process::Child, std::io::PipeReader) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let cooper = env!("CARGO_BIN_EXE_cooper");
    let build = [cooper, "build", "spec.json", "-o", "-", "--cache", "none"];
    let words = [before, &build].concat();
    let mut command = std::process::Command::new(words[0]);
    command.args(&words[1..]).current_dir(place.path("")).env("TMPDIR", place.path("tmp"));
    let child = command.stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    std::io::Read::read_exact(&mut reader, &mut [0]).unwrap();
    assert_eq!(std::fs::read_dir(place.path("tmp")).unwrap().count(), 1);
    (child, reader)
}

/// More than a pipe holds, however it is compressed.
fn large() -> Place {
    let place = Place::new();
    place.store_file("a", "x", crate::support::fixture::noise(1, 2_000_000));
    place.spec(&["a"], json!({"compression": {"algorithm": "gzip"}}));
    std::fs::create_dir(place.path("tmp")).unwrap();
    place
}

#[test]
fn termination_signals_leave_no_files() {
    let place = large();
    for (name, number) in [("-HUP", 1), ("-INT", 2), ("-TERM", 15)] {
        let (mut child, _unread) = started(&place, &[]);
        let id = child.id().to_string();
        crate::support::command::run("kill", &[name.as_ref(), id.as_ref()]);
        assert_eq!(child.wait().unwrap().code(), Some(128 + number), "{name}");
        assert_eq!(std::fs::read_dir(place.path("tmp")).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn ignored_signals_stay_ignored() {
    // `nohup` ignores SIGHUP, and a shell ignores SIGINT for background jobs.
    let place = large();
    for name in ["HUP", "INT"] {
        let script = format!("trap '' {name}; exec \"$@\"");
        let (mut child, mut reader) = started(&place, &["sh", "-c", &script, "sh"]);
        let id = child.id().to_string();
        crate::support::command::run("kill", &[format!("-{name}").as_ref(), id.as_ref()]);
        std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
    }
}

#[test]
fn tmpdir_on_other_or_full_file_system_works() {
    let place = large();
    let built = |size: &str, out: &str| {
        let script = format!("mount -t tmpfs -o size={size} tmpfs tmp || exit 9; exec \"$@\"");
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command.arg(env!("CARGO_BIN_EXE_cooper")).args(["build", "spec.json", "--cache", "none"]);
        command.args(["-o", out]).current_dir(place.path("")).env("TMPDIR", place.path("tmp"));
        Ran::of(command.output().unwrap())
    };
    let full = built("256k", "full.tar");
    full.failed(2, &["No space left on device", place.path("tmp").to_str().unwrap()]);
    assert!(!place.path("full.tar").exists());
    built("16m", "elsewhere.tar").succeeded();
    let bytes = |name: &str| std::fs::read(place.path(name)).unwrap();
    assert!(
        bytes("elsewhere.tar") == {
            place.builds();
            bytes("image.tar")
        }
    );
}

/// The error does not report the archive as the problem.
#[test]
fn inspect_archive_larger_than_tmpdir_is_an_environment_error() {
    let place = large();
    place.builds();
    crate::support::command::run("gzip", &["-k".as_ref(), &place.path("image.tar")]);
    let script = "mount -t tmpfs -o size=64k tmpfs tmp || exit 9; exec \"$@\"";
    let mut command = std::process::Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    command.args([env!("CARGO_BIN_EXE_cooper"), "inspect", "image.tar.gz"]);
    command.current_dir(place.path("")).env("TMPDIR", place.path("tmp"));
    let ran = Ran::of(command.output().unwrap());
    ran.failed(2, &["failed to write a file in", "half of what is free", "hint: `TMPDIR` names"]);
}

#[test]
fn errors_do_not_show_temporary_names() {
    let place = large();
    place.write("small.json", SPEC);
    let nowhere = place.path("nowhere");
    for (spec, size, args) in [
        ("spec.json", "size=256k", &["--cache", "none", "-o", "out.tar"][..]),
        ("spec.json", "nr_inodes=1", &["--cache", "none", "-o", "out.tar"]),
        ("spec.json", "nr_inodes=2", &["--cache", "none", "-o", "out.tar"]),
        ("small.json", "nr_inodes=1", &["-o", "tmp/out.tar"]),
        ("small.json", "nr_inodes=1", &["-o", "nowhere/out.tar"]),
    ] {
        let script = format!("mount -t tmpfs -o {size} tmpfs tmp || exit 9; exec \"$@\"");
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command.args([env!("CARGO_BIN_EXE_cooper"), "build", spec]).args(args);
        command.current_dir(place.path("")).env("TMPDIR", place.path("tmp"));
        let ran = Ran::of(command.env("XDG_CACHE_HOME", place.path("cache")).output().unwrap());
        assert!(matches!(ran.code, Some(1 | 2)), "{}", ran.stderr);
        let told = ran.stderr.replace(place.path("").to_str().unwrap(), "");
        for name in ["at path", "cooper-", "blob-", ".tmp"] {
            assert!(!told.contains(name), "{args:?} {size}: {told}");
        }
        let named = args.last().filter(|_| spec == "small.json").map_or("in `tmp`", |path| path);
        assert!(told.contains(named), "{told}");
        assert_eq!(ran.stderr.contains("hint: `TMPDIR` names"), spec == "spec.json");
    }
    assert!(!nowhere.exists());
}

#[test]
fn layout_on_full_disk_error_names_the_file() {
    let place = large();
    std::fs::rename(place.path("spec.json"), place.path("gzip.json")).unwrap();
    place.spec(&["a"], json!({}));
    place.builds();
    for verb in [["build", "spec.json"], ["build", "gzip.json"], ["save", "image.tar"]] {
        let script = "mount -t tmpfs -o size=64k tmpfs tmp || exit 9; exec \"$@\"";
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        command.arg(env!("CARGO_BIN_EXE_cooper")).args(verb).args(["--format", "layout"]);
        command.args(["-o", "tmp/out"]).current_dir(place.path(""));
        let ran = Ran::of(command.env("XDG_CACHE_HOME", place.path("cache")).output().unwrap());
        ran.failed(2, &["failed to write `tmp/out/blobs/sha256/", "No space left on device"]);
        assert!(!ran.stderr.contains("archive"), "{}", ran.stderr);
    }
}

/// A command that finds a problem fails even if the reader of its output ends early.
#[test]
fn exit_code_is_independent_of_closed_pipe() {
    let place = Place::new();
    place.write("spec.json", SPEC);
    place.write("other.json", SPEC.replace("\"x\"}", "\"y\"}"));
    let over = unread(&place, &["diff", "spec.json", "other.json", "--max-bytes=0"]);
    over.failed(1, &["bytes to fetch are over the 0 allowed"]);
}

#[test]
fn missing_tmpdir_is_an_environment_error() {
    let place = Place::new();
    place.write("spec.json", SPEC);
    place.builds();
    crate::support::command::run("gzip", &["-k".as_ref(), &place.path("image.tar")]);
    let nowhere = place.path("nowhere");
    let without = |command: &mut std::process::Command| {
        Ran::of(command.env("TMPDIR", &nowhere).output().unwrap())
    };
    for args in [
        &["build", "spec.json", "-o", "out.tar", "--cache", "none"][..],
        &["inspect", "image.tar.gz"],
    ] {
        let ran = without(&mut place.command(args));
        ran.failed(2, &[nowhere.to_str().unwrap(), "No such file", "hint: `TMPDIR` names"]);
    }
    // A cache that cannot be written keeps what is new in that folder.
    let cache = place.path("cache/cooper");
    place.spec(&["a"], json!({}));
    place.store_file("a", "x", "x");
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" || exit 9
        shift; exec \"$@\"";
    let mut command = std::process::Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(&cache);
    command.arg(env!("CARGO_BIN_EXE_cooper")).args(["build", "spec.json", "-o", "out.tar"]);
    command.arg("--cache").arg(&cache).current_dir(place.path(""));
    without(&mut command).failed(2, &["failed to create a folder in", "hint: `TMPDIR` names"]);
    assert!(!place.path("out.tar").exists());
}

#[test]
fn archive_to_stdout_works_for_every_command() {
    let place = Place::new();
    place.write("spec.json", SPEC);
    place.builds();
    for verb in [["save", "image.tar"], ["index", "spec.json"], ["build", "spec.json"]] {
        let to = |path: &str| {
            let args = [&verb[..], &["--json", "-o", path]].concat();
            let output = place.command(&args).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        to("out.tar");
        assert!(to("-") == std::fs::read(place.path("out.tar")).unwrap(), "{verb:?}");
        assert!(!place.path("-").exists(), "{verb:?}");
        place
            .cooper(&[&verb[..], &["-o", "-", "--format=layout"]].concat())
            .failed(1, &["a layout is a folder and cannot go to standard output"]);
        // An image that was cut short is no image.
        let cut = unread(&place, &[&verb[..], &["-o", "-"]].concat());
        cut.failed(2, &["failed to write to standard output", "Broken pipe"]);
    }
}
