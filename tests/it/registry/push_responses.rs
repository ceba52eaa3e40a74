//! Responses of a registry to the steps of a push.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fault_proxy::{Fault, Proxy, RecordedRequest};
use super::server::Registry;
use super::{error_response, image, push, push_result, validate};
use crate::support::fixture::{Fixture, stderr, stdout};

/// Returns true for the request that sends a blob in one piece.
fn is_whole_blob(seen: &RecordedRequest) -> bool {
    seen.is("PUT", "/uploads/") && seen.header("content-length").is_some_and(|size| size != "0")
}

/// Pushes an image through a proxy with this rule, and checks that the registry has all of it.
fn push_through(
    name: &str,
    arguments: &[&str],
    rule: impl Fn(&RecordedRequest, usize) -> Fault + Send + Sync + 'static,
) -> Proxy {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let proxy = Proxy::start(registry.port(), rule);
    let mut command = push(&fixture, &image(&fixture, "app", 2), &proxy.name());
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    stdout(&validate(&fixture, &format!("{}/app:v1", registry.name())).output().unwrap());
    proxy
}

#[test]
fn push_any_success_status_ends_its_step() {
    for (method, part, status) in [
        ("PATCH", "/uploads/", 200),
        ("PATCH", "/uploads/", 201),
        ("PATCH", "/uploads/", 204),
        ("PUT", "/uploads/", 200),
        ("PUT", "/uploads/", 202),
        ("PUT", "/uploads/", 204),
        ("POST", "/uploads/", 200),
        ("POST", "/uploads/", 201),
        ("POST", "/uploads/", 204),
        ("PUT", "/manifests/", 200),
        ("PUT", "/manifests/", 202),
    ] {
        let name = format!("{method} {part} {status}");
        let proxy = push_through(&name, &[], move |seen, _| match seen.is(method, part) {
            // Chunks are for a registry that refuses a whole blob.
            _ if method == "PATCH" && is_whole_blob(seen) => error_response(413, "SIZE_INVALID"),
            true => Fault::Status(status),
            false => Fault::None,
        });
        assert!(proxy.count(method, part) > 0, "{name}");
    }
}

#[test]
fn push_denied_head_sends_all_blobs() {
    for status in [401, 403, 405] {
        for (method, part) in
            [("HEAD", "/manifests/"), ("HEAD", "/blobs/"), ("HEAD", "/"), ("POST", "mount=")]
        {
            let name = format!("{method} {part} {status}");
            let arguments = ["--mount-from", "other"];
            let proxy = push_through(&name, &arguments, move |seen, _| {
                if seen.is(method, part) { error_response(status, "DENIED") } else { Fault::None }
            });
            assert_eq!(proxy.count("PUT", "/uploads/"), 4, "{name}");
        }
    }
}

#[test]
fn push_denied_upload_is_an_error() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let proxy = Proxy::start(registry.port(), |seen, _| match seen.is("POST", "/uploads/") {
        true => error_response(403, "DENIED"),
        false if seen.method == "HEAD" => error_response(403, "DENIED"),
        false => Fault::None,
    });
    let output = push(&fixture, &image(&fixture, "app", 2), &proxy.name()).output().unwrap();
    let error = stderr(&output, 2);
    assert!(error.contains("refused to upload blob") && error.contains("403: DENIED"), "{error}");
    assert_eq!(proxy.count("HEAD", "/manifests/"), 1, "a denied question is not repeated");
}

#[test]
fn push_refused_once_sends_blob_again() {
    for (method, part, in_parts) in [
        ("PUT", "/uploads/", false),
        ("PATCH", "/uploads/", true),
        ("PUT", "/uploads/", true),
        ("PUT", "/manifests/", false),
    ] {
        let name = format!("{method} {part} {in_parts}");
        let spoilt = AtomicUsize::new(0);
        push_through(&name, &[], move |seen, _| {
            if in_parts && is_whole_blob(seen) {
                return error_response(413, "SIZE_INVALID");
            }
            match seen.is(method, part) && spoilt.fetch_add(1, Ordering::SeqCst) == 0 {
                true => error_response(400, "DIGEST_INVALID"),
                false => Fault::None,
            }
        });
    }
}

#[test]
fn push_refused_twice_is_an_error() {
    for (method, part, expected_text) in [
        ("PUT", "/manifests/", "refused to write the manifest `app:v1`: 400: DIGEST_INVALID"),
        ("PUT", "/uploads/", "refused to upload blob"),
    ] {
        let (fixture, registry) = (Fixture::new(), Registry::start());
        let proxy = Proxy::start(registry.port(), move |seen, _| match seen.is(method, part) {
            true => error_response(400, "DIGEST_INVALID"),
            false => Fault::None,
        });
        let output = push(&fixture, &image(&fixture, "app", 2), &proxy.name()).output().unwrap();
        let error = stderr(&output, 2);
        assert!(error.contains(expected_text), "{error}");
        let there = validate(&fixture, &format!("{}/app:v1", registry.name())).output().unwrap();
        assert!(stderr(&there, 1).contains("has no manifest"));
        if part == "/manifests/" {
            assert_eq!(proxy.count(method, part), 2);
        }
    }
}

#[test]
fn push_chunks_shrink_until_accepted() {
    let largest = Arc::new(AtomicUsize::new(0));
    let taken = Arc::clone(&largest);
    push_through("limit", &[], move |seen, _| {
        let size = seen.header("content-length").and_then(|size| size.parse().ok()).unwrap_or(0);
        if ["PUT", "PATCH"].iter().any(|method| seen.is(method, "/uploads/")) && size > 1_100_000 {
            return error_response(413, "SIZE_INVALID");
        }
        if seen.method == "PATCH" {
            taken.fetch_max(size, Ordering::SeqCst);
        }
        Fault::None
    });
    assert_eq!(largest.load(Ordering::SeqCst), 1 << 20);
}

#[test]
fn push_mount_of_other_digest_is_ignored() {
    let other = format!("sha256:{}", "0".repeat(64));
    let proxy = push_through("mount", &["--mount-from", "other"], move |seen, _| {
        let headers = vec![("Docker-Content-Digest", other.clone())];
        match seen.is("POST", "mount=") {
            true => Fault::Answer(201, headers, Vec::new()),
            false => Fault::None,
        }
    });
    assert_eq!(proxy.count("PUT", "/uploads/"), 4);
}

#[test]
fn push_claimed_mount_without_blob_is_uploaded() {
    // The registry detects the missing blob when the manifest names it.
    let proxy = push_through("mount", &["--mount-from", "other"], |seen, _| {
        match seen.is("POST", "mount=") {
            true => Fault::Answer(201, Vec::new(), Vec::new()),
            false => Fault::None,
        }
    });
    assert_eq!(proxy.count("PUT", "/uploads/"), 4);
}

/// A token server may set both `token` and `access_token`.
#[test]
fn push_null_token_uses_access_token() {
    for token in [r#"{"token":"","access_token":"t"}"#, r#"{"token":null,"access_token":"t"}"#] {
        push_through(token, &[], move |seen, _| {
            if seen.path.starts_with("/token") {
                return Fault::Answer(200, Vec::new(), token.into());
            }
            if seen.header("authorization") == Some("Bearer t") {
                return Fault::None;
            }
            let host = seen.header("host").unwrap_or_default();
            let challenge = format!(r#"Bearer realm="http://{host}/token",service="s""#);
            Fault::Answer(401, vec![("WWW-Authenticate", challenge)], Vec::new())
        });
    }
}

#[test]
fn push_result_counts_blobs_of_all_attempts() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let proxy = Proxy::start(registry.port(), |seen, before| {
        match seen.is("PUT", "/manifests/") && before == 0 {
            true => error_response(400, "MANIFEST_BLOB_UNKNOWN"),
            false => Fault::None,
        }
    });
    let output = push(&fixture, &image(&fixture, "app", 2), &proxy.name()).output().unwrap();
    assert_eq!(push_result(&output)["images"][0]["uploaded"], 8, "each blob twice");
}
