//! One contract for all locations: a written image is read back byte for byte.

use serde_json::json;

use super::server::Registry;
use crate::support::fixture::{Fixture, stderr, stdout};

fn run(fixture: &Fixture, arguments: &[&str]) -> String {
    stdout(&fixture.cooper().args(arguments).output().unwrap())
}

/// Returns the digest of the only image at a location, by validating it.
fn digest_at(fixture: &Fixture, location: &str) -> String {
    let report: serde_json::Value =
        serde_json::from_str(&run(fixture, &["validate", "--json", location])).unwrap();
    assert_eq!(report[0]["good"], true, "{report}");
    report[0]["images"][0]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn copy_between_all_locations_keeps_the_digest() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let spec = super::image(&fixture, "app", 2);
    run(&fixture, &["build", spec.to_str().unwrap(), "-o", "first.tar"]);
    let digest = digest_at(&fixture, "first.tar");
    let places = [
        ("archive:first.tar".to_owned(), "oci:layout:app:v1".to_owned()),
        ("oci:layout".to_owned(), format!("docker://{}/app:v1", registry.name())),
        (format!("{}/app:v1", registry.name()), format!("{}/other:v2", registry.name())),
        (format!("{}/other:v2", registry.name()), "oci-archive:second.tar:app:v3".to_owned()),
        ("second.tar".to_owned(), "oci:layout:name".to_owned()),
        ("oci:layout:name".to_owned(), "oci:layout:app/other".to_owned()),
        ("oci:layout:app/other:latest".to_owned(), "third.tar".to_owned()),
        ("third.tar".to_owned(), "./plain-layout".to_owned()),
    ];
    for (from, to) in &places {
        run(&fixture, &["copy", from, to]);
        assert_eq!(digest_at(&fixture, to), digest, "{from} to {to}");
    }
    run(&fixture, &["save", "oci:layout", "second.tar", "-o", "both.tar"]);
    let report = run(&fixture, &["validate", "both.tar"]);
    assert!(report.contains("is whole"), "{report}");
}

#[test]
fn copy_interoperates_with_skopeo_and_umoci() {
    let fixture = Fixture::new();
    let spec = super::image(&fixture, "app", 2);
    run(&fixture, &["build", spec.to_str().unwrap(), "-o", "first.tar"]);
    run(&fixture, &["copy", "first.tar", "oci:layout:v1"]);
    let digest = digest_at(&fixture, "oci:layout:v1");
    let tool = |program: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(program);
        stdout(&command.args(arguments).current_dir(fixture.dir()).output().unwrap())
    };
    tool("skopeo", &["copy", "-q", "oci:layout:v1", "oci-archive:skopeo.tar:v1"]);
    assert_eq!(digest_at(&fixture, "skopeo.tar"), digest);
    tool("skopeo", &["copy", "-q", "oci:layout:v1", "docker-archive:docker.tar:app:v1"]);
    digest_at(&fixture, "docker.tar");
    tool("umoci", &["unpack", "--rootless", "--image", "layout:v1", "bundle"]);
    assert!(fixture.dir().join("bundle/rootfs/etc/name").exists());
}

#[test]
fn copy_index_copies_all_or_the_selected_image() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let item = fixture.item("data", 1, 1000);
    let specs = ["amd64", "arm64"].map(|architecture| {
        let platform = json!({"platform": {"os": "linux", "architecture": architecture}});
        fixture
            .write_spec("app", "v1", std::slice::from_ref(&item), &platform)
            .display()
            .to_string()
    });
    run(&fixture, &["index", &specs[0], &specs[1], "-o", "both.tar"]);
    let location = format!("{}/app:v1", registry.name());
    run(&fixture, &["copy", "both.tar", &location]);
    let report = run(&fixture, &["validate", &location]);
    assert!(report.contains("linux/amd64") && report.contains("linux/arm64"), "{report}");
    run(&fixture, &["copy", "--platform", "linux/arm64", &location, "one.tar"]);
    let report = run(&fixture, &["validate", "one.tar"]);
    assert!(!report.contains("linux/amd64") && report.contains("linux/arm64"), "{report}");
    // The order of the specs does not change the index.
    run(&fixture, &["index", &specs[1], &specs[0], "-o", "turned.tar"]);
    let bytes = |name: &str| std::fs::read(fixture.dir().join(name)).unwrap();
    assert_eq!(bytes("both.tar"), bytes("turned.tar"));
}

#[test]
fn copy_leaves_referrers_and_copies_them_by_name() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let mut command = super::push(&fixture, &super::image(&fixture, "app", 2), &registry.name());
    let digest = super::digest(&command.output().unwrap());
    // A signature in the form of cosign: an image under a tag made of the digest.
    let tag = format!("{}.sig", digest.replace(':', "-"));
    let signature = fixture.write_spec("app", &tag, &[], &json!({}));
    stdout(&super::push(&fixture, &signature, &registry.name()).output().unwrap());
    let at = |repository: &str, tag: &str| format!("{}/{repository}:{tag}", registry.name());
    run(&fixture, &["copy", &at("app", "v1"), &at("other", "v1")]);
    let gone = super::validate(&fixture, &at("other", &tag)).output().unwrap();
    assert!(stderr(&gone, 1).contains("has no manifest"));
    run(&fixture, &["copy", &at("app", &tag), &at("other", &tag)]);
    digest_at(&fixture, &at("other", &tag));
    assert!(run(&fixture, &["copy", "--help"]).contains("Referrers"));
}
