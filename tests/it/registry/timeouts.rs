//! The time that a command waits for a registry, and the lines that report it.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::fault_proxy::{Fault, Proxy, RecordedRequest};
use super::server::{Registry, free_port};
use super::{error_response, image, push, push_result};
use crate::support::fixture::{Fixture, stderr, stdout};

/// An image in a registry behind a proxy whose rule applies after it is switched on.
struct Setup {
    fixture: Fixture,
    registry: Registry,
    proxy: Proxy,
    /// A spec whose base is the image.
    on_base: PathBuf,
}

impl Setup {
    fn new(rule: impl Fn(&RecordedRequest, usize) -> Fault + Send + Sync + 'static) -> Self {
        let (fixture, registry) = (Fixture::new(), Registry::start());
        let items: Vec<_> =
            (1..=6).map(|seed| fixture.item(&format!("item{seed}"), seed, 60_000)).collect();
        let spec = fixture.write_spec("app", "v1", &items, &json!({}));
        push_result(&push(&fixture, &spec, &registry.name()).output().unwrap());
        let is_on = Arc::new(AtomicBool::new(false));
        let on = Arc::clone(&is_on);
        let proxy = Proxy::start(registry.port(), move |seen, before| {
            if on.load(Ordering::SeqCst) { rule(seen, before) } else { Fault::None }
        });
        let location = format!("{}/app:v1", proxy.name());
        stdout(&fixture.cooper().args(["lock", &location, "-o", "lock.json"]).output().unwrap());
        let base = json!({"base": {"lock": fixture.dir().join("lock.json")}});
        let on_base = fixture.write_spec("above", "v1", &[], &base);
        is_on.store(true, Ordering::SeqCst);
        Self { fixture, registry, proxy, on_base }
    }

    /// Commands that read the image, by name.
    fn commands(&self) -> Vec<(&'static str, Command)> {
        let location = format!("{}/app:v1", self.proxy.name());
        let on_base = self.on_base.to_str().unwrap();
        [
            ("validate", vec!["validate", &location]),
            ("inspect", vec!["inspect", "--fetch", &location]),
            ("copy", vec!["copy", &location, "copied.tar"]),
            ("save", vec!["save", &location, "-o", "saved.tar"]),
            ("build", vec!["build", on_base, "-o", "above.tar"]),
        ]
        .into_iter()
        .map(|(name, arguments)| {
            let mut command = self.fixture.cooper();
            command.args(["--jobs", "1"]).args(arguments);
            (name, command)
        })
        .collect()
    }
}

/// The fault of one response.
type FaultRule = fn() -> Fault;

fn is_layer(seen: &RecordedRequest) -> bool {
    seen.is("GET", "/blobs/")
}

fn wait(seconds: &str) -> Fault {
    let body = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"the limit of pulls"}]}"#;
    Fault::Answer(429, vec![("Retry-After", seconds.to_owned())], body.to_vec())
}

#[test]
fn retry_after_over_limit_ends_with_registry_text() {
    for part in ["/manifests/", "/blobs/"] {
        let setup = Setup::new(move |seen, _| match seen.is("GET", part) {
            true => wait("86400"),
            false => Fault::None,
        });
        for (name, mut command) in setup.commands() {
            let before = setup.proxy.count("GET", part);
            let output = command.output().unwrap();
            let all = [output.stdout.clone(), output.stderr.clone()].concat();
            let all = String::from_utf8_lossy(&all).into_owned();
            assert_eq!(output.status.code(), Some(2), "{name} {part}: {all}");
            let expected_text =
                "429: TOOMANYREQUESTS: the limit of pulls; it asks for a wait of 86400 s";
            assert!(all.contains(expected_text), "{name} {part}: {all}");
            assert_eq!(setup.proxy.count("GET", part), before + 1, "{name} {part}: {all}");
        }
    }
    let (fixture, registry) = (Fixture::new(), Registry::start());
    for (method, part) in [("HEAD", "/manifests/"), ("HEAD", "/blobs/"), ("PUT", "/manifests/")] {
        let proxy = Proxy::start(registry.port(), move |seen, _| match seen.is(method, part) {
            true => wait("86400"),
            false => Fault::None,
        });
        let spec = image(&fixture, &method.to_lowercase(), 2);
        let error = stderr(&push(&fixture, &spec, &proxy.name()).output().unwrap(), 2);
        assert!(error.contains("it asks for a wait of 86400 s"), "{method}: {error}");
        assert!(error.contains("--registry-wait"), "{method}: {error}");
    }
}

#[test]
fn retry_pauses_are_limited_in_total() {
    let setup = Setup::new(|seen, _| match seen.is("GET", "/manifests/v1") {
        true => wait("1"),
        false => Fault::None,
    });
    let location = format!("{}/app:v1", setup.proxy.name());
    for (limit, requests) in [("0", 1), ("1", 2), ("2", 3)] {
        let before = setup.proxy.count("GET", "/manifests/v1");
        let mut command = setup.fixture.cooper();
        command.args(["lock", "--registry-wait", limit, &location]);
        let error = stderr(&command.output().unwrap(), 2);
        assert!(error.contains("it asks for a wait of 1 s"), "{error}");
        assert_eq!(setup.proxy.count("GET", "/manifests/v1"), before + requests, "{limit}");
    }
}

#[test]
fn retry_pauses_are_reported_with_reason() {
    let cases: [(&str, FaultRule, &str); 4] = [
        (
            "/manifests/v1",
            || error_response(503, "BUSY"),
            "503: BUSY: by a test; retry 1 of 4 in 0.",
        ),
        ("/manifests/v1", || wait("0"), "the limit of pulls; it asks for a wait of 0 s; retry 1"),
        ("/blobs/", || Fault::Hang, "failed to reach `127.0.0.1:"),
        ("/blobs/", || Fault::Cut(100), "; retry 1 of 4 in 0."),
    ];
    for (part, fault, expected_text) in cases {
        let spoilt = AtomicBool::new(false);
        let setup = Setup::new(move |seen, _| {
            match seen.is("GET", part) && !spoilt.swap(true, Ordering::SeqCst) {
                true => fault(),
                false => Fault::None,
            }
        });
        let location = format!("{}/app:v1", setup.proxy.name());
        let output = setup.fixture.cooper().args(["validate", &location]).output().unwrap();
        let warnings = stderr(&output, 0);
        assert!(warnings.contains(expected_text), "{warnings}");
        assert_eq!(warnings.matches("warning: ").count(), 1, "{warnings}");
    }
}

#[test]
fn slow_body_ends_at_minimum_rate() {
    for (part, command) in
        [("/manifests/", "validate"), ("/blobs/", "copy"), ("/blobs/", "inspect")]
    {
        let setup = Setup::new(move |seen, _| match seen.is("GET", part) {
            true => Fault::Drip,
            false => Fault::None,
        });
        let mut commands = setup.commands().into_iter().filter(|(name, _)| *name == command);
        let mut command = commands.next().unwrap().1;
        command.args(["--registry-timeout", "2", "--registry-retries", "0"]);
        let error = stderr(&command.output().unwrap(), 2);
        assert!(error.contains("moved less than 10000 bytes/s for 2 s"), "{part}: {error}");
    }
}

#[test]
fn stalled_registry_times_out_once() {
    // A config is shorter than that, and every layer is longer.
    let setup = Setup::new(|seen, _| if is_layer(seen) { Fault::Stall(8000) } else { Fault::None });
    for (name, mut command) in setup.commands() {
        // A base is read with the default timeout, which is too long for a test.
        if name == "build" {
            continue;
        }
        command.args(["--registry-timeout", "1", "--registry-retries", "1"]);
        let before = setup.proxy.count("GET", "/blobs/");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {output:?}");
        let layers = setup.proxy.count("GET", "/blobs/") - before;
        assert!(layers <= 4, "{name}: two tries of the config and of one layer, not {layers}");
    }
}

#[test]
fn broken_registry_fails_once() {
    let setup = Setup::new(|seen, _| if is_layer(seen) { Fault::Cut(8000) } else { Fault::None });
    for (name, mut command) in setup.commands() {
        let before = setup.proxy.count("GET", "/blobs/");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {output:?}");
        let layers = setup.proxy.count("GET", "/blobs/") - before;
        assert!(layers <= 10, "{name}: five tries of the config and of one layer, not {layers}");
    }
}

#[test]
fn several_locations_wait_for_registry_once() {
    let setup = Setup::new(|seen, _| match seen.is("GET", "/manifests/") {
        true => Fault::Hang,
        false => Fault::None,
    });
    let places: Vec<_> = (1..=3).map(|n| format!("{}/app:v{n}", setup.proxy.name())).collect();
    let before = setup.proxy.count("GET", "/manifests/");
    let mut command = setup.fixture.cooper();
    command.args(["validate", "--registry-retries", "1"]).args(&places);
    let error = stderr(&command.output().unwrap(), 2);
    assert!(error.contains("cooper did not ask `127.0.0.1:"), "{error}");
    assert_eq!(setup.proxy.count("GET", "/manifests/"), before + 2, "two tries of the first");
}

#[test]
fn registry_starting_late_is_retried() {
    let setup = Setup::new(|_, _| Fault::None);
    let spec = image(&setup.fixture, "late", 2);
    for name in ["lock", "validate", "push"] {
        let port = free_port();
        let location = format!("127.0.0.1:{port}/app:v1");
        let mut command = setup.fixture.cooper();
        match name {
            "push" => command.arg("push").arg(&spec).args(["--to", &format!("127.0.0.1:{port}")]),
            _ => command.args([name, &location]),
        };
        command.args(["--registry-retries", "20"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        while !first.contains("retry") && lines.read_line(&mut first).unwrap() > 0 {}
        assert!(first.contains("refused") && first.contains("retry 1 of 20"), "{name}: {first}");
        let late = Proxy::start_at(port, setup.registry.port(), |_, _| Fault::None);
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        assert!(child.wait().unwrap().success(), "{name}: {rest}");
        assert!(!late.requests().is_empty());
    }
}
