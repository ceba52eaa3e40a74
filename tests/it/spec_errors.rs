//! Invalid specs: exit code 1, one error that names file and field, and no output.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::command::{TestDir, run};

/// Checks that each spec is refused with these texts and the name of the file.
fn assert_refused(specs: &[(&[u8], &str)]) {
    for (spec, expected_text) in specs {
        let test_dir = TestDir::new();
        test_dir.write("spec.json", spec);
        test_dir.assert_build_fails(1, &["failed to read `spec.json`", expected_text]);
    }
}

#[test]
fn spec_not_a_json_object_error_names_the_position() {
    let deep = format!(r#"{{"version":1,"name":"a","config":{}"#, "{\"Labels\":".repeat(100_000));
    assert_refused(&[
        (b"", "line 1 column 0"),
        (b"null", "invalid type: null"),
        (b"[]", "it must be an object"),
        (b"7", "invalid type: integer `7`"),
        (br#"{"version":1,"name":"a""#, "EOF while parsing an object at line 1 column 23"),
        (br#"{"version":1,"name":"a"}}"#, "trailing characters"),
        (br#"{"version":1,"name":"a","name":"b"}"#, "duplicate field `name`"),
        (b"\xef\xbb\xbf{\"version\":1}", "line 1 column 1"),
        (b"{\"version\":1,\"name\":\"\xff\"}", "invalid unicode code point"),
        (br#"{"version":1,"name":"\ud800"}"#, "line 1 column"),
        (deep.as_bytes(), r#"config.Labels."Labels": invalid type: map, expected a string"#),
    ]);
}

#[test]
fn spec_field_of_wrong_type_is_named() {
    let with = |extra: &str| format!(r#"{{"version":1,"name":"a",{extra}}}"#);
    for (extra, expected_text) in [
        (r#""entrypont":[]"#, "unknown field `entrypont`"),
        (r#""config":{"Entrypont":[]}"#, "hint: did you mean `Entrypoint`?"),
        (r#""config":[]"#, "config: invalid type: sequence, expected an object"),
        (r#""config":{"Env":{"A":"b"}}"#, "config.Env: invalid type: map"),
        (r#""config":{"Env":["A=b",3]}"#, "config.Env[1]: invalid type: integer"),
        (r#""config":{"Labels":{"a":"1","a":"2"}}"#, "duplicate field `a`"),
        (r#""files":{"/a":{"text":"x","uid":"0"}}"#, r#"files."/a".uid: invalid type: string"#),
        (
            r#""files":{"/a":{"text":"x","uid":-1}}"#,
            r#"files."/a".uid: invalid value: integer `-1`"#,
        ),
        (r#""files":{"/a":{"text":"x","uid":4294967296}}"#, r#"files."/a".uid: invalid value"#),
        (r#""checks":{"maxSize":1e400}"#, "checks.maxSize: number out of range"),
        (r#""checks":{"maxSize":-1}"#, "checks.maxSize: invalid value"),
        (r#""checks":{"skip":["everything"]}"#, "checks.skip[0]: unknown variant"),
        (r#""directories":{"/a":{"mode":"0888"}}"#, r#"directories."/a".mode: mode `0888`"#),
        (r#""directories":{"/a":{"mode":"0644junk"}}"#, r#"directories."/a".mode"#),
        (r#""directories":{"/a":{"mode":"u+x"}}"#, r#"directories."/a".mode"#),
        (r#""directories":{"/a":{"mode":420}}"#, r#"directories."/a".mode: invalid type: integer"#),
        (r#""layering":{"mode":"all"}"#, "layering.mode: unknown variant `all`"),
    ] {
        let test_dir = TestDir::new();
        test_dir.write("spec.json", with(extra));
        test_dir.assert_build_fails(1, &["failed to read `spec.json`", expected_text]);
    }
}

#[test]
fn spec_invalid_value_error_names_the_field() {
    let long = "t".repeat(129);
    for (fields, expected_text) in [
        (json!({"config": {"Env": ["A"]}}), "config.Env has `A`"),
        (json!({"config": {"Env": ["=b"]}}), "config.Env has `=b`"),
        (json!({"config": {"Env": ["A=\0"]}}), "config.Env has a NUL character"),
        (json!({"config": {"Cmd": ["a\0"]}}), "config.Cmd has a NUL character"),
        (json!({"name": "App"}), "name: `App` is not an image name"),
        (json!({"name": "a//b"}), "name: `a//b`"),
        (json!({"name": "a@sha256:00"}), "leave out the digest"),
        (json!({"tags": [".x"]}), "tags[0]: `.x` is not a tag"),
        (json!({"tags": [long]}), "tags[0]: `ttt"),
        (json!({"tags": []}), "tags is empty"),
        (json!({"created": "now"}), "created: `now` is not a time"),
        (json!({"created": ""}), "created: `` is not a time"),
        (json!({"created": "1969-12-31T23:59:59Z"}), "created: `1969-12-31T23:59:59Z` is before"),
        (json!({"mtime": "2024-01-01"}), "mtime: `2024-01-01` is not a time"),
        (json!({"layering": {"maxLayers": 0}}), "layering.maxLayers is 0"),
        (json!({"layering": {"maxLayers": 126}}), "layering.maxLayers is 126"),
        (json!({"layering": {"maxLayers": 1_000_000_000}}), "layering.maxLayers is 1000000000"),
        (json!({"version": 2}), "version is 2, and this cooper reads version 1 only"),
        (json!({"symlinks": {"/a": "x".repeat(4096)}}), "symlinks.\"/a\" has the target"),
        (json!({"symlinks": {"a": "x"}}), "symlinks has `a`"),
        (json!({"platform": {"os": "linux", "architecture": "x86_64"}}), "`x86_64`; write `amd64`"),
        (json!({"platform": {"os": "linux", "architecture": ""}}), "platform.architecture is ``"),
        (json!({"platform": {"os": "Linux", "architecture": "amd64"}}), "platform.os is `Linux`"),
        (
            json!({"platform": {"os": "linux", "architecture": "arm", "variant": ""}}),
            "platform.variant is ``",
        ),
        (
            json!({"config": {"Healthcheck": {"Test": ["NONE"], "Interval": 10}}}),
            "config.Healthcheck.Interval is 10 nanoseconds; it must be 0 or at least a millisecond",
        ),
        (json!({"users": {"": {"uid": 1, "gid": 1}}}), "users.\"\" is empty"),
        (json!({"groups": {"": {"gid": 1}}}), "groups.\"\" is empty"),
        (json!({"files": {"/a": {}}}), "files.\"/a\" needs either `text` or `source`"),
    ] {
        let test_dir = TestDir::new();
        test_dir.write_spec(&[], fields);
        test_dir.assert_build_fails(1, &["failed to read `spec.json`", expected_text]);
    }
}

#[test]
fn spec_times_with_offset_and_year_9999_are_valid() {
    for created in ["2024-01-01T00:00:00+02:00", "9999-12-30T00:00:00Z"] {
        let test_dir = TestDir::new();
        test_dir.write_spec(&[], json!({"created": created}));
        test_dir.build_archive();
    }
}

/// Repeating a path, or leaving out a default, gives the same image.
#[test]
fn spec_duplicates_do_not_change_the_image() {
    let test_dir = TestDir::new();
    test_dir.store_file("a", "bin/a", "a");
    let a = test_dir.store_path("a");
    test_dir.write_spec(&["a"], json!({"contents": [a]}));
    let once = std::fs::read(test_dir.build_archive()).unwrap();
    let twice =
        json!({"contents": [a, a], "config": {}, "files": {}, "tags": ["latest", "latest"]});
    test_dir.write_spec(&["a", "a"], twice);
    assert_eq!(once, std::fs::read(test_dir.build_archive()).unwrap());
    let output =
        test_dir.cooper(&["build", "spec.json", "--tag=latest", "--tag=latest", "-o", "again"]);
    output.assert_success();
    assert_eq!(once, std::fs::read(test_dir.path("again")).unwrap());
    test_dir.write_spec(&[], json!({}));
    test_dir.build_archive();
}

#[test]
fn spec_path_outside_closure_is_refused_unread() {
    let test_dir = TestDir::new();
    test_dir.store_file("a", "x", "");
    test_dir.store_file("b", "x", "");
    let [a, b] = ["a", "b"].map(|name| test_dir.store_path(name));
    let source = |source: &str| json!({"files": {"/x": {"source": source}}});
    for (fields, expected_text) in [
        (json!({"contents": [a, b]}), format!("contents is `{}`, which is not in", b.display())),
        (source("/etc/shadow"), "files.\"/x\".source is `/etc/shadow`".into()),
        (source("spec.json"), "files.\"/x\".source is `spec.json`".into()),
        (source(b.to_str().unwrap()), "which is not in the closure, which has one path".into()),
        (source(&format!("{}/../x", a.display())), "-a/../x`, which is not in".into()),
    ] {
        test_dir.write_spec(&["a"], fields);
        test_dir
            .assert_build_fails(1, &[&expected_text, "hint: in a flake, write the package itself"]);
    }
    let missing =
        json!({"closure": [{"path": a, "narHash": "sha256:x", "narSize": 1, "references": [b]}]});
    test_dir.write_spec(&[], missing);
    test_dir.assert_build_fails(1, &["which the graph does not have"]);
    let foreign = b.display().to_string().replace("/store/", "/storefoo/");
    let entry = |path: &str| json!({"path": path, "narHash": "sha256:x", "narSize": 1});
    test_dir.write_spec(&[], json!({"closure": [entry(a.to_str().unwrap()), entry(&foreign)]}));
    test_dir.assert_build_fails(1, &[&foreign, "where the other paths are"]);
}

#[test]
fn spec_two_sources_for_one_path_names_both() {
    let test_dir = TestDir::new();
    test_dir.store_file("a", "bin/x", "one");
    test_dir.store_file("b", "bin/x", "two");
    test_dir.store_file("c", "bin/x/y", "");
    let [a, b, c] = ["a", "b", "c"].map(|name| test_dir.store_path(name));
    for other in [&b, &c] {
        test_dir.write_spec(&["a", "b", "c"], json!({"contents": [a, other]}));
        let names = [&a, other].map(|path| path.join("bin/x").display().to_string());
        test_dir.assert_build_fails(1, &["`/bin/x` comes from", &names[0], &names[1]]);
    }
    test_dir.write_spec(&["a"], json!({"contents": [a], "files": {"/bin/x": {"text": ""}}}));
    test_dir.assert_build_fails(1, &["`/bin/x` comes from", "and from files.\"/bin/x\""]);
}

#[test]
fn spec_own_file_inside_the_store_is_refused() {
    let test_dir = TestDir::new();
    test_dir.store_file("a", "bin/x", "one");
    let a = test_dir.store_path("a").display().to_string();
    let store = test_dir.path("store").display().to_string();
    for (own, field) in [(&store, "files"), (&a, "symlinks"), (&format!("{a}/bin/x"), "files")] {
        let what = if field == "files" { json!({"text": ""}) } else { json!("target") };
        test_dir.write_spec(&["a"], json!({"contents": [a], field: {own: what}}));
        let both =
            format!("`{own}` comes from {field}.\"{own}\" and from the image's store path `{a}`");
        test_dir.assert_build_fails(1, &[&both]);
    }
    test_dir.write_spec(&["a"], json!({"contents": [a], "directories": {store: {"mode": "1775"}}}));
    test_dir.build_archive();
}

#[test]
fn spec_unreadable_file_is_refused_immediately() {
    let test_dir = TestDir::new();
    run("mkfifo", &[&test_dir.path("fifo")]);
    std::fs::create_dir(test_dir.path("empty")).unwrap();
    symlink("missing", test_dir.path("dangling")).unwrap();
    for (spec, expected_text) in [
        ("fifo", "failed to read `fifo`"),
        ("empty", "failed to read `empty/spec.json`"),
        ("dangling", "failed to read `dangling`"),
        ("missing", "failed to read `missing`"),
        ("/dev/zero", "failed to read `/dev/zero`"),
    ] {
        let since = Instant::now();
        let output = test_dir.cooper(&["build", spec, "-o", "out"]);
        output.assert_failure(1, &[expected_text, "hint: SPEC is a spec.json"]);
        assert!(since.elapsed() < Duration::from_secs(10), "{spec}");
        assert!(!test_dir.path("out").exists());
    }
}

#[test]
fn spec_over_size_limit_is_refused_unread() {
    let test_dir = TestDir::new();
    std::fs::File::create(test_dir.path("spec.json")).unwrap().set_len(1 << 40).unwrap();
    let since = Instant::now();
    test_dir.assert_build_fails(1, &["failed to read `spec.json`", "larger than 268435456 bytes"]);
    assert!(since.elapsed() < Duration::from_secs(10));
}

#[test]
fn checks_failed_image_lists_all_findings() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({"config": {"Entrypoint": ["/bin/app"], "User": "app"}}));
    test_dir.assert_build_fails(
        1,
        &[
            "the image does not pass 2 checks",
            "entrypoint: config.Entrypoint starts `/bin/app`, which is not in the image",
            "user: config.User is `app`, which is not in the image's `/etc/passwd`",
            "hint: fix the image, or set `checks.skip = [ \"entrypoint\" \"user\" ]` to skip the checks",
        ],
    );
    let key = format!("-----BEGIN {} KEY-----\n{}", "PRIVATE", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC");
    test_dir.write_spec(&[], json!({"files": {"/key": {"text": key}}}));
    test_dir.assert_build_fails(1, &["secrets: `/key`, line 1, has a private key"]);
    let checks = json!({"mustContain": ["/bin/app"], "mustNotContain": ["/etc/**"], "maxSize": 3});
    let fields = json!({
        "config": {"Cmd": ["app"], "User": "app", "Healthcheck": {"Test": ["CMD-SHELL", "true"]}},
        "files": {"/etc/motd": {"text": "hello"}},
        "checks": checks,
    });
    test_dir.write_spec(&[], fields);
    let output = test_dir.cooper(&["build", "spec.json", "-o", "out.tar"]);
    assert_eq!(output.code, Some(1));
    insta::assert_snapshot!(output.stderr);
}

#[test]
fn copied_store_files_are_in_the_image_once() {
    let test_dir = TestDir::new();
    let source = test_dir.store_file("a", "x", "12345");
    let root = test_dir.store_path("a");
    let with = |checks: Value| {
        test_dir.write_spec(&["a"], json!({"files": {"/x": {"source": source}}, "checks": checks}));
    };
    with(json!({"maxSize": 5, "mustNotContain": [root]}));
    test_dir.build_archive();
    with(json!({"maxSize": 4, "mustContain": [root]}));
    test_dir.assert_build_fails(
        1,
        &["does not pass 2 checks", "largest parts are /x (5)", "mustContain: "],
    );
}

/// Writes two specs of these fields, `one.json` and `two.json`.
pub(crate) fn two_specs(test_dir: &TestDir, one: Value, two: Value) {
    for (name, fields) in [("one.json", one), ("two.json", two)] {
        std::fs::rename(test_dir.write_spec(&[], fields), test_dir.path(name)).unwrap();
    }
}

#[test]
fn duplicate_name_and_tag_is_refused() {
    let test_dir = TestDir::new();
    let labels = json!({"config": {"Labels": {"a": "b"}}, "tags": ["v1", "latest"]});
    two_specs(&test_dir, json!({}), labels);
    let commands: [&[&str]; 4] = [
        &["build", "-o", "out"],
        &["build", "--format=layout", "-o", "out"],
        &["push", "--to", "127.0.0.1:1"],
        &["load"],
    ];
    for command in commands {
        let output = test_dir.cooper(&[command, &["one.json", "two.json"]].concat());
        output.assert_failure(
            1,
            &["two of the specs define `app:latest`", "hint: give them different names"],
        );
        assert!(!test_dir.path("out").exists());
    }
    two_specs(&test_dir, json!({"name": "a.io/app"}), json!({"name": "b.io/app"}));
    let output = test_dir.cooper(&["push", "--to", "127.0.0.1:1/team", "one.json", "two.json"]);
    output.assert_failure(1, &["two of the specs define `team/app:latest`"]);
}

#[test]
fn save_duplicate_file_name_is_refused() {
    let test_dir = TestDir::new();
    let load = ["load", "--to=podman", "--client=./none", "--or-save=out", "one.json", "two.json"];
    two_specs(&test_dir, json!({"tags": ["v1"]}), json!({"tags": ["v2"]}));
    let output = test_dir.cooper(&load);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("two of the images would be saved as `out/app.tar`"));
    assert!(!test_dir.path("out").exists());
    two_specs(&test_dir, json!({"name": "team/app"}), json!({"name": "app"}));
    test_dir.cooper(&load).assert_success();
    assert!(test_dir.path("out/team_app.tar").exists() && test_dir.path("out/app.tar").exists());
}

#[test]
fn archive_as_spec_error_explains_specs() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({}));
    test_dir.build_archive();
    let output = test_dir.cooper(&["build", "image.tar", "-o", "out"]);
    output.assert_failure(1, &["failed to read `image.tar`", "hint: SPEC is a spec.json"]);
}

#[test]
fn index_with_different_tags_is_refused() {
    let test_dir = TestDir::new();
    let arm = json!({"os": "linux", "architecture": "arm64"});
    two_specs(&test_dir, json!({"tags": ["v1"]}), json!({"tags": ["v2"], "platform": arm}));
    let index = ["index", "one.json", "two.json", "-o", "out"];
    test_dir
        .cooper(&index)
        .assert_failure(1, &["those of `app` have `v1` and `v2`", "hint: `--tag` gives"]);
    assert!(!test_dir.path("out").exists());
    test_dir.cooper(&[&index[..], &["--tag=v3"]].concat()).assert_success();
}

#[test]
fn unreachable_registry_hint_omits_certificates() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({}));
    let output =
        test_dir.cooper(&["push", "spec.json", "--to=127.0.0.1:1", "--registry-retries=0"]);
    output.assert_failure(
        2,
        &["failed to reach `127.0.0.1:1`", "hint: see that `127.0.0.1:1` is its name"],
    );
    assert!(!output.stderr.contains("--ca-file"), "{}", output.stderr);
}

#[test]
fn output_unwritable_archive_is_named() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({"files": {"/x": {"text": "x"}}}));
    std::fs::create_dir(test_dir.path("dir")).unwrap();
    let to = |path: &str| test_dir.cooper(&["build", "spec.json", "-o", path]);
    to("/dev/full")
        .assert_failure(2, &["failed to write to `/dev/full`", "No space left on device"]);
    to("dir").assert_failure(1, &["`dir` is a folder", "hint: name a file in it"]);
    let missing = to("none/out.tar");
    missing.assert_failure(
        1,
        &["temporary file next to `none/out.tar`", "hint: create its directory first"],
    );
    test_dir.build_archive();
    let copy = |to: &str| test_dir.cooper(&["copy", "image.tar", to]);
    copy("archive:/dev/full").assert_failure(2, &["failed to write to `/dev/full`"]);
    copy("archive:dir").assert_failure(1, &["`dir` is a folder"]);
}

#[test]
fn why_copied_source_shows_its_destination() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({}));
    test_dir.build_archive();
    for (to, path) in [("out.tar", "out.tar"), ("oci:layout:v1", "layout")] {
        let output = test_dir.cooper(&["copy", "image.tar", to]);
        let expected_text = format!("copied 1 image to `{path}`\n");
        assert_eq!((output.code, output.stderr), (Some(0), expected_text));
    }
    for flag in ["--quiet", "--json"] {
        for words in [["copy", "image.tar", "out.tar"], ["save", "image.tar", "-oout.tar"]] {
            let output = test_dir.cooper(&[&words[..], &[flag]].concat());
            assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""));
            assert!(!output.stderr.contains("1 image"), "{}", output.stderr);
        }
    }
}

#[test]
fn warning_does_not_fail_and_quiet_hides_it() {
    let test_dir = TestDir::new();
    let users = json!({"app": {"uid": 7, "gid": 7}});
    test_dir.write_spec(&[], json!({"users": users, "config": {"User": "app"}}));
    let build = ["build", "spec.json", "-o", "out"];
    let output = test_dir.cooper(&build);
    assert_eq!(output.code, Some(0));
    assert!(output.stderr.contains("warning: config.User is the name `app`"), "{}", output.stderr);
    let quiet = test_dir.cooper(&[&build[..], &["--quiet"]].concat());
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
}
