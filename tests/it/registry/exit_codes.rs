//! Hosts that an error names, and exit codes.

use super::fault_proxy::{Fault, Proxy, RecordedRequest};
use super::server::Registry;
use super::{error_response, image, push, push_result};
use crate::support::fixture::{Fixture, stderr};

/// The part of the requests that the proxy sends to another host.
type RoutedPart = fn(&RecordedRequest) -> bool;

#[test]
fn blob_host_404_error_names_that_host() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    push_result(&push(&fixture, &image(&fixture, "app", 2), &registry.name()).output().unwrap());
    let cases: [(&str, RoutedPart); 3] = [
        ("copy a blob", |seen| seen.is("GET", "/blobs/")),
        ("copy a manifest", |seen| seen.is("GET", "/manifests/")),
        ("push a blob", |seen| seen.is("POST", "/uploads/")),
    ];
    for (name, is_led) in cases {
        let other = Proxy::start(registry.port(), |_, _| error_response(404, "GONE"));
        let target = other.name();
        let proxy = Proxy::start(registry.port(), move |seen, _| {
            let status = if seen.method == "POST" { 202 } else { 307 };
            let location = vec![("Location", format!("http://{target}/moved"))];
            if is_led(seen) { Fault::Answer(status, location, Vec::new()) } else { Fault::None }
        });
        let output = if name.starts_with("push") {
            push(&fixture, &image(&fixture, "new", 3), &proxy.name()).output()
        } else {
            let location = format!("{}/app:v1", proxy.name());
            fixture.cooper().args(["copy", &location, "copied.tar"]).output()
        };
        let error = stderr(&output.unwrap(), 2);
        let expected_text =
            format!("`{}`, to which `{}` leads, refused to", other.name(), proxy.name());
        assert!(error.contains(&expected_text) && error.contains("404: GONE"), "{name}: {error}");
    }
}

#[test]
fn token_host_404_error_names_that_host() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    for status in [404, 410] {
        let tokens = Proxy::start(registry.port(), move |_, _| error_response(status, "UNKNOWN"));
        let realm = tokens.name();
        let proxy = Proxy::start(registry.port(), move |_, _| {
            let challenge = format!(r#"Bearer realm="http://{realm}/token",service="s""#);
            Fault::Answer(401, vec![("WWW-Authenticate", challenge)], Vec::new())
        });
        let location = format!("{}/app:v1", proxy.name());
        let mut command = fixture.cooper();
        let error = stderr(&command.args(["validate", &location]).output().unwrap(), 2);
        let expected_text =
            format!("`{}`, to which `{}` leads, refused to", tokens.name(), proxy.name());
        assert!(error.contains(&expected_text), "{error}");
        assert!(error.contains(&format!("{status}: UNKNOWN")), "{error}");
    }
}

#[test]
fn redirect_to_missing_path_is_exit_code_2() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    push_result(&push(&fixture, &image(&fixture, "app", 2), &registry.name()).output().unwrap());
    let proxy = Proxy::start(registry.port(), |seen, _| {
        let location = vec![("Location", "/missing".to_owned())];
        match seen.is("GET", "/blobs/") {
            true => Fault::Answer(307, location, Vec::new()),
            false => Fault::None,
        }
    });
    let location = format!("{}/app:v1", proxy.name());
    for arguments in [
        vec!["copy", &location, "copied.tar"],
        vec!["inspect", "--fetch", &location],
        vec!["lock", &location],
    ] {
        let error = stderr(&fixture.cooper().args(&arguments).output().unwrap(), 2);
        assert!(error.contains("refused to read blob") && error.contains("404"), "{error}");
    }
}
