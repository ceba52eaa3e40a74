//! With which code a process ends, and what it says then: a reader that leaves early is no error.

use std::process::Stdio;

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
    // An image that was cut short is no image.
    unread(&place, &["build", "spec.json", "-o", "-"])
        .failed(2, &["failed to write to standard output", "Broken pipe"]);
}
