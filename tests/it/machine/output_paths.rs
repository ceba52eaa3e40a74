//! Existing files at the output path, other users, other file systems, and very deep trees.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use crate::support::sandbox::{GZIP, NONE, Sandbox, assert_success, stderr_text, tree};

#[test]
fn output_existing_file_or_link_is_replaced() {
    let sandbox = Sandbox::with_store_paths(1, 1000, GZIP);
    let expected = sandbox.expected_archive();
    let build = || sandbox.build(&[], "out.tar", &[]).output().unwrap();
    let (out, other) = (sandbox.path("out.tar"), sandbox.path("other"));
    fs::write(&out, "old").unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o400)).unwrap();
    assert_success(&build());
    assert!(fs::read(&out).unwrap() == expected, "a read-only file is replaced");
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o644);
    fs::remove_file(&out).unwrap();
    fs::write(&other, "mine").unwrap();
    symlink(&other, &out).unwrap();
    assert_success(&build());
    assert_eq!(fs::read(&other).unwrap(), b"mine", "a symlink is replaced, not followed");
    assert!(fs::symlink_metadata(&out).unwrap().is_file());
    fs::remove_file(&out).unwrap();
    fs::create_dir(&out).unwrap();
    let output = build();
    assert_eq!(output.status.code(), Some(1), "{}", stderr_text(&output));
    assert!(stderr_text(&output).contains("out.tar"), "{}", stderr_text(&output));
    assert_eq!(sandbox.leftovers(), ["other", "out.tar"]);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
}

/// A layout goes into a layout, an empty directory or a new one.
#[test]
fn layout_into_other_directory_is_refused() {
    let sandbox = Sandbox::with_store_paths(1, 1000, GZIP);
    let build = |out: &str| sandbox.build(&[], out, &["--format", "layout"]).output();
    fs::create_dir(sandbox.path("empty")).unwrap();
    fs::write(sandbox.path("empty/.cooper-killed.tmp"), "half a file").unwrap();
    for out in ["empty", "new", "new"] {
        assert_success(&build(out).unwrap());
    }
    assert!(
        !sandbox.path("empty/.cooper-killed.tmp").exists(),
        "the file of a killed process is removed"
    );
    fs::create_dir(sandbox.path("full")).unwrap();
    fs::write(sandbox.path("full/letter"), "mine").unwrap();
    let read_only =
        |mode| fs::set_permissions(sandbox.path("new"), fs::Permissions::from_mode(mode));
    read_only(0o555).unwrap();
    symlink("new", sandbox.path("result")).unwrap();
    let before = tree(sandbox.dir.path());
    for (out, expected_text) in [
        ("full", "name an empty folder or a new one"),
        ("result", "nobody may write to it, as to all in a Nix store"),
        ("spec.json", "it is no folder"),
    ] {
        let copied = run_cooper(&["copy", "empty", &format!("oci:{out}")], sandbox.dir.path());
        let saved = ["save", "empty", "--format", "layout", "-o", out];
        for output in [build(out).unwrap(), copied, run_cooper(&saved, sandbox.dir.path())] {
            assert_eq!(output.status.code(), Some(1), "{out}: {}", stderr_text(&output));
            assert!(
                stderr_text(&output).contains(expected_text),
                "{out}: {}",
                stderr_text(&output)
            );
        }
        assert_eq!(tree(sandbox.dir.path()), before, "{out}");
    }
    read_only(0o755).unwrap();
}

fn run_cooper(args: &[&str], dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cooper")).args(args).current_dir(dir).output().unwrap()
}

#[test]
fn build_as_nobody_without_environment_gives_same_bytes() {
    let sandbox = Sandbox::with_store_paths(2, 100_000, GZIP);
    let expected = sandbox.expected_archive();
    let program = sandbox.path("cooper");
    fs::copy(env!("CARGO_BIN_EXE_cooper"), &program).unwrap();
    fs::set_permissions(sandbox.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "env", "-i"]);
    if rustix::process::geteuid().is_root() {
        command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.args(["unshare", "--map-current-user", "--net", "env", "-i"]);
    }
    command.arg(format!("TMPDIR={}", sandbox.path("").display()));
    command.arg(&program).arg("build").arg(sandbox.path("spec.json")).args(["-o", "-"]);
    let output = command.output().unwrap();
    assert_success(&output);
    assert!(output.stdout == expected);
}

/// A user that cannot read the cache builds without it.
#[test]
fn cache_of_root_is_read_by_other_users() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::with_store_paths(2, 100_000, GZIP);
    let expected = sandbox.expected_archive();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&sandbox.path(""), 0o777);
    fs::copy(env!("CARGO_BIN_EXE_cooper"), sandbox.path("cooper")).unwrap();
    let build = || {
        let ours = sandbox.build(&[], "-", &[]);
        let mut theirs = Command::new("setpriv");
        theirs.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        theirs.arg(sandbox.path("cooper")).args(ours.get_args()).env("TMPDIR", sandbox.path(""));
        theirs.output().unwrap()
    };
    let data = sandbox.store_path(0).join("share/data");
    mode(&data, 0o000);
    let output = build();
    assert_success(&output);
    assert!(output.stdout == expected, "the bytes come from the cache");
    for below in ["layers", "blobs", ""] {
        mode(&sandbox.cache_path(below), 0o700);
        let output = build();
        assert_eq!(output.status.code(), Some(2), "{below}");
        assert!(stderr_text(&output).contains("share/data"), "{below}: {}", stderr_text(&output));
        mode(&data, 0o644);
        let output = build();
        assert_success(&output);
        assert!(output.stdout == expected, "{below}");
        mode(&data, 0o000);
        mode(&sandbox.cache_path(below), 0o755);
    }
}

#[test]
fn file_system_without_locks_and_links_works() {
    let sandbox = Sandbox::with_store_paths(2, 10_000, GZIP);
    let expected = sandbox.expected_archive();
    for error in ["ENOLCK", "EOPNOTSUPP", "ENOSYS"] {
        fs::remove_dir_all(sandbox.path("cache")).unwrap();
        let locks = format!("inject=flock:error={error}");
        let before = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "inject=link,linkat:error=EPERM",
            "-e",
        ];
        let before: Vec<&str> = before.into_iter().chain([locks.as_str()]).collect();
        assert_success(&sandbox.build(&before, "out.tar", &[]).output().unwrap());
        assert!(fs::read(sandbox.path("out.tar")).unwrap() == expected, "{error}");
        assert_success(
            &sandbox.build(&before, "layout", &["--format", "layout"]).output().unwrap(),
        );
        fs::remove_dir_all(sandbox.path("layout")).unwrap();
    }
}

/// Creates a chain of directories of this name and depth from within, because no system call
/// accepts a path of more than 4096 bytes.
fn chain(sandbox: &Sandbox, name: &str, depth: usize) {
    let script =
        "cd \"$1\" && for _ in $(seq \"$3\"); do mkdir \"$2\" && cd -P \"$2\" || exit 1; done";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(sandbox.store_path(0)).args([name, &depth.to_string()]);
    assert_success(&command.output().unwrap());
}

#[test]
fn deep_and_wide_trees_work_and_endless_path_fails() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(1, 1000);
    fs::create_dir_all(sandbox.store_path(0).join("d/".repeat(1000))).unwrap();
    fs::create_dir(sandbox.store_path(0).join("many")).unwrap();
    for number in 0..5000 {
        fs::write(sandbox.store_path(0).join(format!("many/{number}")), "").unwrap();
    }
    sandbox.write_spec(NONE);
    let tar = sandbox.expected_archive();
    assert!(tar.len() > 6000 * 512);
    let endless = Sandbox::new();
    endless.add_store_paths(1, 1000);
    chain(&endless, &"n".repeat(200), 30);
    endless.write_spec(NONE);
    let output = endless.build(&[], "out.tar", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr_text(&output));
    assert!(stderr_text(&output).contains("File name too long"), "{}", stderr_text(&output));
    assert_eq!(endless.leftovers(), [""; 0]);
    // The chain is too deep to be removed by its path.
    let script = "cd \"$1\" && rm -rf n*";
    assert_success(
        &Command::new("sh").args(["-c", script, "sh"]).arg(endless.store_path(0)).output().unwrap(),
    );
}
