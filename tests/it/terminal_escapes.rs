//! Texts of images and registries with control characters of terminals.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::command::{CommandOutput, TestDir};

/// A window title, a colour, an erased line, a C1 control, right-to-left text, and a line that
/// looks like a message of cooper.
const ODD: &str =
    "\u{1b}]0;OWNED\u{7}\u{1b}[31m\u{1b}[2K\r\u{9b}31m\u{202e}\u{2066}\u{7f}\nhint: run it";

fn is_control(c: char) -> bool {
    let reorders = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    (c.is_control() && c != '\n') || reorders
}

/// Checks that a text has no control character but line breaks, and no line of foreign text.
fn is_plain(what: &str, text: &str) {
    assert!(!text.chars().any(is_control), "{what}: {text:?}");
    assert!(!text.lines().any(|line| line.starts_with("hint: run it")), "{what}: {text}");
}

/// Writes a layout of one image with control characters; `change` edits its config.
fn layout(test_dir: &TestDir, dir: &str, change: impl FnOnce(&mut Value)) {
    let blob = |bytes: &[u8]| {
        let digest = cooper::digest::Digest::of(bytes).to_string();
        test_dir.write(&format!("{dir}/blobs/{}", digest.replace(':', "/")), bytes);
        json!({"digest": digest, "size": bytes.len()})
    };
    let typed = |kind: &str, mut descriptor: Value| {
        descriptor["mediaType"] = format!("application/vnd.oci.image.{kind}").into();
        descriptor
    };
    let mut tar = ::tar::Builder::new(Vec::new());
    for name in [format!("etc/{ODD}"), "etc/passwd".into(), "etc/passwd".into()] {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(0);
        tar.append_data(&mut header, name.replace('/', "_"), &[][..]).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    let diff_id = cooper::digest::Digest::of(&tar).to_string();
    let mut config = json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Env": [format!("A={ODD}")], "Labels": {(ODD): ODD}, "User": ODD, (ODD): ODD,
            "Entrypoint": [ODD], "Cmd": [ODD], "Volumes": {(ODD): {}}, "WorkingDir": ODD},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": "1970-01-01T00:00:01Z", "created_by": ODD, "comment": ODD}],
    });
    change(&mut config);
    let manifest = json!({
        "schemaVersion": 2,
        "config": typed("config.v1+json", blob(config.to_string().as_bytes())),
        "layers": [typed("layer.v1.tar", blob(&tar))],
    });
    let mut root = typed("manifest.v1+json", blob(manifest.to_string().as_bytes()));
    root["annotations"] = json!({"org.opencontainers.image.ref.name": format!("v1{ODD}")});
    test_dir.write(&format!("{dir}/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
    let index = json!({"schemaVersion": 2, "manifests": [root]});
    test_dir.write(&format!("{dir}/index.json"), index.to_string());
}

#[test]
fn control_characters_are_escaped_by_every_command() {
    let test_dir = TestDir::new();
    layout(&test_dir, "image", |_| {});
    layout(&test_dir, "other", |config| config["architecture"] = ODD.into());
    layout(&test_dir, "wrong", |config| config["config"]["Labels"] = json!({(ODD): [ODD]}));
    let base = json!({"base": {"path": test_dir.path("image")}});
    test_dir.write_spec(&[], base);
    let missing = format!("missing{ODD}");
    let mut shown = 0;
    for args in [
        &["inspect", "oci:image"][..],
        &["history", "oci:image"],
        &["validate", "oci:image"],
        &["inspect", "oci:other"],
        &["validate", "oci:other"],
        &["validate", "oci:wrong"],
        &["inspect", &missing],
        &["validate", "oci:image:none"],
        &["copy", "oci:image", "oci:to"],
        &["copy", "oci:image:none", "oci:to"],
        &["save", "oci:image", "-o", "out.tar", "--format", &missing],
        &["plan", "spec.json"],
        &["build", "spec.json", "-o", "on.tar"],
        &["build", "spec.json", &format!("--{missing}")],
        &["why", "spec.json", &missing],
        &["push", "spec.json", "--to", &missing],
        &[&missing],
    ] {
        let CommandOutput { stdout, stderr, .. } = test_dir.cooper(args);
        let what = args.join(" ");
        is_plain(&what, &stdout);
        is_plain(&what, &stderr);
        shown += usize::from([&stdout, &stderr].iter().any(|text| text.contains(r"\u{202e}")));
    }
    assert!(shown > 10, "too few texts: {shown}");
}

#[test]
fn control_characters_are_escaped_in_json() {
    let test_dir = TestDir::new();
    layout(&test_dir, "image", |_| {});
    for (command, pointer) in [("inspect", "/0/config/User"), ("history", "/0/comment")] {
        let result = test_dir.cooper(&[command, "--json", "oci:image"]);
        assert_eq!(result.code, Some(0), "{}", result.stderr);
        is_plain(command, &result.stdout);
        let data: Value = serde_json::from_str(&result.stdout).unwrap();
        assert_eq!(data.pointer(pointer).unwrap(), ODD, "{data}");
    }
    let result = test_dir.cooper(&["validate", "--json", &format!("oci:image:{ODD}")]);
    assert_eq!(result.code, Some(1));
    is_plain("validate", &result.stderr);
    let mut events = result.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert!(events.next_back().unwrap()["message"].as_str().unwrap().contains(ODD));
}

#[test]
fn control_characters_are_escaped_on_a_terminal() {
    let test_dir = TestDir::new();
    layout(&test_dir, "image", |_| {});
    layout(&test_dir, "wrong", |config| config["architecture"] = ODD.into());
    for args in ["inspect oci:image", "history oci:image", "validate oci:wrong"] {
        let mut script = Command::new("script");
        let command = format!("{} {args}", env!("CARGO_BIN_EXE_cooper"));
        script.args(["-qec", &command, "/dev/null"]).current_dir(test_dir.path(""));
        let output = script.env("TERM", "xterm").env("NO_COLOR", "1").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(r"\u{202e}") && !text.contains("\u{1b}]0;"), "{text:?}");
        is_plain(args, &text.replace("\r\n", "\n"));
    }
}

#[test]
fn documents_with_wrong_field_types_name_the_field() {
    let test_dir = TestDir::new();
    for (at, (change, field)) in [
        (json!({"config": {"Entrypoint": "/bin/app"}}), "`config.Entrypoint` is the string"),
        (json!({"config": {"ExposedPorts": ["80/tcp"]}}), "`config.ExposedPorts` is a list"),
        (json!({"config": {"Env": {"A": "1"}}}), "`config.Env` is an object"),
        (json!({"created": "yesterday"}), "`created` is the string \"yesterday\""),
        (json!({"history": {"0": {}}}), "`history` is an object"),
        (json!({"os": 1}), "`os` is the number 1"),
    ]
    .into_iter()
    .enumerate()
    {
        let dir = format!("image{at}");
        layout(&test_dir, &dir, |config| {
            config["config"] = json!({});
            config.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        });
        let result = test_dir.cooper(&["validate", &format!("oci:{dir}")]);
        assert_eq!(result.code, Some(1), "{field}: {}{}", result.stdout, result.stderr);
        assert!(
            result.stdout.contains(&format!("the config: {field}")),
            "{field}: {}",
            result.stdout
        );
        // Fields that every reader needs have their own errors.
        if at < 3 {
            test_dir.write_spec(&[], json!({"base": {"path": test_dir.path(&dir)}}));
            let result = test_dir.cooper(&["build", "--quiet", "spec.json", "-o", "on.tar"]);
            result.assert_failure(1, &["the config of the base image in", field]);
        }
    }
    layout(&test_dir, "index", |_| {});
    let index = std::fs::read_to_string(test_dir.path("index/index.json")).unwrap();
    test_dir.write("index/index.json", index.replacen('{', r#"{"annotations":{"a":[1]},"#, 1));
    let result = test_dir.cooper(&["validate", "oci:index"]);
    assert_eq!(result.code, Some(1), "{}", result.stdout);
    let message = "index.json: the index: `annotations.\"a\"` is a list, and must be a string";
    assert!(result.stdout.contains(message), "{}", result.stdout);
}

#[test]
fn built_image_is_read_by_every_command() {
    let test_dir = TestDir::new();
    test_dir.store_file("zeros-1.0", "zeros", vec![0; 40 << 20]);
    let labels = json!({"large": "a".repeat(5 << 20)});
    for (name, compression) in [
        ("zstd", json!({"algorithm": "zstd"})),
        ("gzip", json!({"algorithm": "gzip"})),
        ("none", json!({"algorithm": "none"})),
    ] {
        let fields = json!({"compression": compression, "config": {"Labels": labels}});
        test_dir.write_spec(&["zeros-1.0"], fields);
        test_dir.cooper(&["build", "spec.json", "-o", "image.tar"]).assert_success();
        let run = |args: &[&str]| test_dir.cooper(args);
        for args in [&["validate", "image.tar"][..], &["inspect", "--json", "image.tar"]] {
            let result = run(args);
            assert_eq!(result.code, Some(0), "{name}: {}{}", result.stdout, result.stderr);
        }
        // An exceeded limit is reported with the option that raises it.
        if name != "none" {
            let limits = ["validate", "image.tar", "--inflate-limit", "1MB"];
            let result = run(&limits);
            let message = "more than the limit of 1000000 bytes";
            assert!(
                result.code == Some(1) && result.stdout.contains(message),
                "{name}: {}",
                result.stdout
            );
            assert!(result.stdout.contains("`--inflate-limit`"), "{}", result.stdout);
        }
        test_dir
            .write_spec(&[], json!({"name": "on", "base": {"path": test_dir.path("image.tar")}}));
        run(&["build", "spec.json", "-o", "on.tar"]).assert_success();
    }
    let result = test_dir.cooper(&["inspect", "--quiet", "image.tar", "--memory-limit", "1"]);
    result.assert_failure(1, &["the limit of 1 bytes (`--memory-limit`)"]);
    let many = json!({"config": {"Labels": {"large": "a".repeat(9 << 20)}}});
    test_dir.write_spec(&[], many);
    test_dir
        .cooper(&["build", "--quiet", "spec.json", "-o", "large.tar"])
        .assert_failure(1, &["the config of `app` would have", "at most 8388608 are possible"]);
}
