//! A SPEC on standard input.

use serde_json::{Value, json};

use crate::support::command::Place;

const SPEC: &str = r#"{"version":1,"name":"app","files":{"/x":{"text":"x"}}}"#;

#[test]
fn spec_on_stdin_works_for_every_command() {
    let place = Place::new();
    place.write("spec.json", SPEC);
    let file = std::fs::read(place.builds()).unwrap();
    place.fed(&["build", "-", "-o", "fed.tar"], SPEC).succeeded();
    assert_eq!(file, std::fs::read(place.path("fed.tar")).unwrap());
    for verb in ["plan", "inspect", "history", "simulate"] {
        let fed = place.fed(&[verb, "-"], SPEC);
        fed.succeeded();
        assert_eq!(fed.stdout, place.data(&[verb, "spec.json"]), "{verb}");
    }
    place.fed(&["diff", "-", "spec.json"], SPEC).succeeded();
    place.fed(&["index", "-", "-o", "index.tar"], SPEC).succeeded();
    let help = place.data(&["--help"]);
    assert!(help.contains("`-` reads it from standard input"), "{help}");
}

#[test]
fn spec_on_stdin_resolves_paths_in_current_directory() {
    let place = Place::new();
    place.write("spec.json", SPEC);
    place.builds();
    let mut above: Value = serde_json::from_str(SPEC).unwrap();
    above["base"] = json!({"path": "image.tar"});
    place.fed(&["build", "-", "-o", "above.tar"], &above.to_string()).succeeded();
}

#[test]
fn spec_on_stdin_errors_name_standard_input() {
    let place = Place::new();
    place.write("spec.json", SPEC);
    for (verb, spec, says) in [
        ("build", r#"{"version":1,"name":"App"}"#, "name: `App` is not an image name"),
        ("build", "", "hint: SPEC is a spec.json"),
        ("plan", "[]", "it must be an object"),
    ] {
        let output: &[&str] = if verb == "build" { &["-o", "out"] } else { &[] };
        let ran = place.fed(&[&[verb, "-"], output].concat(), spec);
        ran.failed(1, &["failed to read standard input", says]);
    }
    for twice in [&["build", "-", "-", "-o", "out"][..], &["diff", "-", "-"], &["plan", "-", "-"]] {
        let ran = place.fed(twice, SPEC);
        ran.failed(1, &["standard input is to be read twice", "hint: write what is wanted again"]);
    }
    assert!(!place.path("out").exists());
}
