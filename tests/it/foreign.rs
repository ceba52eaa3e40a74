//! Layouts that other tools have made.

use serde_json::{Value, json};

use super::running::Place;

#[test]
fn what_another_tool_says_of_its_images_stays_in_its_layout() {
    let place = Place::new();
    place.spec(&[], json!({}));
    let blob = "{}";
    let digest = cooper::digest::Digest::of(blob.as_bytes()).to_string();
    place.write("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    place.write(&format!("layout/blobs/{}", digest.replace(':', "/")), blob);
    let theirs = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 2,
        "artifactType": "application/vnd.example+type", "data": "e30=",
        "urls": ["https://example.com/x"], "com.example.unknown": {"a": [1, null]},
        "platform": {"os": "windows", "architecture": "amd64", "os.version": "10.0.1",
                     "os.features": ["win32k"]},
        "annotations": {"org.opencontainers.image.ref.name": "theirs"},
    });
    // Neither the media type nor any other field of an index has to be there.
    let index = json!({"schemaVersion": 2, "com.example.unknown": 7, "manifests": [theirs]});
    place.write("layout/index.json", index.to_string());
    for _ in 0..2 {
        place.cooper(&["build", "spec.json", "--format=layout", "-o", "layout"]).succeeded();
        let bytes = std::fs::read(place.path("layout/index.json")).unwrap();
        let mut now: Value = serde_json::from_slice(&bytes).unwrap();
        let manifests = now["manifests"].as_array_mut().unwrap();
        assert_eq!(manifests.len(), 2);
        assert_ne!(manifests.pop().unwrap()["digest"], json!(digest));
        assert_eq!(now, index);
    }
}

#[test]
fn what_another_tool_says_of_an_image_goes_with_it() {
    let place = Place::new();
    place.spec(&[], json!({}));
    place.cooper(&["build", "spec.json", "--format=layout", "-o", "from"]).succeeded();
    let read = |layout: &str| -> Value {
        let bytes = std::fs::read(place.path(&format!("{layout}/index.json"))).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let mut index = read("from");
    let entry = index["manifests"][0].as_object_mut().unwrap();
    for (field, value) in [
        ("artifactType", json!("application/vnd.example+type")),
        ("data", json!("e30=")),
        ("urls", json!(["https://example.com/x"])),
        ("com.example.unknown", json!({"a": [1, null]})),
    ] {
        entry.insert(field.into(), value);
    }
    place.write("from/index.json", index.to_string());
    place.cooper(&["copy", "oci:from:latest", "oci:to:latest"]).succeeded();
    assert_eq!(read("to")["manifests"], index["manifests"]);
    place.cooper(&["copy", "--platform=linux/amd64", "oci:from:latest", "all.tar"]).succeeded();
    place.cooper(&["copy", "all.tar", "./last"]).succeeded();
    assert_eq!(read("last")["manifests"], index["manifests"]);
}

#[test]
fn a_layout_whose_index_would_be_too_large_to_read_stays_as_it_is() {
    let place = Place::new();
    place.spec(&[], json!({}));
    place.write("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let theirs = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2,
        "digest": cooper::digest::Digest::of(b"{}").to_string(),
        "annotations": {"com.example.long": "a".repeat((4 << 20) - 400)},
    });
    let index = json!({"schemaVersion": 2, "manifests": [theirs]}).to_string();
    assert!(index.len() < 4 << 20);
    place.write("layout/index.json", &index);
    let ran = place.cooper(&["build", "spec.json", "--format=layout", "-o", "layout"]);
    ran.failed(1, &["the index.json of `layout` would have 4194", "name another folder"]);
    assert_eq!(std::fs::read_to_string(place.path("layout/index.json")).unwrap(), index);
}

#[test]
fn only_an_image_for_the_platform_that_was_asked_for_is_copied() {
    // fault 71
    let place = Place::new();
    place.spec(&[], json!({}));
    place.cooper(&["build", "spec.json", "-o", "app.tar"]).succeeded();
    let copy = |platform: &str| place.cooper(&["copy", "--platform", platform, "app.tar", "x.tar"]);
    copy("linux/arm64").failed(1, &["of `app.tar` is for linux/amd64 by its config"]);
    assert!(!place.path("x.tar").exists());
    copy("linux/amd64").succeeded();
}
