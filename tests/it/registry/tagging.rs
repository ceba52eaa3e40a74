//! New tags for content that the registry has.

use serde_json::json;

use super::fault_proxy::{Fault, Proxy};
use super::server::Registry;
use super::{error_response, image, push, push_result, validate};
use crate::support::fixture::{Fixture, stdout};

/// The limit of requests for a new tag on a manifest in the same repository.
const MAX_REQUESTS: usize = 4;

/// The specs of an image for two platforms, of three layers each.
fn specs(fixture: &Fixture, seed: u64) -> [std::path::PathBuf; 2] {
    ["amd64", "arm64"].map(|architecture| {
        let own = if architecture == "arm64" { seed } else { 1 };
        let items = [
            fixture.item("shared", 1, 20_000),
            fixture.item(&format!("own-{architecture}"), own, 20_000),
        ];
        let platform = json!({"platform": {"os": "linux", "architecture": architecture}});
        fixture.write_spec("app", "v1", &items, &platform)
    })
}

fn run(fixture: &Fixture, arguments: &[&str]) {
    stdout(&fixture.cooper().args(arguments).output().unwrap());
}

#[test]
fn tagging_existing_image_takes_few_requests() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let spec = image(&fixture, "one", 2);
    let [amd64, arm64] = specs(&fixture, 2);
    let to = registry.name();
    run(&fixture, &["push", spec.to_str().unwrap(), "--to", &to]);
    run(&fixture, &["index", amd64.to_str().unwrap(), arm64.to_str().unwrap(), "--to", &to]);
    for (name, repository) in [("push", "one"), ("index", "app"), ("copy", "one"), ("copy", "app")]
    {
        let proxy = Proxy::start(registry.port(), |_, _| Fault::None);
        let tag = format!("new-{name}");
        let (from, target) = (format!("{}/{repository}:v1", proxy.name()), proxy.name());
        let copy = format!("{target}/{repository}:{tag}");
        let (one, two, three) = (spec.to_str(), amd64.to_str(), arm64.to_str());
        let arguments = match name {
            "push" => vec!["push", one.unwrap(), "--to", &target, "--tag", &tag],
            "index" => {
                vec!["index", two.unwrap(), three.unwrap(), "--to", &target, "--tag", &tag]
            }
            _ => vec!["copy", &from, &copy],
        };
        run(&fixture, &arguments);
        let seen = proxy.requests();
        assert!(seen.len() <= MAX_REQUESTS, "{name} {repository}: {seen:?}");
        let location = format!("{}/{repository}:{tag}", registry.name());
        stdout(&validate(&fixture, &location).output().unwrap());
    }
}

#[test]
fn tagging_several_tags_takes_one_request_each() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let spec = image(&fixture, "app", 2);
    push_result(&push(&fixture, &spec, &registry.name()).output().unwrap());
    let proxy = Proxy::start(registry.port(), |_, _| Fault::None);
    let mut command = push(&fixture, &spec, &proxy.name());
    command.args(["--tag", "v1", "--tag", "a", "--tag", "b"]);
    let result = push_result(&command.output().unwrap());
    assert_eq!(result["images"][0]["uploadedBytes"], 0);
    let requests: Vec<_> =
        proxy.requests().into_iter().map(|seen| (seen.method, seen.path)).collect();
    let request = |method: &str, tag: &str| (method.to_owned(), format!("/v2/app/manifests/{tag}"));
    let expected =
        [request("HEAD", "v1"), request("HEAD", "a"), request("PUT", "a"), request("PUT", "b")];
    assert_eq!(requests, expected);
}

#[test]
fn tagging_with_missing_content_becomes_a_full_push() {
    for (status, code) in [
        (400, "MANIFEST_BLOB_UNKNOWN"),
        (404, "MANIFEST_BLOB_UNKNOWN"),
        (404, "BLOB_UNKNOWN"),
        (400, "MANIFEST_UNKNOWN"),
    ] {
        for (command, repository) in [("push", "app"), ("copy", "app")] {
            let (fixture, registry) = (Fixture::new(), Registry::start());
            let spec = image(&fixture, "app", 2);
            push_result(&push(&fixture, &spec, &registry.name()).output().unwrap());
            // `copy` tries the tag alone before it reads the image, and again after the missing
            // blobs.
            let fails = if command == "copy" { 3 } else { 2 };
            let proxy = Proxy::start(registry.port(), move |seen, before| {
                match seen.is("PUT", "/manifests/new") && before < fails {
                    true => error_response(status, code),
                    false => Fault::None,
                }
            });
            let from = format!("{}/{repository}:v1", proxy.name());
            let copy = format!("{}/{repository}:new", proxy.name());
            let spec = spec.to_str().unwrap();
            match command {
                "push" => {
                    run(&fixture, &["push", spec, "--to", &proxy.name(), "--tag", "new"]);
                }
                _ => run(&fixture, &["copy", &from, &copy]),
            }
            let name = format!("{command} {status} {code}");
            assert_eq!(proxy.count("PUT", "/uploads/"), 4, "{name}");
            let location = format!("{}/{repository}:new", registry.name());
            stdout(&validate(&fixture, &location).output().unwrap());
        }
    }
}

#[test]
fn index_with_known_image_asks_for_the_other_only() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let [amd64, arm64] = specs(&fixture, 2);
    let to = registry.name();
    run(&fixture, &["index", amd64.to_str().unwrap(), arm64.to_str().unwrap(), "--to", &to]);
    let [amd64, arm64] = specs(&fixture, 3);
    let proxy = Proxy::start(registry.port(), |_, _| Fault::None);
    let to = proxy.name();
    run(&fixture, &["index", amd64.to_str().unwrap(), arm64.to_str().unwrap(), "--to", &to]);
    // The other image sends its own layer and its config; the shared layers are known.
    assert_eq!(proxy.count("HEAD", "/blobs/"), 2, "{:?}", proxy.requests());
    assert_eq!(proxy.count("PUT", "/uploads/"), 2);
    assert_eq!(proxy.count("PUT", "/manifests/"), 2, "one image and the index");
    stdout(&validate(&fixture, &format!("{}/app:v1", registry.name())).output().unwrap());
}
