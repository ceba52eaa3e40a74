//! Words that mean something else than who wrote them thinks.

use serde_json::json;

use super::spec_errors::two_specs;
use crate::support::command::Place;

/// An argument that is not a file was read as an image on Docker Hub, and the hint states that.
#[test]
fn missing_file_error_names_the_assumed_registry() {
    let place = Place::new();
    place.spec(&[], json!({}));
    place.builds();
    let offline = |args: &[&str]| {
        let args = [args, &["--registry-retries=0"]].concat();
        crate::support::command::Ran::of(
            place.command(&args).env("HTTPS_PROXY", "http://127.0.0.1:1").output().unwrap(),
        )
    };
    let copies = [["copy", "nope", "out"], ["copy", "image.tar", "nope"]];
    let verbs = [&["inspect", "nope"][..], &["history", "nope"], &["validate", "nope"]];
    for args in verbs.into_iter().chain(copies.iter().map(|copy| &copy[..])) {
        let hint = "hint: there is no file `nope` here, so it was taken for an image on Docker \
                    Hub: write `./nope` for a file, `docker.io/library/nope` for the image";
        let ran = offline(args);
        assert!(ran.code == Some(2) && ran.stderr.contains(hint), "{}", ran.stderr);
        assert!(!place.path("out").exists());
    }
    for image in ["nope:v1", "docker.io/library/nope"] {
        let ran = offline(&["inspect", image]);
        assert!(ran.code == Some(2) && !ran.stderr.contains("no file"), "{}", ran.stderr);
    }
}

#[test]
fn save_duplicate_names_refused_and_duplicate_images_merged() {
    let place = Place::new();
    for text in ["one", "two"] {
        place.spec(&[], json!({"files": {"/x": {"text": text}}}));
        std::fs::rename(place.builds(), place.path(&format!("{text}.tar"))).unwrap();
    }
    for format in ["archive", "layout"] {
        let save =
            |from: &str| place.cooper(&["save", "one.tar", from, "--format", format, "-o", format]);
        save("two.tar").failed(1, &["two of the images are called `docker.io/library/app:latest`"]);
        assert!(!place.path(format).exists());
        assert_eq!(save("one.tar").stderr, format!("saved 1 image in `{format}`\n"));
    }
}

#[test]
fn copy_several_images_hint_names_the_assumed_location() {
    let place = Place::new();
    two_specs(
        &place,
        json!({"name": "a"}),
        json!({"name": "b", "config": {"Cmd": ["/b"]}, "checks": {"skip": ["entrypoint"]}}),
    );
    place.cooper(&["build", "one.json", "two.json", "-o", "both.tar"]).succeeded();
    place
        .cooper(&["copy", "both.tar", "folder"])
        .failed(1, &["`both.tar` has several images", "write `./folder` for a file"]);
}

#[test]
fn changes_often_unknown_name_warns_once() {
    let place = Place::new();
    place.store_file("one-1.0", "x", "");
    place.store_file("two-2.0", "x", "");
    let graph = |name: &str| json!([{"path": place.store_path(name), "narHash": "sha256:0", "narSize": 1000}]);
    let member = |name: &str, own: &str, other: &str, others: &str| {
        let often = ["one", "two-2.0", "three"];
        let siblings = json!({other: graph(others)});
        let layering = json!({"mode": "set", "changesOften": often, "siblings": siblings});
        json!({"name": name, "contents": [place.store_path(own)], "closure": graph(own), "layering": layering})
    };
    two_specs(
        &place,
        member("a", "one-1.0", "b", "two-2.0"),
        member("b", "two-2.0", "a", "one-1.0"),
    );
    for verb in [&["build", "-o", "out"][..], &["plan"]] {
        let ran = place.cooper(&[verb, &["one.json", "two.json"]].concat());
        ran.succeeded();
        let says = "warning: layering.changesOften has `three`, and no store path of `a`, `b` has";
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("changesOften").count(), 1, "{}", ran.stderr);
    }
    place.data(&["plan", "one.json", "--quiet"]);
    // Alone, an image knows of no other's paths.
    let layering = json!({"changesOften": ["one", "two"]});
    let alone = json!({"closure": graph("one-1.0"), "layering": layering});
    place.spec(&[], alone);
    let ran = place.cooper(&["plan", "spec.json"]);
    assert!(ran.stderr.contains("has `two`, and no store path of `app` has"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("`one`"), "{}", ran.stderr);
}

#[test]
fn cross_package_is_found_by_its_native_name() {
    let place = Place::new();
    let name = "tool-aarch64-unknown-linux-gnu-0.1.0";
    place.store_file(name, "x", "");
    let graph = json!([{"path": place.store_path(name), "narHash": "sha256:0", "narSize": 1000}]);
    for asked in ["tool", "tool-aarch64-unknown-linux-gnu", name] {
        let layering = json!({"changesOften": [asked]});
        place.spec(&[], json!({"closure": graph, "layering": layering}));
        let ran = place.cooper(&["plan", "spec.json"]);
        ran.succeeded();
        assert!(!ran.stderr.contains("changesOften"), "{}", ran.stderr);
        place.cooper(&["why", "spec.json", asked]).succeeded();
    }
}

#[test]
fn checks_invalid_pattern_reported_with_other_findings() {
    let place = Place::new();
    let checks =
        json!({"mustContain": ["bin/x", "/y"], "mustNotContain": ["/x/..", "/[", "/{a,b}"]});
    place.spec(&[], json!({"config": {"Entrypoint": ["/bin/app"]}, "checks": checks}));
    place.refuses(
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
    let place = Place::new();
    for (field, value, says) in [
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
        let attrs = json!({"spec": spec, "outputs": {"out": place.path("out")}});
        place.write(".attrs.json", attrs.to_string());
        let ran = place.cooper(&["spec", "from-attrs"]);
        ran.failed(1, &["error: failed to make the spec of `app`\n", says]);
        let foreign = ran.stderr.contains("attrs.json") || ran.stderr.contains("column");
        assert!(!foreign, "{}", ran.stderr);
    }
}

#[test]
fn location_non_utf8_path_is_accepted() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    place.spec(&[], json!({"files": {"/x": {"text": "x"}}}));
    let name = |bytes: &'static [u8]| std::ffi::OsStr::from_bytes(bytes);
    let cooper = |args: &[&std::ffi::OsStr]| {
        crate::support::command::Ran::of(place.command(&[]).args(args).output().unwrap())
    };
    let (spec, archive, copy) = (name(b"s\xff.json"), name(b"a\xff.tar"), name(b"c\xff.tar"));
    let layout = name(b"oci:l\xff:v1");
    std::fs::rename(place.path("spec.json"), place.path("").join(spec)).unwrap();
    cooper(&[name(b"build"), spec, name(b"-o"), archive]).succeeded();
    for to in [copy, layout] {
        cooper(&[name(b"copy"), archive, to]).succeeded();
        cooper(&[name(b"validate"), to]).succeeded();
        cooper(&[name(b"history"), to]).succeeded();
    }
    cooper(&[name(b"inspect"), spec, archive, copy, layout]).succeeded();
    // Who names no file is told which word is meant.
    cooper(&[name(b"inspect"), name(b"n\xff")])
        .failed(1, &["error: `n\u{fffd}` is no file or folder that is there", "is no UTF-8"]);
    cooper(&[name(b"history"), name(b"oci:l:\xff")])
        .failed(1, &["error: the name `\u{fffd}` is no UTF-8"]);
    cooper(&[name(b"build"), spec, name(b"-o"), archive, name(b"--tag=v\xff")])
        .failed(1, &["is no UTF-8, as all but paths must be", "`--tag=v\u{fffd}`"]);
}

#[test]
fn missing_base_error_says_base_image() {
    let place = Place::new();
    place.spec(&[], json!({"base": {"path": "none.tar"}}));
    for verb in ["plan", "inspect"] {
        place.cooper(&[verb, "spec.json"]).failed(
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
    let place = Place::new();
    place.write("empty/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    place.write("empty/index.json", r#"{"schemaVersion":2,"manifests":[]}"#);
    let nothing = "error: there is no image in `empty`";
    for args in [
        &["copy", "empty", "out.tar"][..],
        &["copy", "empty", "oci:out.tar:v1"],
        &["save", "empty", "-o", "out.tar"],
        &["inspect", "empty"],
        &["history", "empty"],
    ] {
        place.cooper(args).failed(1, &[nothing]);
    }
    place.spec(&[], json!({}));
    place.builds();
    place.cooper(&["copy", "image.tar", "oci:"]).failed(1, &["`oci:` names no path"]);
    place.cooper(&["copy", "archive::v1", "out"]).failed(1, &["`archive::v1` names no path"]);
}

#[test]
fn or_save_hint_is_printed_for_load_only() {
    let place = Place::new();
    place.spec(&[], json!({}));
    place.builds();
    let run = |args: &[&str]| {
        let mut command = place.command(args);
        crate::support::command::Ran::of(
            command.env("DOCKER_HOST", "unix:///none").output().unwrap(),
        )
    };
    let what = "hint: start it, or name another place (`DOCKER_HOST`, `docker context use`, \
                `--client`)";
    let load = run(&["load", "spec.json"]);
    load.failed(2, &[what, "; `--or-save DIR` writes archives instead\n"]);
    for args in [["copy", "image.tar", "docker-daemon:a"], ["copy", "docker-daemon:a", "out.tar"]] {
        run(&args).failed(2, &[&format!("{what}\n")]);
    }
}
