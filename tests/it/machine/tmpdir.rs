//! Temporary directories and disks that are full, missing or on another file system.

use serde_json::json;

use crate::exit_codes::{SPEC, large_image};
use crate::support::command::{CommandOutput, TestDir};

#[test]
fn tmpdir_on_other_or_full_file_system_works() {
    let test_dir = large_image();
    let built = |size: &str, out: &str| {
        let script = format!("mount -t tmpfs -o size={size} tmpfs tmp || exit 9; exec \"$@\"");
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command.arg(env!("CARGO_BIN_EXE_cooper")).args(["build", "spec.json", "--cache", "none"]);
        command
            .args(["-o", out])
            .current_dir(test_dir.path(""))
            .env("TMPDIR", test_dir.path("tmp"));
        CommandOutput::new(command.output().unwrap())
    };
    let full = built("256k", "full.tar");
    full.assert_failure(2, &["No space left on device", test_dir.path("tmp").to_str().unwrap()]);
    assert!(!test_dir.path("full.tar").exists());
    built("16m", "other.tar").assert_success();
    let bytes = |name: &str| std::fs::read(test_dir.path(name)).unwrap();
    assert!(
        bytes("other.tar") == {
            test_dir.build_archive();
            bytes("image.tar")
        }
    );
}

/// The error does not report the archive as the problem.
#[test]
fn inspect_archive_larger_than_tmpdir_is_an_environment_error() {
    let test_dir = large_image();
    test_dir.build_archive();
    crate::support::command::run("gzip", &["-k".as_ref(), &test_dir.path("image.tar")]);
    let script = "mount -t tmpfs -o size=64k tmpfs tmp || exit 9; exec \"$@\"";
    let mut command = std::process::Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    command.args([env!("CARGO_BIN_EXE_cooper"), "inspect", "image.tar.gz"]);
    command.current_dir(test_dir.path("")).env("TMPDIR", test_dir.path("tmp"));
    let result = CommandOutput::new(command.output().unwrap());
    result.assert_failure(
        2,
        &["failed to write a file in", "half of what is free", "hint: `TMPDIR` names"],
    );
}

#[test]
fn errors_do_not_show_temporary_names() {
    let test_dir = large_image();
    test_dir.write("small.json", SPEC);
    let missing = test_dir.path("missing");
    for (spec, size, args) in [
        ("spec.json", "size=256k", &["--cache", "none", "-o", "out.tar"][..]),
        ("spec.json", "nr_inodes=1", &["--cache", "none", "-o", "out.tar"]),
        ("spec.json", "nr_inodes=2", &["--cache", "none", "-o", "out.tar"]),
        ("small.json", "nr_inodes=1", &["-o", "tmp/out.tar"]),
        ("small.json", "nr_inodes=1", &["-o", "missing/out.tar"]),
    ] {
        let script = format!("mount -t tmpfs -o {size} tmpfs tmp || exit 9; exec \"$@\"");
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command.args([env!("CARGO_BIN_EXE_cooper"), "build", spec]).args(args);
        command.current_dir(test_dir.path("")).env("TMPDIR", test_dir.path("tmp"));
        let result = CommandOutput::new(
            command.env("XDG_CACHE_HOME", test_dir.path("cache")).output().unwrap(),
        );
        assert!(matches!(result.code, Some(1 | 2)), "{}", result.stderr);
        let messages = result.stderr.replace(test_dir.path("").to_str().unwrap(), "");
        for name in ["at path", "cooper-", "blob-", ".tmp"] {
            assert!(!messages.contains(name), "{args:?} {size}: {messages}");
        }
        let named = args.last().filter(|_| spec == "small.json").map_or("in `tmp`", |path| path);
        assert!(messages.contains(named), "{messages}");
        assert_eq!(result.stderr.contains("hint: `TMPDIR` names"), spec == "spec.json");
    }
    assert!(!missing.exists());
}

#[test]
fn layout_on_full_disk_error_names_the_file() {
    let test_dir = large_image();
    std::fs::rename(test_dir.path("spec.json"), test_dir.path("gzip.json")).unwrap();
    test_dir.write_spec(&["a"], json!({}));
    test_dir.build_archive();
    for subcommand in [["build", "spec.json"], ["build", "gzip.json"], ["save", "image.tar"]] {
        let script = "mount -t tmpfs -o size=64k tmpfs tmp || exit 9; exec \"$@\"";
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        command.arg(env!("CARGO_BIN_EXE_cooper")).args(subcommand).args(["--format", "layout"]);
        command.args(["-o", "tmp/out"]).current_dir(test_dir.path(""));
        let result = CommandOutput::new(
            command.env("XDG_CACHE_HOME", test_dir.path("cache")).output().unwrap(),
        );
        result.assert_failure(
            2,
            &["failed to write `tmp/out/blobs/sha256/", "No space left on device"],
        );
        assert!(!result.stderr.contains("archive"), "{}", result.stderr);
    }
}

#[test]
fn missing_tmpdir_is_an_environment_error() {
    let test_dir = TestDir::new();
    test_dir.write("spec.json", SPEC);
    test_dir.build_archive();
    crate::support::command::run("gzip", &["-k".as_ref(), &test_dir.path("image.tar")]);
    let missing = test_dir.path("missing");
    let without = |command: &mut std::process::Command| {
        CommandOutput::new(command.env("TMPDIR", &missing).output().unwrap())
    };
    for args in [
        &["build", "spec.json", "-o", "out.tar", "--cache", "none"][..],
        &["inspect", "image.tar.gz"],
    ] {
        let result = without(&mut test_dir.command(args));
        result.assert_failure(
            2,
            &[missing.to_str().unwrap(), "No such file", "hint: `TMPDIR` names"],
        );
    }
    // With a cache that is read-only, new layers go into the temporary directory.
    let cache = test_dir.path("cache/cooper");
    test_dir.write_spec(&["a"], json!({}));
    test_dir.store_file("a", "x", "x");
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" || exit 9
        shift; exec \"$@\"";
    let mut command = std::process::Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(&cache);
    command.arg(env!("CARGO_BIN_EXE_cooper")).args(["build", "spec.json", "-o", "out.tar"]);
    command.arg("--cache").arg(&cache).current_dir(test_dir.path(""));
    without(&mut command)
        .assert_failure(2, &["failed to create a folder in", "hint: `TMPDIR` names"]);
    assert!(!test_dir.path("out.tar").exists());
}
