//! Where results go, and what no result may go to.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use serde_json::json;

use crate::support::command::{Place, Ran};

/// With a spec of one store path.
fn place() -> Place {
    let place = Place::new();
    place.store_file("a", "x", "x");
    place.spec(&["a"], json!({}));
    place
}

/// Builds with a shell's redirections.
fn redirected(place: &Place, to: &str, redirected: &str) -> Ran {
    let script = format!("exec \"$@\" {redirected}");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_cooper")]);
    command.args(["build", "spec.json", "--quiet", "--cache", "none", "-o", to]);
    Ran::of(command.current_dir(place.path("")).output().unwrap())
}

#[test]
fn output_by_descriptor_path_is_written_in_place() {
    // `/dev/stdout` is left out: a bug would replace the device of the machine.
    let place = place();
    let expected = fs::read(place.builds()).unwrap();
    symlink("/proc/self/fd/1", place.path("stdout")).unwrap();
    for (to, redirection) in
        [("stdout", "> out"), ("/proc/self/fd/1", "> out"), ("/proc/self/fd/3", "3> out")]
    {
        redirected(&place, to, redirection).succeeded();
        assert!(fs::read(place.path("out")).unwrap() == expected, "{to}");
        // As after a shell's `>>`.
        redirected(&place, to, &redirection.replace('>', ">>")).succeeded();
        assert!(fs::read(place.path("out")).unwrap() == [&expected[..], &expected].concat());
    }
    assert!(fs::symlink_metadata(place.path("stdout")).unwrap().is_symlink());
    let output = place.command(&["build", "spec.json", "--json", "-o", "stdout"]).output().unwrap();
    assert!(output.stdout == expected, "no data beside the archive");
    place
        .cooper(&["build", "spec.json", "-o", "stdout", "--format", "layout"])
        .failed(1, &["a layout is a folder and cannot go to standard output"]);
}

#[test]
fn archive_to_terminal_by_any_path_is_refused() {
    let place = place();
    let terminal = ["build", "spec.json", "-o", "/dev/ptmx"];
    place.cooper(&terminal).failed(1, &["an archive is nothing for a terminal"]);
    let terminal = File::options().read(true).write(true).open("/dev/ptmx").unwrap();
    for to in ["-", "/proc/self/fd/1"] {
        let mut command = place.command(&["build", "spec.json", "-o", to]);
        let ran = Ran::of(command.stdout(terminal.try_clone().unwrap()).output().unwrap());
        ran.failed(1, &["an archive is nothing for a terminal"]);
    }
}

#[test]
fn archive_to_closed_stdout_is_an_error() {
    let place = place();
    for to in ["-", "/proc/self/fd/1"] {
        let closed = redirected(&place, to, ">&-");
        closed.failed(2, &["failed to write to standard output", "it is closed"]);
    }
    redirected(&place, "-", "> /dev/null").succeeded();
    redirected(&place, "/dev/null", ">&-").succeeded();
}

#[test]
fn output_invalid_name_is_refused_before_building() {
    let place = place();
    place.write("file", "");
    let long = "x".repeat(256);
    for (to, says) in [
        ("new/", "`new/` is a folder, and an archive is a file"),
        ("new/.", "is a folder"),
        ("file/", "is a folder"),
        (&long, "File name too long"),
    ] {
        let ran = place.cooper(&["build", "spec.json", "-o", to, "--quiet"]);
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(says), "{}", ran.stderr);
        assert_eq!(ran.code, Some(1));
        assert!(!place.path("cache").exists());
    }
}

#[test]
fn output_over_its_own_spec_is_refused() {
    let place = place();
    let spec = fs::read(place.path("spec.json")).unwrap();
    fs::create_dir(place.path("dir")).unwrap();
    symlink(place.path("spec.json"), place.path("dir/spec.json")).unwrap();
    for [argument, to] in [
        ["spec.json", "spec.json"],
        ["spec.json", "./dir/../spec.json"],
        ["dir", "dir/spec.json"],
        ["dir", "spec.json"],
    ] {
        for verb in ["build", "index"] {
            let ran = place.cooper(&[verb, argument, "-o", to]);
            ran.failed(1, &["is a spec of what is built"]);
        }
    }
    assert!(fs::read(place.path("spec.json")).unwrap() == spec);
    assert!(fs::symlink_metadata(place.path("dir/spec.json")).unwrap().is_symlink());
}

#[test]
fn output_inside_a_store_path_is_refused() {
    let place = place();
    let stored = place.store_path("a");
    symlink(&stored, place.path("link")).unwrap();
    for to in [stored.join("out"), stored.join("new/out"), place.path("link/out"), stored.clone()] {
        for format in ["archive", "layout"] {
            let mut command = place.command(&["build", "spec.json", "--format", format, "-o"]);
            let ran = Ran::of(command.arg(&to).output().unwrap());
            assert_eq!(ran.code, Some(1), "{} {format}: {}", to.display(), ran.stderr);
        }
    }
    assert_eq!(fs::read_dir(&stored).unwrap().count(), 1);
    // What else has a name as in a store may be the output of the derivation that runs this.
    let output = place.store_path("output");
    fs::create_dir(&output).unwrap();
    let mut command = place.command(&["build", "spec.json", "-o"]);
    Ran::of(command.arg(output.join("image.tar")).output().unwrap()).succeeded();
    fs::create_dir(output.join("finished")).unwrap();
    fs::set_permissions(output.join("finished"), Permissions::from_mode(0o555)).unwrap();
    for format in ["archive", "layout"] {
        let mut command = place.command(&["build", "spec.json", "--format", format, "-o"]);
        let ran = Ran::of(command.arg(output.join("finished/out")).output().unwrap());
        ran.failed(1, &["nobody may write there, as to all in a Nix store"]);
    }
    let mut command = place.command(&["build", "spec.json", "-o", "out.tar", "--cache"]);
    let ran = Ran::of(command.arg(output.join("finished/cache")).output().unwrap());
    ran.failed(1, &["nobody may write there, as to all in a Nix store"]);
    assert_eq!(fs::read_dir(output.join("finished")).unwrap().count(), 0);
}
