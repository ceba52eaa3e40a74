//! Specs on standard input.

use serde_json::{Value, json};

use crate::support::command::TestDir;

const SPEC: &str = r#"{"version":1,"name":"app","files":{"/x":{"text":"x"}}}"#;

#[test]
fn spec_on_stdin_works_for_every_command() {
    let test_dir = TestDir::new();
    test_dir.write("spec.json", SPEC);
    let file = std::fs::read(test_dir.build_archive()).unwrap();
    test_dir.run_with_stdin(&["build", "-", "-o", "fed.tar"], SPEC).assert_success();
    assert_eq!(file, std::fs::read(test_dir.path("fed.tar")).unwrap());
    for subcommand in ["plan", "inspect", "history", "simulate"] {
        let run_with_stdin = test_dir.run_with_stdin(&[subcommand, "-"], SPEC);
        run_with_stdin.assert_success();
        assert_eq!(
            run_with_stdin.stdout,
            test_dir.stdout_of(&[subcommand, "spec.json"]),
            "{subcommand}"
        );
    }
    test_dir.run_with_stdin(&["diff", "-", "spec.json"], SPEC).assert_success();
    test_dir.run_with_stdin(&["index", "-", "-o", "index.tar"], SPEC).assert_success();
    let help = test_dir.stdout_of(&["--help"]);
    assert!(help.contains("`-` reads standard input."), "{help}");
}

#[test]
fn spec_on_stdin_resolves_paths_in_current_directory() {
    let test_dir = TestDir::new();
    test_dir.write("spec.json", SPEC);
    test_dir.build_archive();
    let mut above: Value = serde_json::from_str(SPEC).unwrap();
    above["base"] = json!({"path": "image.tar"});
    test_dir
        .run_with_stdin(&["build", "-", "-o", "above.tar"], &above.to_string())
        .assert_success();
}

#[test]
fn spec_on_stdin_errors_name_standard_input() {
    let test_dir = TestDir::new();
    test_dir.write("spec.json", SPEC);
    for (subcommand, spec, expected_text) in [
        ("build", r#"{"version":1,"name":"App"}"#, "name: `App` is not an image name"),
        ("build", "", "hint: SPEC is a spec.json"),
        ("plan", "[]", "it must be an object"),
    ] {
        let output: &[&str] = if subcommand == "build" { &["-o", "out"] } else { &[] };
        let result = test_dir.run_with_stdin(&[&[subcommand, "-"], output].concat(), spec);
        result.assert_failure(1, &["failed to read standard input", expected_text]);
    }
    for twice in [&["build", "-", "-", "-o", "out"][..], &["diff", "-", "-"], &["plan", "-", "-"]] {
        let result = test_dir.run_with_stdin(twice, SPEC);
        result.assert_failure(
            1,
            &["standard input can be read only once", "hint: save the input in a file"],
        );
    }
    assert!(!test_dir.path("out").exists());
}
