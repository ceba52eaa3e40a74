//! Section E of the fault list, one after the other, in front of a real registry.

use std::time::{Duration, Instant};

use serde_json::json;

use super::fault_proxy::{Fault, Proxy, Seen};
use super::server::Registry;
use super::{image, push, pushed, validate};
use crate::support::fixture::{Fixture, stderr, stdout};

/// What a fault must lead to.
enum End {
    /// All is well in the end.
    Good,
    /// An error of the environment that says this, and no tag.
    Bad(&'static str),
}

type Rule = fn(&Seen, usize) -> Fault;

struct Case {
    name: &'static str,
    rule: Rule,
    end: End,
    /// At most so many requests of this method to this path.
    most: (&'static str, &'static str, usize),
}

fn status(status: u16) -> Fault {
    Fault::Answer(
        status,
        Vec::new(),
        br#"{"errors":[{"code":"SPOILT","message":"by a test"}]}"#.to_vec(),
    )
}

fn when(holds: bool, fault: Fault) -> Fault {
    if holds { fault } else { Fault::None }
}

/// Answers that say no, or not now.
fn refusals() -> Vec<Case> {
    vec![
        Case {
            name: "403 is an answer",
            rule: |seen, _| when(seen.is("POST", "/uploads/"), status(403)),
            end: End::Bad("403: SPOILT: by a test"),
            most: ("POST", "/uploads/", 6),
        },
        Case {
            name: "429 with seconds is obeyed",
            rule: |seen, before| {
                let wait = vec![("Retry-After", "1".to_owned())];
                when(seen.method == "HEAD" && before == 0, Fault::Answer(429, wait, Vec::new()))
            },
            end: End::Good,
            most: ("HEAD", "/blobs/", 8),
        },
        Case {
            name: "503 twice",
            rule: |seen, before| when(seen.method == "HEAD" && before < 2, status(503)),
            end: End::Good,
            most: ("HEAD", "/blobs/", 12),
        },
        Case {
            name: "500 for ever",
            rule: |seen, _| when(seen.is("POST", "/uploads/"), status(500)),
            end: End::Bad("500: SPOILT"),
            most: ("POST", "/uploads/", 12),
        },
        Case {
            name: "a manifest is written again",
            rule: |seen, before| when(seen.is("PUT", "/manifests/") && before == 0, status(503)),
            end: End::Good,
            most: ("PUT", "/manifests/", 2),
        },
    ]
}

/// Connections that break, and answers that surprise.
fn surprises() -> Vec<Case> {
    vec![
        Case {
            name: "a connection that breaks once",
            rule: |seen, before| when(seen.method == "HEAD" && before == 0, Fault::Hang),
            end: End::Good,
            most: ("HEAD", "/manifests/", 4),
        },
        Case {
            name: "a connection that always breaks",
            rule: |_, _| Fault::Hang,
            end: End::Bad("failed to reach `127.0.0.1"),
            most: ("HEAD", "/manifests/", 3),
        },
        Case {
            name: "silence",
            rule: |seen, _| when(seen.is("PUT", "/uploads/"), Fault::Swallow),
            end: End::Bad("sent nothing for"),
            most: ("PUT", "/uploads/", 12),
        },
        Case {
            name: "a relative location",
            rule: |seen, _| {
                // The registry ignores what it did not sign, so a state is enough.
                let path = seen.path.split('?').next().unwrap_or_default().to_owned();
                let location = format!("{path}?again=1");
                let redirect = Fault::Answer(307, vec![("Location", location)], Vec::new());
                when(seen.is("HEAD", "/blobs/") && !seen.path.contains("again"), redirect)
            },
            end: End::Good,
            most: ("HEAD", "/blobs/", 8),
        },
        Case {
            name: "a blob that is gone when the manifest comes",
            rule: |seen, before| {
                let gone = br#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"x"}]}"#;
                let gone = Fault::Answer(400, Vec::new(), gone.to_vec());
                when(seen.is("PUT", "/manifests/") && before == 0, gone)
            },
            end: End::Good,
            most: ("PUT", "/uploads/", 8),
        },
        Case {
            name: "an upload cut midway",
            rule: |seen, _| {
                let large = seen.header("content-length").is_some_and(|size| size.len() > 6);
                when(
                    seen.is("PUT", "/uploads/") && large && first("cut"),
                    Fault::CutUpload(100_000),
                )
            },
            end: End::Good,
            most: ("PUT", "/uploads/", 5),
        },
        Case {
            name: "uploads that are always cut",
            rule: |seen, _| when(seen.is("PUT", "/uploads/"), Fault::CutUpload(1000)),
            end: End::Bad("failed to reach `127.0.0.1"),
            most: ("PUT", "/uploads/", 12),
        },
        Case {
            name: "a part that does not go where it should",
            rule: |seen, _| {
                let whole = seen.header("content-length").is_some_and(|size| size != "0");
                match seen.method.as_str() {
                    "PUT" if seen.is("PUT", "/uploads/") && whole => status(413),
                    "PATCH" if first("416") => status(416),
                    _ => Fault::None,
                }
            },
            end: End::Good,
            most: ("PATCH", "/uploads/", 5),
        },
        Case {
            name: "a session that is gone",
            rule: |seen, _| when(seen.is("PUT", "/uploads/") && first("gone"), status(404)),
            end: End::Good,
            most: ("PUT", "/uploads/", 5),
        },
        Case {
            name: "another digest",
            rule: |seen, _| {
                let other = format!("sha256:{}", "0".repeat(64));
                let header = Fault::Header("Docker-Content-Digest", Some(other));
                when(seen.is("PUT", "/uploads/"), header)
            },
            end: End::Bad("and calls it sha256:000"),
            most: ("PUT", "/uploads/", 4),
        },
        Case {
            name: "too large in one piece",
            rule: |seen, _| {
                let whole = seen.header("content-length").is_some_and(|size| size != "0");
                when(seen.is("PUT", "/uploads/") && whole, status(413))
            },
            end: End::Good,
            most: ("PATCH", "/uploads/", 4),
        },
    ]
}

#[test]
fn push_each_fault_recovers_or_leaves_no_tag() {
    for case in refusals().into_iter().chain(surprises()) {
        let (fixture, registry) = (Fixture::new(), Registry::start());
        let proxy = Proxy::start(registry.port(), case.rule);
        let spec = image(&fixture, "app", 2);
        let since = Instant::now();
        let output = push(&fixture, &spec, &proxy.name()).output().unwrap();
        assert!(since.elapsed() < Duration::from_secs(60), "{}", case.name);
        let place = format!("{}/app:v1", registry.name());
        let there = validate(&fixture, &place).output().unwrap();
        match case.end {
            End::Good => {
                assert!(output.status.success(), "{}: {}", case.name, stderr(&output, 2));
                stdout(&there);
            }
            End::Bad(says) => {
                let error = stderr(&output, 2);
                assert!(error.contains(says), "{}: {error}", case.name);
                assert!(stderr(&there, 1).contains("has no manifest"), "{}", case.name);
            }
        }
        let (method, part, most) = case.most;
        let count = proxy.count(method, part);
        assert!((1..=most).contains(&count), "{}: {count} of {most}", case.name);
    }
}

/// Whether this is the first request that a rule of that name spoils.
fn first(name: &'static str) -> bool {
    use std::sync::Mutex;
    static SPOILT: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let mut spoilt = SPOILT.lock().unwrap();
    let first = !spoilt.contains(&name);
    spoilt.push(name);
    first
}

#[test]
fn push_interrupted_upload_restarts() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let proxy = Proxy::start(registry.port(), |seen, _| {
        let large = seen.header("content-length").is_some_and(|size| size.len() > 6);
        when(seen.is("PUT", "/uploads/") && large && first("midway"), Fault::CutUpload(1_000_000))
    });
    let spec = image(&fixture, "app", 2);
    let result = pushed(&push(&fixture, &spec, &proxy.name()).output().unwrap());
    assert_eq!(result["images"][0]["uploaded"], 4, "{result}");
    let session = |seen: &Seen| seen.path.split('?').next().unwrap_or_default().to_owned();
    let puts: Vec<Seen> =
        proxy.seen().into_iter().filter(|seen| seen.is("PUT", "/uploads/")).collect();
    let sessions: std::collections::BTreeSet<String> = puts.iter().map(session).collect();
    assert_eq!((puts.len(), sessions.len()), (5, 5), "each try has a session of its own");
    stdout(&validate(&fixture, &format!("{}/app:v1", registry.name())).output().unwrap());
}

#[test]
fn push_chunks_have_the_registrys_minimum_size() {
    const LEAST: usize = 17 << 20;
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let proxy = Proxy::start(registry.port(), |seen, _| {
        let whole = seen.header("content-length").is_some_and(|size| size != "0");
        match seen.is("PUT", "/uploads/") && whole {
            true => status(413),
            false => Fault::Header("OCI-Chunk-Min-Length", Some(LEAST.to_string())),
        }
    });
    let spec = fixture.spec("app", "v1", &[fixture.item("x", 1, 2 * LEAST + 1000)], &json!({}));
    pushed(&push(&fixture, &spec, &proxy.name()).output().unwrap());
    let size = |seen: &Seen| seen.header("content-length").unwrap().parse::<usize>().unwrap();
    let patches = |seen: &&Seen| seen.method == "PATCH";
    let sizes: Vec<usize> = proxy.seen().iter().filter(patches).map(size).collect();
    assert_eq!(sizes.iter().filter(|size| **size == LEAST).count(), 2, "{sizes:?}");
    stdout(&validate(&fixture, &format!("{}/app:v1", registry.name())).output().unwrap());
}

#[test]
fn push_upload_to_other_host_sends_no_credentials() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let storage = Proxy::start(registry.port(), |_, _| Fault::None);
    let elsewhere = storage.name();
    let proxy = Proxy::start(registry.port(), move |seen, _| {
        let location = format!("http://{elsewhere}{}", seen.path);
        when(
            seen.is("POST", "/uploads/"),
            Fault::Answer(202, vec![("Location", location)], Vec::new()),
        )
    });
    let auth = fixture.dir().join("auth.json");
    let login = format!(r#"{{"auths":{{"{}":{{"auth":"Zm91bmRlcjpzM2NyZXQ="}}}}}}"#, proxy.name());
    std::fs::write(&auth, login).unwrap();
    let spec = image(&fixture, "app", 2);
    let mut command = push(&fixture, &spec, &proxy.name());
    let output = command.env("REGISTRY_AUTH_FILE", &auth).output().unwrap();
    // The storage knows nothing of such uploads; what matters is what it was shown.
    assert!(!output.status.success());
    let seen = storage.seen();
    assert!(!seen.is_empty());
    assert!(seen.iter().all(|request| request.header("authorization").is_none()), "{seen:?}");
}

#[test]
fn push_sends_no_extra_authentication_requests() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let proxy = Proxy::start(registry.port(), |_, _| Fault::None);
    let spec = image(&fixture, "app", 2);
    let result = pushed(&push(&fixture, &spec, &proxy.name()).output().unwrap());
    assert_eq!(result["requests"].as_u64().unwrap(), proxy.seen().len() as u64);
}
