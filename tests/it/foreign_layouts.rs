//! Layouts that other tools wrote.

use serde_json::{Value, json};

use crate::support::command::TestDir;

#[test]
fn layout_entries_of_other_tools_are_kept() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({}));
    let blob = "{}";
    let digest = cooper::digest::Digest::of(blob.as_bytes()).to_string();
    test_dir.write("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    test_dir.write(&format!("layout/blobs/{}", digest.replace(':', "/")), blob);
    let theirs = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 2,
        "artifactType": "application/vnd.example+type", "data": "e30=",
        "urls": ["https://example.com/x"], "com.example.unknown": {"a": [1, null]},
        "platform": {"os": "windows", "architecture": "amd64", "os.version": "10.0.1",
                     "os.features": ["win32k"]},
        "annotations": {"org.opencontainers.image.ref.name": "theirs"},
    });
    // Media type and all other fields of an index are optional.
    let index = json!({"schemaVersion": 2, "com.example.unknown": 7, "manifests": [theirs]});
    test_dir.write("layout/index.json", index.to_string());
    for _ in 0..2 {
        test_dir
            .cooper(&["build", "spec.json", "--format=layout", "-o", "layout"])
            .assert_success();
        let bytes = std::fs::read(test_dir.path("layout/index.json")).unwrap();
        let mut now: Value = serde_json::from_slice(&bytes).unwrap();
        let manifests = now["manifests"].as_array_mut().unwrap();
        assert_eq!(manifests.len(), 2);
        assert_ne!(manifests.pop().unwrap()["digest"], json!(digest));
        assert_eq!(now, index);
    }
}

/// Returns a test directory with an image in the layout `from`.
fn with_layout() -> TestDir {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({}));
    test_dir.cooper(&["build", "spec.json", "--format=layout", "-o", "from"]).assert_success();
    test_dir
}

fn index_of(test_dir: &TestDir, layout: &str) -> Value {
    let bytes = std::fs::read(test_dir.path(&format!("{layout}/index.json"))).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn copy_keeps_descriptor_fields() {
    let test_dir = with_layout();
    let read = |layout: &str| index_of(&test_dir, layout);
    let mut index = read("from");
    let entry = index["manifests"][0].as_object_mut().unwrap();
    for (field, value) in [
        ("artifactType", json!("application/vnd.example+type")),
        ("data", json!("e30=")),
        ("urls", json!(["https://example.com/x"])),
        ("com.example.unknown", json!({"a": [1, null]})),
        ("platform", platform()),
    ] {
        entry.insert(field.into(), value);
    }
    test_dir.write("from/index.json", index.to_string());
    test_dir.cooper(&["copy", "oci:from:latest", "oci:to:latest"]).assert_success();
    assert_eq!(read("to")["manifests"], index["manifests"]);
    test_dir
        .cooper(&["copy", "--platform=linux/amd64", "oci:from:latest", "all.tar"])
        .assert_success();
    test_dir.cooper(&["copy", "all.tar", "./last"]).assert_success();
    assert_eq!(read("last")["manifests"], index["manifests"]);
    // Another name changes nothing else.
    test_dir.cooper(&["copy", "oci:from:latest", "oci:other:v2"]).assert_success();
    let mut other = read("other");
    let names = index["manifests"][0]["annotations"].clone();
    assert_ne!(std::mem::replace(&mut other["manifests"][0]["annotations"], names), Value::Null);
    assert_eq!(other["manifests"], index["manifests"]);
}

/// A platform with more fields than cooper knows.
fn platform() -> Value {
    json!({"os": "linux", "architecture": "amd64", "variant": "", "os.version": "10.0.1",
           "os.features": ["win32k"], "com.example.unknown": 1})
}

#[test]
fn copy_keeps_nested_index_annotations() {
    let test_dir = with_layout();
    let read = |layout: &str| index_of(&test_dir, layout);
    let mut root = read("from")["manifests"][0].take();
    let mut entry = root.clone();
    entry["platform"] = platform();
    entry["annotations"] = json!({"com.example.of": "the image"});
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
    let digest = cooper::digest::Digest::of(index.as_bytes()).to_string();
    test_dir.write(&format!("from/blobs/{}", digest.replace(':', "/")), &index);
    root["mediaType"] = "application/vnd.oci.image.index.v1+json".into();
    (root["digest"], root["size"]) = (digest.into(), index.len().into());
    root.as_object_mut().unwrap().remove("platform");
    test_dir.write("from/index.json", json!({"schemaVersion": 2, "manifests": [root]}).to_string());
    test_dir
        .cooper(&["copy", "--platform=linux/amd64", "oci:from:latest", "oci:to"])
        .assert_success();
    let names = root["annotations"].as_object().unwrap().clone();
    entry["annotations"].as_object_mut().unwrap().extend(names);
    assert_eq!(read("to")["manifests"], json!([entry]));
}

#[test]
fn index_large_numbers_are_kept_exactly() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({}));
    test_dir.cooper(&["build", "spec.json", "--format=layout", "-o", "from"]).assert_success();
    let text = |layout: &str| {
        std::fs::read_to_string(test_dir.path(&format!("{layout}/index.json"))).unwrap()
    };
    let number = "\"com.example.number\":1234567890123456789012345.10";
    let entry = text("from").replace("\"digest\"", &format!("{number},\"digest\""));
    let index = entry.replace("\"schemaVersion\"", &format!("{number},\"schemaVersion\""));
    assert_eq!(index.matches(number).count(), 2);
    test_dir.write("from/index.json", &index);
    test_dir.cooper(&["copy", "oci:from:latest", "oci:to:v2"]).assert_success();
    assert_eq!(text("to").matches(number).count(), 1);
    test_dir.write_spec(&[], json!({"name": "other"}));
    test_dir.cooper(&["build", "spec.json", "--format=layout", "-o", "from"]).assert_success();
    assert_eq!(text("from").matches(number).count(), 2);
}

#[test]
fn layout_index_over_size_limit_stays_unchanged() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({}));
    test_dir.write("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let theirs = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2,
        "digest": cooper::digest::Digest::of(b"{}").to_string(),
        "annotations": {"com.example.long": "a".repeat((4 << 20) - 400)},
    });
    let index = json!({"schemaVersion": 2, "manifests": [theirs]}).to_string();
    assert!(index.len() < 4 << 20);
    test_dir.write("layout/index.json", &index);
    let output = test_dir.cooper(&["build", "spec.json", "--format=layout", "-o", "layout"]);
    output
        .assert_failure(1, &["the index.json of `layout` would have 4194", "name another folder"]);
    assert_eq!(std::fs::read_to_string(test_dir.path("layout/index.json")).unwrap(), index);
}

#[test]
fn copy_platform_mismatch_is_refused() {
    let test_dir = TestDir::new();
    test_dir.write_spec(&[], json!({}));
    test_dir.cooper(&["build", "spec.json", "-o", "app.tar"]).assert_success();
    let copy =
        |platform: &str| test_dir.cooper(&["copy", "--platform", platform, "app.tar", "x.tar"]);
    copy("linux/arm64")
        .assert_failure(1, &["of `app.tar` is for linux/amd64, and not for linux/arm64"]);
    assert!(!test_dir.path("x.tar").exists());
    copy("linux/amd64").assert_success();
}
