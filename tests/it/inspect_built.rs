//! `inspect` and `history` of images that are built, wherever they lie.

use serde_json::{Value, json};

use super::registry::server::Registry;
use crate::support::command::Place;

/// An image with one store path and one file of its own, under two tags.
fn example() -> Place {
    let place = Place::new();
    place.store_file("app-1.0", "share/data", "a".repeat(5000));
    place.spec(
        &["app-1.0"],
        json!({
            "name": "team/app", "tags": ["v1", "latest"],
            "contents": [place.store_path("app-1.0")],
            "files": {"/etc/app.conf": {"text": "port = 8080\n"}},
            "config": {"Env": ["PORT=8080"], "User": "65532:65532",
                "Labels": {"org.opencontainers.image.title": "App"}},
        }),
    );
    place
}

fn inspected(place: &Place, args: &[&str]) -> Value {
    let mut all = vec!["inspect", "--json", "--quiet"];
    all.extend(args);
    serde_json::from_str(&place.data(&all)).unwrap()
}

fn names(image: &Value) -> Vec<&Value> {
    image["layers"].as_array().unwrap().iter().map(|layer| &layer["name"]).collect()
}

#[test]
fn inspect_built_image_matches_its_spec() {
    let place = example();
    place.builds();
    place.data(&["build", "--quiet", "spec.json", "--format", "layout", "-o", "layout"]);
    let spec = inspected(&place, &["spec.json"]);
    let (archive, layout) = (inspected(&place, &["image.tar"]), inspected(&place, &["layout"]));
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
    let place = example();
    place.builds();
    let image = &inspected(&place, &["image.tar", "--biggest", "1"])[0];
    let app = place.store_path("app-1.0").display().to_string();
    assert_eq!(image["layers"][0]["paths"], json!([{"path": app, "size": 5000}]));
    assert_eq!(image["biggest"], image["layers"][0]["paths"]);
    assert!(image["layers"][0]["blobSize"].as_u64().unwrap() < 5000, "it is compressed");
    let own = image["layers"][1]["paths"].as_array().unwrap();
    assert!(own.contains(&json!({"path": "/etc/app.conf", "size": 12})), "{own:?}");
    let text = place.data(&["inspect", "--quiet", "image.tar"]);
    for words in ["team/app:", "  linux/amd64  ", "\nsha256:", "  User          65532:65532", "└─"]
    {
        assert!(text.contains(words), "no `{words}` in: {text}");
    }
}

#[test]
fn history_built_image_matches_its_config() {
    let place = example();
    place.builds();
    let told = |image: &str| -> Value {
        serde_json::from_str(&place.data(&["history", "--json", image])).unwrap()
    };
    let (spec, built) = (told("spec.json"), told("image.tar"));
    let rows = |steps: &Value| -> Vec<Value> {
        let row = |step: &Value| json!([step["created"], step["createdBy"], step["comment"]]);
        steps.as_array().unwrap().iter().map(row).collect()
    };
    assert_eq!(rows(&built), rows(&spec));
    assert!(built[0]["size"].as_u64().unwrap() > 0);
}

#[test]
fn inspect_layer_with_wrong_bytes_names_its_digest() {
    let place = example();
    place.data(&["build", "--quiet", "spec.json", "--format", "layout", "-o", "layout"]);
    let digest = inspected(&place, &["layout"])[0]["layers"][0]["digest"].clone();
    let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    place.write(&format!("layout/blobs/sha256/{hex}"), "nothing of the kind");
    place.cooper(&["inspect", "--quiet", "layout"]).failed(1, &["failed to read layer", hex]);
}

#[test]
fn history_several_images_asks_for_one() {
    let place = example();
    let first = std::fs::read_to_string(place.path("spec.json")).unwrap();
    place.write("other.json", first.replace("team/app", "team/other"));
    let both = ["build", "--quiet", "spec.json", "other.json", "--format", "layout", "-o", "both"];
    place.data(&both);
    assert_eq!(inspected(&place, &["both"]).as_array().unwrap().len(), 2);
    place.cooper(&["history", "both"]).failed(1, &["several images", "team/other", "oci:DIR:NAME"]);
    place.data(&["history", "oci:both:team/other:v1"]);
}

#[test]
fn inspect_registry_image_reads_layers_with_fetch_only() {
    let place = example();
    let registry = Registry::start();
    let host = registry.name();
    place.cooper(&["push", "--quiet", "spec.json", "--to", &host]).succeeded();
    let reference = format!("{host}/team/app:v1");
    let far = &inspected(&place, &[&reference])[0];
    let fetched = &inspected(&place, &["--fetch", &reference])[0];
    place.builds();
    let built = &inspected(&place, &["image.tar"])[0];
    assert_eq!((&far["digest"], &far["config"]), (&built["digest"], &built["config"]));
    assert_eq!(far["layers"][0]["paths"], json!([]));
    assert_eq!(far["layers"][0]["size"], built["layers"][0]["blobSize"]);
    assert_eq!(fetched["layers"], built["layers"]);
    assert_eq!((&far["name"], &far["tags"]), (&json!(format!("{host}/team/app")), &json!(["v1"])));
    assert_eq!(place.data(&["history", &reference]), place.data(&["history", "image.tar"]));
}
