//! Section F of the faults: what is at the output path already, other users, other file systems,
//! and trees that no path reaches.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use crate::support::sandbox::{GZIP, House, NONE, errors, succeeded, tree};

#[test]
fn output_existing_file_or_link_is_replaced() {
    let house = House::filled(1, 1000, GZIP);
    let expected = house.expected();
    let build = || house.build(&[], "out.tar", &[]).output().unwrap();
    let (out, other) = (house.path("out.tar"), house.path("other"));
    fs::write(&out, "old").unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o400)).unwrap();
    succeeded(&build());
    assert!(fs::read(&out).unwrap() == expected, "a file that nobody may write is still replaced");
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o644);
    fs::remove_file(&out).unwrap();
    fs::write(&other, "mine").unwrap();
    symlink(&other, &out).unwrap();
    succeeded(&build());
    assert_eq!(fs::read(&other).unwrap(), b"mine", "a link is replaced, not followed");
    assert!(fs::symlink_metadata(&out).unwrap().is_file());
    fs::remove_file(&out).unwrap();
    fs::create_dir(&out).unwrap();
    let output = build();
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(errors(&output).contains("out.tar"), "{}", errors(&output));
    assert_eq!(house.leftovers(), ["other", "out.tar"]);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
}

/// A layout goes into a layout, an empty directory or a new one.
#[test]
fn layout_into_other_directory_is_refused() {
    let house = House::filled(1, 1000, GZIP);
    let build = |out: &str| house.build(&[], out, &["--format", "layout"]).output();
    fs::create_dir(house.path("empty")).unwrap();
    fs::write(house.path("empty/.cooper-killed.tmp"), "half a file").unwrap();
    for out in ["empty", "new", "new"] {
        succeeded(&build(out).unwrap());
    }
    assert!(!house.path("empty/.cooper-killed.tmp").exists(), "it was of a process that is gone");
    fs::create_dir(house.path("full")).unwrap();
    fs::write(house.path("full/letter"), "mine").unwrap();
    let read_only = |mode| fs::set_permissions(house.path("new"), fs::Permissions::from_mode(mode));
    read_only(0o555).unwrap();
    symlink("new", house.path("result")).unwrap();
    let before = tree(house.dir.path());
    for (out, says) in [
        ("full", "name an empty folder or a new one"),
        ("result", "nobody may write to it, as to all in a Nix store"),
        ("spec.json", "it is no folder"),
    ] {
        let copied = run_cooper(&["copy", "empty", &format!("oci:{out}")], house.dir.path());
        let saved = ["save", "empty", "--format", "layout", "-o", out];
        for output in [build(out).unwrap(), copied, run_cooper(&saved, house.dir.path())] {
            assert_eq!(output.status.code(), Some(1), "{out}: {}", errors(&output));
            assert!(errors(&output).contains(says), "{out}: {}", errors(&output));
        }
        assert_eq!(tree(house.dir.path()), before, "{out}");
    }
    read_only(0o755).unwrap();
}

fn run_cooper(args: &[&str], dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cooper")).args(args).current_dir(dir).output().unwrap()
}

#[test]
fn build_as_nobody_without_environment_gives_same_bytes() {
    let house = House::filled(2, 100_000, GZIP);
    let expected = house.expected();
    let program = house.path("cooper");
    fs::copy(env!("CARGO_BIN_EXE_cooper"), &program).unwrap();
    fs::set_permissions(house.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "env", "-i"]);
    if rustix::process::geteuid().is_root() {
        command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.args(["unshare", "--map-current-user", "--net", "env", "-i"]);
    }
    command.arg(format!("TMPDIR={}", house.path("").display()));
    command.arg(&program).arg("build").arg(house.path("spec.json")).args(["-o", "-"]);
    let output = command.output().unwrap();
    succeeded(&output);
    assert!(output.stdout == expected);
}

/// A user that cannot read the cache builds without it.
#[test]
fn cache_of_root_is_read_by_other_users() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let house = House::filled(2, 100_000, GZIP);
    let expected = house.expected();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&house.path(""), 0o777);
    fs::copy(env!("CARGO_BIN_EXE_cooper"), house.path("cooper")).unwrap();
    let build = || {
        let ours = house.build(&[], "-", &[]);
        let mut theirs = Command::new("setpriv");
        theirs.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        theirs.arg(house.path("cooper")).args(ours.get_args()).env("TMPDIR", house.path(""));
        theirs.output().unwrap()
    };
    let data = house.store_path(0).join("share/data");
    mode(&data, 0o000);
    let output = build();
    succeeded(&output);
    assert!(output.stdout == expected, "the bytes can come from nowhere but the cache");
    for below in ["layers", "blobs", ""] {
        mode(&house.cached(below), 0o700);
        let output = build();
        assert_eq!(output.status.code(), Some(2), "{below}");
        assert!(errors(&output).contains("share/data"), "{below}: {}", errors(&output));
        mode(&data, 0o644);
        let output = build();
        succeeded(&output);
        assert!(output.stdout == expected, "{below}");
        mode(&data, 0o000);
        mode(&house.cached(below), 0o755);
    }
}

#[test]
fn file_system_without_locks_and_links_works() {
    let house = House::filled(2, 10_000, GZIP);
    let expected = house.expected();
    for error in ["ENOLCK", "EOPNOTSUPP", "ENOSYS"] {
        fs::remove_dir_all(house.path("cache")).unwrap();
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
        succeeded(&house.build(&before, "out.tar", &[]).output().unwrap());
        assert!(fs::read(house.path("out.tar")).unwrap() == expected, "{error}");
        succeeded(&house.build(&before, "layout", &["--format", "layout"]).output().unwrap());
        fs::remove_dir_all(house.path("layout")).unwrap();
    }
}

/// A chain of so many directories, each of that name, made from within: no call takes a path
/// that is longer than 4096 bytes.
fn chain(house: &House, name: &str, depth: usize) {
    let script =
        "cd \"$1\" && for _ in $(seq \"$3\"); do mkdir \"$2\" && cd -P \"$2\" || exit 1; done";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(house.store_path(0)).args([name, &depth.to_string()]);
    succeeded(&command.output().unwrap());
}

#[test]
fn deep_and_wide_trees_work_and_endless_path_fails() {
    let house = House::new();
    house.fill(1, 1000);
    fs::create_dir_all(house.store_path(0).join("d/".repeat(1000))).unwrap();
    fs::create_dir(house.store_path(0).join("many")).unwrap();
    for number in 0..5000 {
        fs::write(house.store_path(0).join(format!("many/{number}")), "").unwrap();
    }
    house.spec(NONE);
    let tar = house.expected();
    assert!(tar.len() > 6000 * 512);
    let endless = House::new();
    endless.fill(1, 1000);
    chain(&endless, &"n".repeat(200), 30);
    endless.spec(NONE);
    let output = endless.build(&[], "out.tar", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    assert!(errors(&output).contains("File name too long"), "{}", errors(&output));
    assert_eq!(endless.leftovers(), [""; 0]);
    // What no path reaches cannot be removed by its path either.
    let script = "cd \"$1\" && rm -rf n*";
    succeeded(
        &Command::new("sh").args(["-c", script, "sh"]).arg(endless.store_path(0)).output().unwrap(),
    );
}
