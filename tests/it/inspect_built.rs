//! `inspect` and `history` of images that are already built.

use serde_json::{Value, json};

use crate::support::command::TestDir;

/// An image with one store path and one file of its own, under two tags.
pub(crate) fn example() -> TestDir {
    let test_dir = TestDir::new();
    test_dir.store_file("app-1.0", "share/data", "a".repeat(5000));
    test_dir.write_spec(
        &["app-1.0"],
        json!({
            "name": "team/app", "tags": ["v1", "latest"],
            "contents": [test_dir.store_path("app-1.0")],
            "files": {"/etc/app.conf": {"text": "port = 8080\n"}},
            "config": {"Env": ["PORT=8080"], "User": "65532:65532",
                "Labels": {"org.opencontainers.image.title": "App"}},
        }),
    );
    test_dir
}

pub(crate) fn inspect_json(test_dir: &TestDir, args: &[&str]) -> Value {
    let mut all = vec!["inspect", "--json", "--quiet"];
    all.extend(args);
    serde_json::from_str(&test_dir.stdout_of(&all)).unwrap()
}

fn names(image: &Value) -> Vec<&Value> {
    image["layers"].as_array().unwrap().iter().map(|layer| &layer["name"]).collect()
}

#[test]
fn inspect_built_image_matches_its_spec() {
    let test_dir = example();
    test_dir.build_archive();
    test_dir.stdout_of(&["build", "--quiet", "spec.json", "--format", "layout", "-o", "layout"]);
    let spec = inspect_json(&test_dir, &["spec.json"]);
    let (archive, layout) =
        (inspect_json(&test_dir, &["image.tar"]), inspect_json(&test_dir, &["layout"]));
    assert_eq!(archive, layout);
    assert_eq!(archive.as_array().unwrap().len(), 1, "two tags, one image");
    for field in ["name", "platform", "created", "config"] {
        assert_eq!(archive[0][field], spec[0][field], "{field}");
    }
    let mut tags: Vec<&str> =
        archive[0]["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["latest", "v1"]);
    assert_eq!(names(&archive[0]), names(&spec[0]));
    assert!(archive[0]["digest"].as_str().unwrap().starts_with("sha256:"));
}

#[test]
fn inspect_built_image_lists_store_paths_of_layers() {
    let test_dir = example();
    test_dir.build_archive();
    let image = &inspect_json(&test_dir, &["image.tar", "--biggest", "1"])[0];
    let app = test_dir.store_path("app-1.0").display().to_string();
    assert_eq!(image["layers"][0]["paths"], json!([{"path": app, "size": 5000}]));
    assert_eq!(image["biggest"], image["layers"][0]["paths"]);
    assert!(image["layers"][0]["blobSize"].as_u64().unwrap() < 5000, "it is compressed");
    let own = image["layers"][1]["paths"].as_array().unwrap();
    assert!(own.contains(&json!({"path": "/etc/app.conf", "size": 12})), "{own:?}");
    let text = test_dir.stdout_of(&["inspect", "--quiet", "image.tar"]);
    for words in ["team/app:", "  linux/amd64  ", "\nsha256:", "  User          65532:65532", "└─"]
    {
        assert!(text.contains(words), "no `{words}` in: {text}");
    }
}

#[test]
fn history_built_image_matches_its_config() {
    let test_dir = example();
    test_dir.build_archive();
    let messages = |image: &str| -> Value {
        serde_json::from_str(&test_dir.stdout_of(&["history", "--json", image])).unwrap()
    };
    let (spec, built) = (messages("spec.json"), messages("image.tar"));
    let rows = |steps: &Value| -> Vec<Value> {
        let row = |step: &Value| json!([step["created"], step["createdBy"], step["comment"]]);
        steps.as_array().unwrap().iter().map(row).collect()
    };
    assert_eq!(rows(&built), rows(&spec));
    assert!(built[0]["size"].as_u64().unwrap() > 0);
}

#[test]
fn inspect_layer_with_wrong_bytes_names_its_digest() {
    let test_dir = example();
    test_dir.stdout_of(&["build", "--quiet", "spec.json", "--format", "layout", "-o", "layout"]);
    let digest = inspect_json(&test_dir, &["layout"])[0]["layers"][0]["digest"].clone();
    let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    test_dir.write(&format!("layout/blobs/sha256/{hex}"), "nothing of the kind");
    test_dir
        .cooper(&["inspect", "--quiet", "layout"])
        .assert_failure(1, &["failed to read layer", hex]);
}

#[test]
fn history_several_images_asks_for_one() {
    let test_dir = example();
    let first = std::fs::read_to_string(test_dir.path("spec.json")).unwrap();
    test_dir.write("other.json", first.replace("team/app", "team/other"));
    let both = ["build", "--quiet", "spec.json", "other.json", "--format", "layout", "-o", "both"];
    test_dir.stdout_of(&both);
    assert_eq!(inspect_json(&test_dir, &["both"]).as_array().unwrap().len(), 2);
    test_dir
        .cooper(&["history", "both"])
        .assert_failure(1, &["several images", "team/other", "oci:DIR:NAME"]);
    test_dir.stdout_of(&["history", "oci:both:team/other:v1"]);
}
