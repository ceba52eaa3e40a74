//! Exit codes of processes: readers that close a pipe early, signals, and failures of the
//! environment.

use std::process::Stdio;

use serde_json::json;

use crate::support::command::{CommandOutput, DEFAULT_SIGNALS, TestDir};

pub(crate) const SPEC: &str = r#"{"version":1,"name":"app","files":{"/x":{"text":"x"}}}"#;

/// Runs cooper with a standard output whose reader is closed.
fn run_with_closed_reader(test_dir: &TestDir, args: &[&str]) -> CommandOutput {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    CommandOutput::new(
        test_dir.command(args).stdout(writer).stderr(Stdio::piped()).output().unwrap(),
    )
}

#[test]
fn listing_closed_pipe_is_not_an_error() {
    let test_dir = TestDir::new();
    test_dir.write("spec.json", SPEC);
    test_dir.build_archive();
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
        let result = run_with_closed_reader(&test_dir, args);
        assert_eq!((result.code, result.stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}

/// Starts a build behind a prefix. Returns when the build has written some output and has a file in
/// the temporary directory.
fn spawn_until_output(
    test_dir: &TestDir,
    before: &[&str],
) -> (std::process::Child, std::io::PipeReader) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let cooper = env!("CARGO_BIN_EXE_cooper");
    let build = [cooper, "build", "spec.json", "-o", "-", "--cache", "none"];
    let words = [before, &build].concat();
    let mut command = std::process::Command::new(words[0]);
    command.args(&words[1..]).current_dir(test_dir.path("")).env("TMPDIR", test_dir.path("tmp"));
    let child = command.stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    std::io::Read::read_exact(&mut reader, &mut [0]).unwrap();
    assert_eq!(std::fs::read_dir(test_dir.path("tmp")).unwrap().count(), 1);
    (child, reader)
}

/// An image larger than a pipe, in every compression.
pub(crate) fn large_image() -> TestDir {
    let test_dir = TestDir::new();
    test_dir.store_file("a", "x", crate::support::fixture::noise(1, 2_000_000));
    test_dir.write_spec(&["a"], json!({"compression": {"algorithm": "gzip"}}));
    std::fs::create_dir(test_dir.path("tmp")).unwrap();
    test_dir
}

#[test]
fn termination_signals_leave_no_files() {
    let test_dir = large_image();
    for (name, number) in [("-HUP", 1), ("-INT", 2), ("-TERM", 15)] {
        let (mut child, _unread) = spawn_until_output(&test_dir, &DEFAULT_SIGNALS);
        let id = child.id().to_string();
        crate::support::command::run("kill", &[name.as_ref(), id.as_ref()]);
        assert_eq!(child.wait().unwrap().code(), Some(128 + number), "{name}");
        assert_eq!(std::fs::read_dir(test_dir.path("tmp")).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn ignored_signals_stay_ignored() {
    // `nohup` ignores SIGHUP, and a shell ignores SIGINT for background jobs.
    let test_dir = large_image();
    for name in ["HUP", "INT"] {
        let script = format!("trap '' {name}; exec \"$@\"");
        let (mut child, mut reader) = spawn_until_output(&test_dir, &["sh", "-c", &script, "sh"]);
        let id = child.id().to_string();
        crate::support::command::run("kill", &[format!("-{name}").as_ref(), id.as_ref()]);
        std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
    }
}

/// A command that finds a problem fails even if the reader of its output ends early.
#[test]
fn exit_code_is_independent_of_closed_pipe() {
    let test_dir = TestDir::new();
    test_dir.write("spec.json", SPEC);
    test_dir.write("other.json", SPEC.replace("\"x\"}", "\"y\"}"));
    let over =
        run_with_closed_reader(&test_dir, &["diff", "spec.json", "other.json", "--max-bytes=0"]);
    over.assert_failure(1, &["bytes to fetch are over the 0 allowed"]);
}

#[test]
fn archive_to_stdout_works_for_every_command() {
    let test_dir = TestDir::new();
    test_dir.write("spec.json", SPEC);
    test_dir.build_archive();
    for subcommand in [["save", "image.tar"], ["index", "spec.json"], ["build", "spec.json"]] {
        let to = |path: &str| {
            let args = [&subcommand[..], &["--json", "-o", path]].concat();
            let output = test_dir.command(&args).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        to("out.tar");
        assert!(to("-") == std::fs::read(test_dir.path("out.tar")).unwrap(), "{subcommand:?}");
        assert!(!test_dir.path("-").exists(), "{subcommand:?}");
        test_dir
            .cooper(&[&subcommand[..], &["-o", "-", "--format=layout"]].concat())
            .assert_failure(1, &["a layout is a folder and cannot go to standard output"]);
        // A truncated archive is not usable.
        let cut = run_with_closed_reader(&test_dir, &[&subcommand[..], &["-o", "-"]].concat());
        cut.assert_failure(2, &["failed to write to standard output", "Broken pipe"]);
    }
}
