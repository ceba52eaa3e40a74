//! The newest crane and oras of Debian; see `newest_root`.

use std::process::Command;

use serde_json::{Value, json};

use super::server::Registry;
use super::{digest, image, push, validate};
use crate::support::fixture::{Fixture, stdout};
use crate::support::servers::newest_root;

#[test]
#[ignore = "needs the root that tests/new-root.sh builds"]
fn crane_and_oras_exchange_images_with_cooper() {
    let root = newest_root();
    let tool = |arguments: &[&str]| {
        stdout(&Command::new("chroot").arg(&root).args(arguments).output().unwrap())
    };
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let made =
        digest(&push(&fixture, &image(&fixture, "app", 2), &registry.name()).output().unwrap());
    let (location, copied) =
        (format!("{}/app:v1", registry.name()), format!("{}/copied:v1", registry.name()));
    tool(&["crane", "validate", "--insecure", "--remote", &location]);
    tool(&["crane", "copy", "--insecure", &location, &copied]);
    assert_eq!(tool(&["crane", "digest", "--insecure", &copied]).trim(), made);
    stdout(&validate(&fixture, &copied).output().unwrap());
    let again = format!("{}/again:v1", registry.name());
    tool(&["oras", "cp", "--from-plain-http", "--to-plain-http", &location, &again]);
    stdout(&validate(&fixture, &again).output().unwrap());
}

#[test]
#[ignore = "needs the root that tests/new-root.sh builds"]
fn crane_sees_both_platforms_of_an_index() {
    let root = newest_root();
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let item = fixture.item("data", 1, 1000);
    let specs = ["amd64", "arm64"].map(|architecture| {
        let platform = json!({"platform": {"os": "linux", "architecture": architecture}});
        fixture.write_spec("app", "v1", std::slice::from_ref(&item), &platform)
    });
    stdout(
        &fixture.cooper().args(["index", "--to", &registry.name()]).args(&specs).output().unwrap(),
    );
    let location = format!("{}/app:v1", registry.name());
    let crane = ["crane", "manifest", "--insecure", &location];
    let index = stdout(&Command::new("chroot").arg(&root).args(crane).output().unwrap());
    let index: Value = serde_json::from_str(&index).unwrap();
    let architectures: Vec<&Value> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["platform"]["architecture"])
        .collect();
    assert_eq!(architectures, [&json!("amd64"), &json!("arm64")]);
}
