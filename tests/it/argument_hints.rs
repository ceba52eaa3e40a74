//! Hints for arguments that mean something else than their author intended.

use serde_json::json;

use super::spec_errors::two_specs;
use crate::support::command::TestDir;

/// An argument that is not a file was read as an image on Docker Hub, and the hint states that.
#[test]
fn missing_file_error_names_the_assumed_registry() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({}));
    test_dir.build_archive();
    let offline = |args: &[&str]| {
        let args = [args, &["--registry-retries=0"]].concat();
        crate::support::command::CommandOutput::new(
            test_dir.command(&args).env("HTTPS_PROXY", "http://127.0.0.1:1").output().unwrap(),
        )
    };
    let copies = [["copy", "nope", "out"], ["copy", "image.tar", "nope"]];
    let subcommands = [&["inspect", "nope"][..], &["history", "nope"], &["validate", "nope"]];
    for args in subcommands.into_iter().chain(copies.iter().map(|copy| &copy[..])) {
        let hint = "hint: there is no file `nope` here, so it was taken for an image on Docker \
                    Hub: write `./nope` for a file, `docker.io/library/nope` for the image";
        let result = offline(args);
        assert!(result.code == Some(2) && result.stderr.contains(hint), "{}", result.stderr);
        assert!(!test_dir.path("out").exists());
    }
    for image in ["nope:v1", "docker.io/library/nope"] {
        let result = offline(&["inspect", image]);
        assert!(result.code == Some(2) && !result.stderr.contains("no file"), "{}", result.stderr);
    }
}

#[test]
fn save_duplicate_names_refused_and_duplicate_images_merged() {
    let test_dir = TestDir::new();
    for text in ["one", "two"] {
        test_dir.write_spec(&[], json!({"files": {"/x": {"text": text}}}));
        std::fs::rename(test_dir.build_archive(), test_dir.path(&format!("{text}.tar"))).unwrap();
    }
    for format in ["archive", "layout"] {
        let save = |from: &str| {
            test_dir.cooper(&["save", "one.tar", from, "--format", format, "-o", format])
        };
        save("two.tar")
            .assert_failure(1, &["two of the images are called `docker.io/library/app:latest`"]);
        assert!(!test_dir.path(format).exists());
        assert_eq!(save("one.tar").stderr, format!("saved 1 image in `{format}`\n"));
    }
}

#[test]
fn copy_several_images_hint_names_the_assumed_location() {
    let test_dir = TestDir::new();
    two_specs(
        &test_dir,
        json!({"name": "a"}),
        json!({"name": "b", "config": {"Cmd": ["/b"]}, "checks": {"skip": ["entrypoint"]}}),
    );
    test_dir.cooper(&["build", "one.json", "two.json", "-o", "both.tar"]).assert_success();
    test_dir
        .cooper(&["copy", "both.tar", "dir"])
        .assert_failure(1, &["`both.tar` has several images", "write `./dir` for a file"]);
}

#[test]
fn changes_often_unknown_name_warns_once() {
    let test_dir = TestDir::new();
    test_dir.store_file("one-1.0", "x", "");
    test_dir.store_file("two-2.0", "x", "");
    let graph = |name: &str| json!([{"path": test_dir.store_path(name), "narHash": "sha256:0", "narSize": 1000}]);
    let member = |name: &str, own: &str, other: &str, others: &str| {
        let often = ["one", "two-2.0", "three"];
        let siblings = json!({other: graph(others)});
        let layering = json!({"mode": "set", "changesOften": often, "siblings": siblings});
        json!({"name": name, "contents": [test_dir.store_path(own)], "closure": graph(own), "layering": layering})
    };
    two_specs(
        &test_dir,
        member("a", "one-1.0", "b", "two-2.0"),
        member("b", "two-2.0", "a", "one-1.0"),
    );
    for subcommand in [&["build", "-o", "out"][..], &["plan"]] {
        let result = test_dir.cooper(&[subcommand, &["one.json", "two.json"]].concat());
        result.assert_success();
        let expected_text =
            "warning: layering.changesOften has `three`, and no store path of `a`, `b` has";
        assert!(result.stderr.contains(expected_text), "{}", result.stderr);
        assert_eq!(result.stderr.matches("changesOften").count(), 1, "{}", result.stderr);
    }
    test_dir.stdout_of(&["plan", "one.json", "--quiet"]);
    // A single image does not know the paths of another one.
    let layering = json!({"changesOften": ["one", "two"]});
    let alone = json!({"closure": graph("one-1.0"), "layering": layering});
    test_dir.write_spec(&[], alone);
    let result = test_dir.cooper(&["plan", "spec.json"]);
    assert!(
        result.stderr.contains("has `two`, and no store path of `app` has"),
        "{}",
        result.stderr
    );
    assert!(!result.stderr.contains("`one`"), "{}", result.stderr);
}

#[test]
fn cross_package_is_found_by_its_native_name() {
    let test_dir = TestDir::new();
    let name = "tool-aarch64-unknown-linux-gnu-0.1.0";
    test_dir.store_file(name, "x", "");
    let graph =
        json!([{"path": test_dir.store_path(name), "narHash": "sha256:0", "narSize": 1000}]);
    for asked in ["tool", "tool-aarch64-unknown-linux-gnu", name] {
        let layering = json!({"changesOften": [asked]});
        test_dir.write_spec(&[], json!({"closure": graph, "layering": layering}));
        let result = test_dir.cooper(&["plan", "spec.json"]);
        result.assert_success();
        assert!(!result.stderr.contains("changesOften"), "{}", result.stderr);
        test_dir.cooper(&["why", "spec.json", asked]).assert_success();
    }
}

#[test]
fn checks_invalid_pattern_reported_with_other_findings() {
    let test_dir = TestDir::new();
    let checks =
        json!({"mustContain": ["bin/x", "/y"], "mustNotContain": ["/x/..", "/[", "/{a,b}"]});
    test_dir.write_spec(&[], json!({"config": {"Entrypoint": ["/bin/app"]}, "checks": checks}));
    test_dir.assert_build_fails(
        1,
        &[
            "the image does not pass 3 checks",
            "entrypoint: config.Entrypoint starts `/bin/app`, which is not in the image",
            "mustContain: `bin/x` is no pattern: write an absolute path without `.` or `..`",
            "mustContain: `/y` is not in the image",
            "mustNotContain: `/x/..` is no pattern: write an absolute path",
            "mustNotContain: `/[` is no pattern: unclosed character class; missing ']'",
        ],
    );
}

#[test]
fn from_attrs_error_names_image_and_field() {
    let test_dir = TestDir::new();
    for (field, value, expected_text) in [
        ("config", json!({"Entrypont": []}), "config.Entrypont: unknown field `Entrypont`"),
        (
            "config",
            json!({"User": 7}),
            "config.User: invalid type: integer `7`, expected a string\n",
        ),
        ("config", json!({"Env": ["A"]}), "config.Env has `A`"),
        ("tags", json!([".x"]), "tags[0]: `.x` is not a tag"),
    ] {
        let spec = json!({"version": 1, "name": "app", field: value});
        let attrs = json!({"spec": spec, "outputs": {"out": test_dir.path("out")}});
        test_dir.write(".attrs.json", attrs.to_string());
        let result = test_dir.cooper(&["spec", "from-attrs"]);
        result.assert_failure(1, &["error: failed to make the spec of `app`\n", expected_text]);
        let foreign = result.stderr.contains("attrs.json") || result.stderr.contains("column");
        assert!(!foreign, "{}", result.stderr);
    }
}

#[test]
fn location_non_utf8_path_is_accepted() {
    use std::os::unix::ffi::OsStrExt;
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({"files": {"/x": {"text": "x"}}}));
    let name = |bytes: &'static [u8]| std::ffi::OsStr::from_bytes(bytes);
    let cooper = |args: &[&std::ffi::OsStr]| {
        crate::support::command::CommandOutput::new(
            test_dir.command(&[]).args(args).output().unwrap(),
        )
    };
    let (spec, archive, copy) = (name(b"s\xff.json"), name(b"a\xff.tar"), name(b"c\xff.tar"));
    let layout = name(b"oci:l\xff:v1");
    std::fs::rename(test_dir.path("spec.json"), test_dir.path("").join(spec)).unwrap();
    cooper(&[name(b"build"), spec, name(b"-o"), archive]).assert_success();
    for to in [copy, layout] {
        cooper(&[name(b"copy"), archive, to]).assert_success();
        cooper(&[name(b"validate"), to]).assert_success();
        cooper(&[name(b"history"), to]).assert_success();
    }
    cooper(&[name(b"inspect"), spec, archive, copy, layout]).assert_success();
    // The error names the invalid argument.
    cooper(&[name(b"inspect"), name(b"n\xff")]).assert_failure(
        1,
        &[
            "error: `n\u{fffd}` is neither an existing file nor a registry reference",
            "is not UTF-8",
        ],
    );
    cooper(&[name(b"history"), name(b"oci:l:\xff")])
        .assert_failure(1, &["error: the name `\u{fffd}` is not UTF-8"]);
    cooper(&[name(b"build"), spec, name(b"-o"), archive, name(b"--tag=v\xff")])
        .assert_failure(1, &["is not UTF-8, as all but paths must be", "`--tag=v\u{fffd}`"]);
}

#[test]
fn missing_base_error_says_base_image() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({"base": {"path": "none.tar"}}));
    for subcommand in ["plan", "inspect"] {
        test_dir.cooper(&[subcommand, "spec.json"]).assert_failure(
            1,
            &[
                "caused by: failed to read the base image\n",
                "caused by: failed to read `none.tar`\n",
                "No such file",
            ],
        );
    }
}

#[test]
fn copy_empty_source_or_destination_is_refused() {
    let test_dir = TestDir::new();
    test_dir.write("empty/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    test_dir.write("empty/index.json", r#"{"schemaVersion":2,"manifests":[]}"#);
    let nothing = "error: there is no image in `empty`";
    for args in [
        &["copy", "empty", "out.tar"][..],
        &["copy", "empty", "oci:out.tar:v1"],
        &["save", "empty", "-o", "out.tar"],
        &["inspect", "empty"],
        &["history", "empty"],
    ] {
        test_dir.cooper(args).assert_failure(1, &[nothing]);
    }
    test_dir.write_spec(&[], json!({}));
    test_dir.build_archive();
    test_dir.cooper(&["copy", "image.tar", "oci:"]).assert_failure(1, &["`oci:` names no path"]);
    test_dir
        .cooper(&["copy", "archive::v1", "out"])
        .assert_failure(1, &["`archive::v1` names no path"]);
}

#[test]
fn or_save_hint_is_printed_for_load_only() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({}));
    test_dir.build_archive();
    let run = |args: &[&str]| {
        let mut command = test_dir.command(args);
        crate::support::command::CommandOutput::new(
            command.env("DOCKER_HOST", "unix:///none").output().unwrap(),
        )
    };
    let what = "hint: start it, or name another place (`DOCKER_HOST`, `docker context use`, \
                `--client`)";
    let load = run(&["load", "spec.json"]);
    load.assert_failure(2, &[what, "; `--or-save DIR` writes archives instead\n"]);
    for args in [["copy", "image.tar", "docker-daemon:a"], ["copy", "docker-daemon:a", "out.tar"]] {
        run(&args).assert_failure(2, &[&format!("{what}\n")]);
    }
}
