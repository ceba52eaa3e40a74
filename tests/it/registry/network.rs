//! Connections to a registry: IPv6, proxies and client certificates.

use std::path::Path;
use std::process::Output;

use super::fault_proxy::{Fault, Proxy};
use super::server::{Registry, RegistryOptions, Tls, free_port};
use super::{image, push, push_result, validate};
use crate::support::fixture::{Fixture, stderr, stdout};

/// A name without an address: only a proxy reaches it.
const REMOTE_REGISTRY: &str = "registry.invalid:5000";

#[test]
fn registry_on_ipv6_only_works() {
    let fixture = Fixture::new();
    let registry =
        Registry::start_with(RegistryOptions { ipv6: true, ..RegistryOptions::default() });
    let result = push_result(
        &push(&fixture, &image(&fixture, "app", 2), &registry.name()).output().unwrap(),
    );
    assert_eq!(result["images"][0]["name"], format!("{}/app", registry.name()));
    stdout(&validate(&fixture, &format!("{}/app:v1", registry.name())).output().unwrap());
    let location = format!("docker://{}/app:v1", registry.name());
    stdout(&fixture.cooper().args(["copy", &location, "app.tar"]).output().unwrap());
}

/// Pushes to a registry that only a proxy reaches.
fn push_to_remote(fixture: &Fixture, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = push(fixture, &image(fixture, "app", 2), REMOTE_REGISTRY);
    command.args(arguments).envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn proxy_carries_all_requests_with_its_password() {
    let (fixture, plain) = (Fixture::new(), Registry::start());
    let proxy = Proxy::start(plain.port(), |_, _| Fault::None);
    // By name, because proxies are usually configured by name.
    let url = format!("http://me:s3cret@{}", proxy.name().replace("127.0.0.1", "localhost"));
    let output =
        push_to_remote(&fixture, &[("http_proxy", &url)], &["--insecure-http", REMOTE_REGISTRY]);
    let result = push_result(&output);
    assert_eq!(result["requests"].as_u64().unwrap(), proxy.requests().len() as u64);
    let password = Some("Basic bWU6czNjcmV0");
    assert!(proxy.requests().iter().all(|seen| seen.header("proxy-authorization") == password));
    stdout(&validate(&fixture, &format!("{}/app:v1", plain.name())).output().unwrap());

    let secure = Registry::start_with(RegistryOptions {
        tls: Some(Tls::Plain),
        ..RegistryOptions::default()
    });
    let proxy = Proxy::start(secure.port(), |_, _| Fault::None);
    let ca = ["--ca-file", &secure.certificate()];
    push_result(&push_to_remote(&fixture, &[("HTTPS_PROXY", &proxy.name())], &ca));
    assert!(
        proxy.requests().iter().all(|seen| seen.is("CONNECT", REMOTE_REGISTRY)),
        "{:?}",
        proxy.requests()
    );
    push_result(&push_to_remote(&fixture, &[("all_proxy", &proxy.name())], &ca));
    // The proxy is not responsible for an error inside the tunnel, and a retry does not help.
    let before = proxy.requests().len();
    let unknown = stderr(&push_to_remote(&fixture, &[("HTTPS_PROXY", &proxy.name())], &[]), 2);
    assert!(
        unknown.contains("invalid peer certificate") && unknown.contains("--ca-file"),
        "{unknown}"
    );
    assert!(!unknown.contains("NO_PROXY"), "{unknown}");
    assert_eq!(proxy.requests().len(), before + 1);
}

#[test]
fn proxy_failure_error_hides_its_password() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let refuse = |seen: &super::fault_proxy::RecordedRequest, _| match seen.method.as_str() {
        "CONNECT" => Fault::Answer(407, Vec::new(), Vec::new()),
        _ => Fault::Answer(403, Vec::new(), Vec::new()),
    };
    let proxy = Proxy::start(registry.port(), refuse);
    let dead = format!("127.0.0.1:{}", free_port());
    for (variable, proxy, arguments, expected_text) in [
        ("HTTPS_PROXY", &proxy.name(), &[][..], "proxy authorization required"),
        ("HTTP_PROXY", &proxy.name(), &["--insecure-http", REMOTE_REGISTRY], "to `app`: 403"),
        ("HTTPS_PROXY", &dead, &[], "refused"),
    ] {
        let url = format!("http://me:s3cret@{proxy}");
        let error = stderr(&push_to_remote(&fixture, &[(variable, &url)], arguments), 2);
        let named = format!("`{REMOTE_REGISTRY}` through the proxy `{proxy}`");
        assert!(error.contains(&named) && error.contains(expected_text), "{error}");
        assert!(error.contains("NO_PROXY") && !error.contains("s3cret"), "{error}");
    }
    let socks = push_to_remote(&fixture, &[("HTTPS_PROXY", "socks5://me:s3cret@proxy:1")], &[]);
    let error = stderr(&socks, 1);
    assert!(error.contains("over http and https only") && !error.contains("s3cret"), "{error}");
}

#[test]
fn loopback_and_no_proxy_hosts_bypass_the_proxy() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let proxy = Proxy::start(registry.port(), |_, _| Fault::None);
    let name = proxy.name();
    let variables = [("HTTPS_PROXY", &*name), ("HTTP_PROXY", &name), ("ALL_PROXY", &name)];
    let mut command = push(&fixture, &image(&fixture, "app", 2), &registry.name());
    push_result(&command.envs(variables).output().unwrap());
    for except in ["registry.invalid", ".invalid", REMOTE_REGISTRY, "*"] {
        let variables = [("HTTPS_PROXY", &*name), ("no_proxy", except)];
        let error = stderr(&push_to_remote(&fixture, &variables, &[]), 2);
        assert!(
            error.contains(&format!("`{REMOTE_REGISTRY}`")) && !error.contains("proxy"),
            "{error}"
        );
    }
    assert!(proxy.requests().is_empty(), "{:?}", proxy.requests());
}

#[test]
fn unresolvable_host_is_named() {
    // No resolver accepts a label of this length.
    let (fixture, host) = (Fixture::new(), format!("{}.invalid:5000", "r".repeat(64)));
    let mut command = push(&fixture, &image(&fixture, "app", 2), &host);
    let error = stderr(&command.args(["--insecure-http", &host]).output().unwrap(), 2);
    assert!(error.contains(&format!("failed to reach `{host}` to look for `app:v1`")), "{error}");
    assert!(error.contains("dns error"), "{error}");
}

#[test]
fn tls_client_certificate_of_the_host_is_sent() {
    let fixture = Fixture::new();
    let registry = Registry::start_with(RegistryOptions {
        tls: Some(Tls::Mutual),
        ..RegistryOptions::default()
    });
    let spec = image(&fixture, "app", 2);
    let ca_file = ["--ca-file", &registry.certificate()];
    let push_with = |arguments: &[&str]| {
        push(&fixture, &spec, &registry.name()).args(arguments).output().unwrap()
    };
    let other_user = stderr(&push_with(&ca_file), 2);
    assert!(
        other_user.contains("ertificate") && other_user.contains("`--cert-dir`"),
        "{other_user}"
    );

    let copy = |from: &Path, to: &Path| assert!(std::fs::copy(from, to).unwrap() > 0);
    let directory = registry.client();
    copy(registry.certificate().as_ref(), &directory.join("registry.crt"));
    push_result(&push_with(&["--cert-dir", directory.to_str().unwrap()]));

    // podman's directory is found without an option.
    let usual = fixture.dir().join(".config/containers/certs.d").join(registry.name());
    std::fs::create_dir_all(&usual).unwrap();
    for name in ["client.cert", "client.key", "registry.crt"] {
        copy(&directory.join(name), &usual.join(name));
    }
    stdout(&validate(&fixture, &format!("{}/app:v1", registry.name())).output().unwrap());

    // A key alone, an invalid pair, two pairs, and a certificate of another authority.
    std::fs::remove_file(usual.join("client.cert")).unwrap();
    let half = stderr(&push_with(&[]), 1);
    assert!(half.contains("client.key` are unusable: the certificate that belongs"), "{half}");
    let stranger = Registry::start_with(RegistryOptions {
        tls: Some(Tls::Mutual),
        ..RegistryOptions::default()
    });
    copy(&stranger.client().join("client.cert"), &usual.join("client.cert"));
    let other = stderr(&push_with(&[]), 1);
    assert!(other.contains("client.key` are unusable: it does not go with"), "{other}");
    copy(&stranger.client().join("client.key"), &usual.join("client.key"));
    let unknown = stderr(&push_with(&[]), 2);
    assert!(unknown.contains("ertificate") && unknown.contains("`--cert-dir`"), "{unknown}");
    copy(&usual.join("client.key"), &usual.join("other.key"));
    let two = stderr(&push_with(&[]), 1);
    assert!(two.contains("two pairs of a `.cert` and a `.key`"), "{two}");
}
