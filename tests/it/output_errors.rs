//! Output paths, and paths that must not be written.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use serde_json::json;

use crate::support::command::{CommandOutput, TestDir};

/// A test directory with a spec of one store path.
fn test_dir() -> TestDir {
    let test_dir = TestDir::new();
    test_dir.store_file("a", "x", "x");
    test_dir.write_spec(&["a"], json!({}));
    test_dir
}

/// Builds with redirections of a shell.
fn build_with_redirection(test_dir: &TestDir, to: &str, redirection: &str) -> CommandOutput {
    let script = format!("exec \"$@\" {redirection}");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_cooper")]);
    command.args(["build", "spec.json", "--quiet", "--cache", "none", "-o", to]);
    CommandOutput::new(command.current_dir(test_dir.path("")).output().unwrap())
}

#[test]
fn output_by_descriptor_path_is_written_in_place() {
    // `/dev/stdout` is left out, because a bug would replace the device of the machine.
    let test_dir = test_dir();
    let expected = fs::read(test_dir.build_archive()).unwrap();
    symlink("/proc/self/fd/1", test_dir.path("stdout")).unwrap();
    for (to, redirection) in
        [("stdout", "> out"), ("/proc/self/fd/1", "> out"), ("/proc/self/fd/3", "3> out")]
    {
        build_with_redirection(&test_dir, to, redirection).assert_success();
        assert!(fs::read(test_dir.path("out")).unwrap() == expected, "{to}");
        // A shell's `>>` appends.
        build_with_redirection(&test_dir, to, &redirection.replace('>', ">>")).assert_success();
        assert!(fs::read(test_dir.path("out")).unwrap() == [&expected[..], &expected].concat());
    }
    assert!(fs::symlink_metadata(test_dir.path("stdout")).unwrap().is_symlink());
    let output =
        test_dir.command(&["build", "spec.json", "--json", "-o", "stdout"]).output().unwrap();
    assert!(output.stdout == expected, "no JSON next to the archive");
    test_dir
        .cooper(&["build", "spec.json", "-o", "stdout", "--format", "layout"])
        .assert_failure(1, &["a layout is a folder and cannot go to standard output"]);
}

#[test]
fn archive_to_terminal_by_any_path_is_refused() {
    let test_dir = test_dir();
    let terminal = ["build", "spec.json", "-o", "/dev/ptmx"];
    test_dir.cooper(&terminal).assert_failure(1, &["refusing to write an archive to a terminal"]);
    let terminal = File::options().read(true).write(true).open("/dev/ptmx").unwrap();
    for to in ["-", "/proc/self/fd/1"] {
        let mut command = test_dir.command(&["build", "spec.json", "-o", to]);
        let result =
            CommandOutput::new(command.stdout(terminal.try_clone().unwrap()).output().unwrap());
        result.assert_failure(1, &["refusing to write an archive to a terminal"]);
    }
}

#[test]
fn archive_to_closed_stdout_is_an_error() {
    let test_dir = test_dir();
    for to in ["-", "/proc/self/fd/1"] {
        let closed = build_with_redirection(&test_dir, to, ">&-");
        closed.assert_failure(2, &["failed to write to standard output", "it is closed"]);
    }
    build_with_redirection(&test_dir, "-", "> /dev/null").assert_success();
    build_with_redirection(&test_dir, "/dev/null", ">&-").assert_success();
}

#[test]
fn output_invalid_name_is_refused_before_building() {
    let test_dir = test_dir();
    test_dir.write("file", "");
    let long = "x".repeat(256);
    for (to, expected_text) in [
        ("new/", "`new/` is a folder, and an archive is a file"),
        ("new/.", "is a folder"),
        ("file/", "is a folder"),
        (&long, "File name too long"),
    ] {
        let result = test_dir.cooper(&["build", "spec.json", "-o", to, "--quiet"]);
        assert!(
            result.stderr.starts_with("error: ") && result.stderr.contains(expected_text),
            "{}",
            result.stderr
        );
        assert_eq!(result.code, Some(1));
        assert!(!test_dir.path("cache").exists());
    }
}

#[test]
fn output_over_its_own_spec_is_refused() {
    let test_dir = test_dir();
    let spec = fs::read(test_dir.path("spec.json")).unwrap();
    fs::create_dir(test_dir.path("dir")).unwrap();
    symlink(test_dir.path("spec.json"), test_dir.path("dir/spec.json")).unwrap();
    for [argument, to] in [
        ["spec.json", "spec.json"],
        ["spec.json", "./dir/../spec.json"],
        ["dir", "dir/spec.json"],
        ["dir", "spec.json"],
    ] {
        for subcommand in ["build", "index"] {
            let result = test_dir.cooper(&[subcommand, argument, "-o", to]);
            result.assert_failure(1, &["is a spec of what is built"]);
        }
    }
    assert!(fs::read(test_dir.path("spec.json")).unwrap() == spec);
    assert!(fs::symlink_metadata(test_dir.path("dir/spec.json")).unwrap().is_symlink());
}

#[test]
fn output_inside_a_store_path_is_refused() {
    let test_dir = test_dir();
    let stored = test_dir.store_path("a");
    symlink(&stored, test_dir.path("link")).unwrap();
    for to in
        [stored.join("out"), stored.join("new/out"), test_dir.path("link/out"), stored.clone()]
    {
        for format in ["archive", "layout"] {
            let mut command = test_dir.command(&["build", "spec.json", "--format", format, "-o"]);
            let result = CommandOutput::new(command.arg(&to).output().unwrap());
            assert_eq!(result.code, Some(1), "{} {format}: {}", to.display(), result.stderr);
        }
    }
    assert_eq!(fs::read_dir(&stored).unwrap().count(), 1);
    // Another path that looks like a store path may be the output of the running derivation.
    let output = test_dir.store_path("output");
    fs::create_dir(&output).unwrap();
    let mut command = test_dir.command(&["build", "spec.json", "-o"]);
    CommandOutput::new(command.arg(output.join("image.tar")).output().unwrap()).assert_success();
    fs::create_dir(output.join("finished")).unwrap();
    fs::set_permissions(output.join("finished"), Permissions::from_mode(0o555)).unwrap();
    for format in ["archive", "layout"] {
        let mut command = test_dir.command(&["build", "spec.json", "--format", format, "-o"]);
        let result = CommandOutput::new(command.arg(output.join("finished/out")).output().unwrap());
        result.assert_failure(1, &["which is in the Nix store and read-only"]);
    }
    let mut command = test_dir.command(&["build", "spec.json", "-o", "out.tar", "--cache"]);
    let result = CommandOutput::new(command.arg(output.join("finished/cache")).output().unwrap());
    result.assert_failure(1, &["which is in the Nix store and read-only"]);
    assert_eq!(fs::read_dir(output.join("finished")).unwrap().count(), 0);
}
