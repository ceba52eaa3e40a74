//! Errors in JSON files that cooper reads: each names the file and the field.

use serde_json::{Value, json};

use crate::support::command::TestDir;

const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Returns the lock of a base image with one value replaced.
fn base_lock(pointer: &str, value: Value) -> String {
    let blob = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST, "size": 1});
    let image = json!({"manifest": blob, "config": blob, "layers": [blob]});
    let platforms = json!({"linux/amd64": image});
    let mut lock =
        json!({"version": 1, "reference": "r.example/a:v1", "root": blob, "platforms": platforms});
    *lock.pointer_mut(pointer).unwrap() = value;
    lock.to_string()
}

#[test]
fn base_lock_errors_name_the_file_and_the_field() {
    let test_dir = TestDir::new();
    let spec = json!({"version": 1, "name": "app", "base": {"lock": test_dir.path("base.lock.json"), "blobs": {}}});
    test_dir.write("spec.json", spec.to_string());
    for (pointer, value, field) in [
        ("/reference", json!("a:b@c"), "reference"),
        ("/reference", json!(["a"]), "reference"),
        ("/root/digest", json!("sha256:0"), "root.digest"),
        (
            "/platforms/linux~1amd64/layers/0/size",
            json!("1"),
            "platforms.linux/amd64.layers[0].size",
        ),
        ("/platforms", json!([]), "platforms"),
        ("/version", json!(2), "version"),
    ] {
        test_dir.write("base.lock.json", base_lock(pointer, value));
        for args in [
            &["fetch", "--lock", "base.lock.json", DIGEST, "-o", "blob"][..],
            &["build", "spec.json", "-o", "image.tar"],
        ] {
            test_dir.cooper(args).assert_failure(1, &["base.lock.json", field, "cooper lock"]);
        }
    }
    for args in [
        &["fetch", "--lock", "base.lock.json", DIGEST, "-o", "blob"][..],
        &["build", "spec.json", "-o", "x.tar"],
    ] {
        test_dir.write("base.lock.json", "{\"version\":1,");
        test_dir.cooper(args).assert_failure(1, &["base.lock.json", "line 1 column"]);
    }
}

#[test]
fn layer_lock_errors_name_the_file_and_the_field() {
    let test_dir = TestDir::new();
    test_dir.write("spec.json", r#"{"version":1,"name":"app"}"#);
    for (lock, field) in [
        (r#"{"version":"1","images":{}}"#, "version"),
        (r#"{"version":1,"images":{"app":[["a"],"b"]}}"#, "images.app[1]"),
        (r#"{"version":1,"images":{"app":[["a",5]]}}"#, "images.app[0][1]"),
        (r#"{"version":1,"images":{}} x"#, "line 1 column"),
    ] {
        test_dir.write("layers.lock.json", lock);
        for option in ["--lock=layers.lock.json", "--write-lock=layers.lock.json"] {
            let result = test_dir.cooper(&["plan", "spec.json", option]);
            result.assert_failure(1, &["layers.lock.json", field]);
        }
    }
}

#[test]
fn layout_and_docker_file_errors_name_the_file_and_the_field() {
    let test_dir = TestDir::new();
    for (name, text, field) in [
        ("layout/oci-layout", "{}", "imageLayoutVersion"),
        ("layout/oci-layout", r#"{"imageLayoutVersion":"2"}"#, "version"),
        ("layout/index.json", r#"{"schemaVersion":2,"manifests":[{"size":1}]}"#, "manifests[0]"),
        ("layout/index.json", r#"{"schemaVersion":3,"manifests":[]}"#, "schemaVersion"),
    ] {
        test_dir.write("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
        test_dir.write("layout/index.json", r#"{"schemaVersion":2,"manifests":[]}"#);
        test_dir.write(name, text);
        test_dir.cooper(&["inspect", "oci:layout"]).assert_failure(1, &["layout", field]);
    }
    test_dir.write("spec.json", r#"{"version":1,"name":"app"}"#);
    for (text, field) in
        [(r#"{"currentContext":5}"#, "`currentContext` is not a string"), ("[]", "line 1, column")]
    {
        let config = test_dir.write("docker/config.json", text);
        let mut command = test_dir.command(&["load", "spec.json"]);
        command.env("DOCKER_CONFIG", config.parent().unwrap());
        command.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT");
        let result = crate::support::command::CommandOutput::new(command.output().unwrap());
        assert!(
            result.stderr.contains("docker/config.json") && result.stderr.contains(field),
            "{}",
            result.stderr
        );
        assert!(result.code == Some(1) || result.code == Some(2), "{}", result.stderr);
    }
}
