//! Faults of a push, each in front of a real registry.

use std::time::{Duration, Instant};

use serde_json::json;

use super::fault_proxy::{Fault, Proxy, RecordedRequest};
use super::server::Registry;
use super::{image, push, push_result, validate};
use crate::support::fixture::{Fixture, stderr, stdout};

/// The required outcome of a fault.
enum Outcome {
    /// The push succeeds.
    Success,
    /// An error of the environment with this text, and no tag.
    Failure(&'static str),
}

type Rule = fn(&RecordedRequest, usize) -> Fault;

struct Case {
    name: &'static str,
    rule: Rule,
    outcome: Outcome,
    /// The maximum number of requests of this method to this path.
    max_requests: (&'static str, &'static str, usize),
}

fn status(status: u16) -> Fault {
    Fault::Answer(
        status,
        Vec::new(),
        br#"{"errors":[{"code":"SPOILT","message":"by a test"}]}"#.to_vec(),
    )
}

fn fault_if(holds: bool, fault: Fault) -> Fault {
    if holds { fault } else { Fault::None }
}

/// Cases of error responses.
fn refusal_cases() -> Vec<Case> {
    vec![
        Case {
            name: "403 is not retried",
            rule: |request, _| fault_if(request.is("POST", "/uploads/"), status(403)),
            outcome: Outcome::Failure("403: SPOILT: by a test"),
            max_requests: ("POST", "/uploads/", 6),
        },
        Case {
            name: "429 with seconds",
            rule: |request, before| {
                let wait = vec![("Retry-After", "1".to_owned())];
                fault_if(
                    request.method == "HEAD" && before == 0,
                    Fault::Answer(429, wait, Vec::new()),
                )
            },
            outcome: Outcome::Success,
            max_requests: ("HEAD", "/blobs/", 8),
        },
        Case {
            name: "503 twice",
            rule: |request, before| fault_if(request.method == "HEAD" && before < 2, status(503)),
            outcome: Outcome::Success,
            max_requests: ("HEAD", "/blobs/", 12),
        },
        Case {
            name: "500 every time",
            rule: |request, _| fault_if(request.is("POST", "/uploads/"), status(500)),
            outcome: Outcome::Failure("500: SPOILT"),
            max_requests: ("POST", "/uploads/", 12),
        },
        Case {
            name: "503 for a manifest",
            rule: |request, before| {
                fault_if(request.is("PUT", "/manifests/") && before == 0, status(503))
            },
            outcome: Outcome::Success,
            max_requests: ("PUT", "/manifests/", 2),
        },
    ]
}

/// Cases of broken connections and unexpected responses.
fn network_fault_cases() -> Vec<Case> {
    vec![
        Case {
            name: "a connection that closes once",
            rule: |request, before| fault_if(request.method == "HEAD" && before == 0, Fault::Hang),
            outcome: Outcome::Success,
            max_requests: ("HEAD", "/manifests/", 4),
        },
        Case {
            name: "a connection that always closes",
            rule: |_, _| Fault::Hang,
            outcome: Outcome::Failure("failed to reach `127.0.0.1"),
            max_requests: ("HEAD", "/manifests/", 3),
        },
        Case {
            name: "no response",
            rule: |request, _| fault_if(request.is("PUT", "/uploads/"), Fault::Swallow),
            outcome: Outcome::Failure("timeout: no data from"),
            max_requests: ("PUT", "/uploads/", 12),
        },
        Case {
            name: "a relative redirect",
            rule: |request, _| {
                // The registry ignores a state that it did not sign.
                let path = request.path.split('?').next().unwrap_or_default().to_owned();
                let location = format!("{path}?again=1");
                let redirect = Fault::Answer(307, vec![("Location", location)], Vec::new());
                fault_if(request.is("HEAD", "/blobs/") && !request.path.contains("again"), redirect)
            },
            outcome: Outcome::Success,
            max_requests: ("HEAD", "/blobs/", 8),
        },
        Case {
            name: "a blob that is missing for the manifest",
            rule: |request, before| {
                let gone = br#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"x"}]}"#;
                let gone = Fault::Answer(400, Vec::new(), gone.to_vec());
                fault_if(request.is("PUT", "/manifests/") && before == 0, gone)
            },
            outcome: Outcome::Success,
            max_requests: ("PUT", "/uploads/", 8),
        },
        Case {
            name: "an upload that is interrupted",
            rule: |request, _| {
                let large = request.header("content-length").is_some_and(|size| size.len() > 6);
                fault_if(
                    request.is("PUT", "/uploads/") && large && is_first_use("cut"),
                    Fault::CutUpload(100_000),
                )
            },
            outcome: Outcome::Success,
            max_requests: ("PUT", "/uploads/", 5),
        },
        Case {
            name: "uploads that are always interrupted",
            rule: |request, _| fault_if(request.is("PUT", "/uploads/"), Fault::CutUpload(1000)),
            outcome: Outcome::Failure("failed to reach `127.0.0.1"),
            max_requests: ("PUT", "/uploads/", 12),
        },
        Case {
            name: "a chunk that is refused with 416",
            rule: |request, _| {
                let whole = request.header("content-length").is_some_and(|size| size != "0");
                match request.method.as_str() {
                    "PUT" if request.is("PUT", "/uploads/") && whole => status(413),
                    "PATCH" if is_first_use("416") => status(416),
                    _ => Fault::None,
                }
            },
            outcome: Outcome::Success,
            max_requests: ("PATCH", "/uploads/", 5),
        },
        Case {
            name: "a missing upload session",
            rule: |request, _| {
                fault_if(request.is("PUT", "/uploads/") && is_first_use("gone"), status(404))
            },
            outcome: Outcome::Success,
            max_requests: ("PUT", "/uploads/", 5),
        },
        Case {
            name: "another digest in the response",
            rule: |request, _| {
                let other = format!("sha256:{}", "0".repeat(64));
                let header = Fault::Header("Docker-Content-Digest", Some(other));
                fault_if(request.is("PUT", "/uploads/"), header)
            },
            outcome: Outcome::Failure("and calls it sha256:000"),
            max_requests: ("PUT", "/uploads/", 4),
        },
        Case {
            name: "413 for a whole blob",
            rule: |request, _| {
                let whole = request.header("content-length").is_some_and(|size| size != "0");
                fault_if(request.is("PUT", "/uploads/") && whole, status(413))
            },
            outcome: Outcome::Success,
            max_requests: ("PATCH", "/uploads/", 4),
        },
    ]
}

#[test]
fn push_each_fault_recovers_or_leaves_no_tag() {
    for case in refusal_cases().into_iter().chain(network_fault_cases()) {
        let (fixture, registry) = (Fixture::new(), Registry::start());
        let proxy = Proxy::start(registry.port(), case.rule);
        let spec = image(&fixture, "app", 2);
        let start = Instant::now();
        let output = push(&fixture, &spec, &proxy.name()).output().unwrap();
        assert!(start.elapsed() < Duration::from_secs(60), "{}", case.name);
        let location = format!("{}/app:v1", registry.name());
        let there = validate(&fixture, &location).output().unwrap();
        match case.outcome {
            Outcome::Success => {
                assert!(output.status.success(), "{}: {}", case.name, stderr(&output, 2));
                stdout(&there);
            }
            Outcome::Failure(expected_text) => {
                let error = stderr(&output, 2);
                assert!(error.contains(expected_text), "{}: {error}", case.name);
                assert!(stderr(&there, 1).contains("has no manifest"), "{}", case.name);
            }
        }
        let (method, part, max_requests) = case.max_requests;
        let count = proxy.count(method, part);
        assert!((1..=max_requests).contains(&count), "{}: {count} of {max_requests}", case.name);
    }
}

/// Returns true for the first request that a rule of this name changes.
fn is_first_use(name: &'static str) -> bool {
    use std::sync::Mutex;
    static SPOILT: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let mut spoilt = SPOILT.lock().unwrap();
    let is_first_use = !spoilt.contains(&name);
    spoilt.push(name);
    is_first_use
}

#[test]
fn push_interrupted_upload_restarts() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let proxy = Proxy::start(registry.port(), |request, _| {
        let large = request.header("content-length").is_some_and(|size| size.len() > 6);
        fault_if(
            request.is("PUT", "/uploads/") && large && is_first_use("midway"),
            Fault::CutUpload(1_000_000),
        )
    });
    let spec = image(&fixture, "app", 2);
    let result = push_result(&push(&fixture, &spec, &proxy.name()).output().unwrap());
    assert_eq!(result["images"][0]["uploaded"], 4, "{result}");
    let session =
        |request: &RecordedRequest| request.path.split('?').next().unwrap_or_default().to_owned();
    let puts: Vec<RecordedRequest> =
        proxy.requests().into_iter().filter(|request| request.is("PUT", "/uploads/")).collect();
    let sessions: std::collections::BTreeSet<String> = puts.iter().map(session).collect();
    assert_eq!((puts.len(), sessions.len()), (5, 5), "each try has a session of its own");
    stdout(&validate(&fixture, &format!("{}/app:v1", registry.name())).output().unwrap());
}

#[test]
fn push_chunks_have_the_registrys_minimum_size() {
    const MIN_CHUNK_LENGTH: usize = 17 << 20;
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let proxy = Proxy::start(registry.port(), |request, _| {
        let whole = request.header("content-length").is_some_and(|size| size != "0");
        match request.is("PUT", "/uploads/") && whole {
            true => status(413),
            false => Fault::Header("OCI-Chunk-Min-Length", Some(MIN_CHUNK_LENGTH.to_string())),
        }
    });
    let spec = fixture.write_spec(
        "app",
        "v1",
        &[fixture.item("x", 1, 2 * MIN_CHUNK_LENGTH + 1000)],
        &json!({}),
    );
    push_result(&push(&fixture, &spec, &proxy.name()).output().unwrap());
    let size = |request: &RecordedRequest| {
        request.header("content-length").unwrap().parse::<usize>().unwrap()
    };
    let patches = |request: &&RecordedRequest| request.method == "PATCH";
    let sizes: Vec<usize> = proxy.requests().iter().filter(patches).map(size).collect();
    assert_eq!(sizes.iter().filter(|size| **size == MIN_CHUNK_LENGTH).count(), 2, "{sizes:?}");
    stdout(&validate(&fixture, &format!("{}/app:v1", registry.name())).output().unwrap());
}

#[test]
fn push_upload_to_other_host_sends_no_credentials() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let storage = Proxy::start(registry.port(), |_, _| Fault::None);
    let other_host = storage.name();
    let proxy = Proxy::start(registry.port(), move |request, _| {
        let location = format!("http://{other_host}{}", request.path);
        fault_if(
            request.is("POST", "/uploads/"),
            Fault::Answer(202, vec![("Location", location)], Vec::new()),
        )
    });
    let auth = fixture.dir().join("auth.json");
    let login = format!(r#"{{"auths":{{"{}":{{"auth":"Zm91bmRlcjpzM2NyZXQ="}}}}}}"#, proxy.name());
    std::fs::write(&auth, login).unwrap();
    let spec = image(&fixture, "app", 2);
    let mut command = push(&fixture, &spec, &proxy.name());
    let output = command.env("REGISTRY_AUTH_FILE", &auth).output().unwrap();
    // The other host does not know such uploads; the test checks the headers that it got.
    assert!(!output.status.success());
    let request = storage.requests();
    assert!(!request.is_empty());
    assert!(request.iter().all(|request| request.header("authorization").is_none()), "{request:?}");
}

#[test]
fn push_sends_no_extra_authentication_requests() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let proxy = Proxy::start(registry.port(), |_, _| Fault::None);
    let spec = image(&fixture, "app", 2);
    let result = push_result(&push(&fixture, &spec, &proxy.name()).output().unwrap());
    assert_eq!(result["requests"].as_u64().unwrap(), proxy.requests().len() as u64);
}
