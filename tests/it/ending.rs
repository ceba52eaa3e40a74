//! With which code a process ends, and what it says then: a reader that leaves early is no error,
//! and the machine's faults are not the input's.

use std::process::Stdio;

use serde_json::json;

use super::running::{Place, Ran};

const SPEC: &str = r#"{"version":1,"name":"app","files":{"/x":{"text":"x"}}}"#;

/// Runs cooper with a standard output that nobody reads any more.
fn unread(place: &Place, args: &[&str]) -> Ran {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    Ran::of(place.command(args).stdout(writer).stderr(Stdio::piped()).output().unwrap())
}

#[test]
fn who_leaves_before_the_end_of_a_listing_has_read_enough() {
    // fault 106
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

#[test]
fn what_a_verb_finds_decides_how_it_ends_whoever_reads() {
    let place = Place::new();
    place.write("spec.json", SPEC);
    place.write("other.json", SPEC.replace("\"x\"}", "\"y\"}"));
    let over = unread(&place, &["diff", "spec.json", "other.json", "--max-bytes=0"]);
    over.failed(1, &["bytes to fetch are over the 0 allowed"]);
}

#[test]
fn a_missing_folder_for_temporary_files_is_the_machines_fault() {
    // fault 118
    let place = Place::new();
    place.write("spec.json", SPEC);
    place.builds();
    super::running::run("gzip", &["-k".as_ref(), &place.path("image.tar")]);
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
fn an_archive_goes_to_standard_output_from_every_verb_that_writes_one() {
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
