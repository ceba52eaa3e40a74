//! Reading from a registry with truncated, stalled and wrong responses.

use std::time::{Duration, Instant};

use serde_json::json;

use super::fault_proxy::{Fault, Proxy, RecordedRequest};
use super::server::Registry;
use super::{digest, image, push, validate};
use crate::inspect_built;
use crate::support::fixture::{Fixture, stderr, stdout};

type Rule = fn(&RecordedRequest, usize) -> Fault;

fn is_large_blob(request: &RecordedRequest) -> bool {
    request.is("GET", "/blobs/")
}

#[test]
fn pull_truncated_blob_resumes_with_range() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    super::push_result(
        &push(&fixture, &image(&fixture, "app", 2), &registry.name()).output().unwrap(),
    );
    let proxy = Proxy::start(registry.port(), |request, before| {
        if is_large_blob(request) && before == 0 { Fault::Cut(1000) } else { Fault::None }
    });
    stdout(&validate(&fixture, &format!("{}/app:v1", proxy.name())).output().unwrap());
    let ranges: Vec<_> = proxy
        .requests()
        .iter()
        .filter_map(|request| request.header("range").map(str::to_owned))
        .collect();
    assert!(ranges.contains(&"bytes=1000-".to_owned()), "{ranges:?}");
}

#[test]
fn pull_truncated_blob_without_ranges_restarts() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    super::push_result(
        &push(&fixture, &image(&fixture, "app", 2), &registry.name()).output().unwrap(),
    );
    let proxy = Proxy::start(registry.port(), |request, before| match before {
        0 if is_large_blob(request) => Fault::Cut(1000),
        _ => Fault::Hide("range"),
    });
    stdout(&validate(&fixture, &format!("{}/app:v1", proxy.name())).output().unwrap());
    assert_eq!(proxy.count("GET", "/blobs/"), 6, "two of the four are that long");
}

/// Each response is verified, and no wait is endless.
#[test]
fn pull_each_fault_is_a_bounded_error() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let digest =
        digest(&push(&fixture, &image(&fixture, "app", 2), &registry.name()).output().unwrap());
    let cases: [(&str, Rule, i32, &str); 11] = [
        (
            "always truncated",
            |request, _| fault_if(is_large_blob(request), Fault::Cut(100)),
            2,
            "failed to reach",
        ),
        (
            "stall",
            |request, _| fault_if(is_large_blob(request), Fault::Stall(1000)),
            2,
            "timeout: no data from",
        ),
        ("drip", |request, _| fault_if(is_large_blob(request), Fault::Drip), 2, "moved less than"),
        (
            "wrong byte",
            |request, _| fault_if(is_large_blob(request), Fault::Flip(60)),
            1,
            "digest mismatch",
        ),
        (
            "longer",
            |request, _| fault_if(is_large_blob(request), Fault::Resize(5000)),
            1,
            "size mismatch for blob",
        ),
        (
            "wrong manifest",
            |request, _| fault_if(request.is("GET", "/manifests/"), Fault::Flip(60)),
            2,
            "have the digest",
        ),
        (
            "another media type",
            |request, _| {
                let index = "application/vnd.oci.image.index.v1+json".to_owned();
                fault_if(
                    request.is("GET", "/manifests/"),
                    Fault::Header("Content-Type", Some(index)),
                )
            },
            1,
            "it was named as",
        ),
        (
            "an endless manifest",
            |request, _| {
                let body = vec![b' '; 5 << 20];
                fault_if(request.is("GET", "/manifests/"), Fault::Answer(200, Vec::new(), body))
            },
            2,
            "longer than 4194304 bytes",
        ),
        (
            "a redirect loop",
            |request, _| {
                let there = vec![("Location", request.path.clone())];
                fault_if(request.is("GET", "/manifests/"), Fault::Answer(302, there, Vec::new()))
            },
            2,
            "more than 10 redirects",
        ),
        (
            "an invalid digest",
            |request, _| {
                let bad = Some("sha256:../../etc".to_owned());
                fault_if(
                    request.is("GET", "/manifests/"),
                    Fault::Header("Docker-Content-Digest", bad),
                )
            },
            2,
            "64 lowercase hexadecimal digits",
        ),
        ("shorter", |request, _| fault_if(is_large_blob(request), Fault::Resize(-50)), 2, "bytes"),
    ];
    for (name, rule, code, expected_text) in cases {
        let proxy = Proxy::start(registry.port(), rule);
        let since = Instant::now();
        let output = validate(&fixture, &format!("{}/app:v1", proxy.name())).output().unwrap();
        let all = [output.stdout.clone(), output.stderr.clone()].concat();
        let all = String::from_utf8_lossy(&all).into_owned();
        assert!(all.contains(expected_text), "{name}: {all}");
        assert_eq!(output.status.code(), Some(code), "{name}: {all}");
        assert!(since.elapsed() < Duration::from_secs(60), "{name}");
        assert!(proxy.requests().len() <= 20, "{name}: {}", proxy.requests().len());
    }
    // The same without a digest header, because cooper computes the digest.
    let proxy = Proxy::start(registry.port(), |_, _| Fault::Header("Docker-Content-Digest", None));
    let location = format!("{}/app@{digest}", proxy.name());
    stdout(&validate(&fixture, &location).output().unwrap());
}

fn fault_if(holds: bool, fault: Fault) -> Fault {
    if holds { fault } else { Fault::None }
}

#[test]
fn pull_missing_manifest_is_named() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let output = validate(&fixture, &format!("{}/team/app:v9", registry.name())).output().unwrap();
    let error = stderr(&output, 1);
    assert!(error.contains("has no manifest `v9` in `team/app`"), "{error}");
}

#[test]
fn pull_redirect_to_other_host_sends_no_credentials() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    super::push_result(
        &push(&fixture, &image(&fixture, "app", 2), &registry.name()).output().unwrap(),
    );
    let storage = Proxy::start(registry.port(), |_, _| Fault::None);
    let other_host = storage.name();
    let proxy = Proxy::start(registry.port(), move |request, _| {
        let location = vec![("Location", format!("http://{other_host}{}", request.path))];
        if request.is("GET", "/blobs/") {
            return Fault::Answer(307, location, Vec::new());
        }
        Fault::None
    });
    let mut command = validate(&fixture, &format!("{}/app:v1", proxy.name()));
    command.arg("--registry-token-stdin").stdin(std::process::Stdio::piped());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"s3cret\n").unwrap();
    stdout(&child.wait_with_output().unwrap());
    assert!(
        proxy
            .requests()
            .iter()
            .all(|request| request.header("authorization") == Some("Bearer s3cret"))
    );
    assert_eq!(storage.count("GET", "/blobs/"), 4);
    assert!(storage.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn inspect_registry_image_reads_layers_with_fetch_only() {
    let test_dir = inspect_built::example();
    let registry = Registry::start();
    let host = registry.name();
    test_dir.cooper(&["push", "--quiet", "spec.json", "--to", &host]).assert_success();
    let reference = format!("{host}/team/app:v1");
    let far = &inspect_built::inspect_json(&test_dir, &[&reference])[0];
    let fetched = &inspect_built::inspect_json(&test_dir, &["--fetch", &reference])[0];
    test_dir.build_archive();
    let built = &inspect_built::inspect_json(&test_dir, &["image.tar"])[0];
    assert_eq!((&far["digest"], &far["config"]), (&built["digest"], &built["config"]));
    assert_eq!(far["layers"][0]["paths"], json!([]));
    assert_eq!(far["layers"][0]["size"], built["layers"][0]["blobSize"]);
    assert_eq!(fetched["layers"], built["layers"]);
    assert_eq!((&far["name"], &far["tags"]), (&json!(format!("{host}/team/app")), &json!(["v1"])));
    assert_eq!(
        test_dir.stdout_of(&["history", &reference]),
        test_dir.stdout_of(&["history", "image.tar"])
    );
}
