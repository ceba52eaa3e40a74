//! Credentials, and the hosts that get them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::fault_proxy::{Fault, Proxy};
use super::server::{Registry, RegistryOptions, Tls};
use super::{image, push, push_result, validate};
use crate::support::fixture::{Fixture, stderr, stdout};

/// base64 of `founder:s3cret` and of `founder:wrong-s3cret`.
const VALID_AUTH: &str = "Zm91bmRlcjpzM2NyZXQ=";
const INVALID_AUTH: &str = "Zm91bmRlcjp3cm9uZy1zM2NyZXQ=";

fn log_in(fixture: &Fixture, registry: &str, auth: &str) -> std::path::PathBuf {
    let path = fixture.dir().join("auth.json");
    std::fs::write(&path, format!(r#"{{"auths":{{"{registry}":{{"auth":"{auth}"}}}}}}"#)).unwrap();
    path
}

#[test]
fn auth_wrong_password_is_refused() {
    let fixture = Fixture::new();
    let registry =
        Registry::start_with(RegistryOptions { password: true, ..RegistryOptions::default() });
    let spec = image(&fixture, "app", 2);

    let other_user = stderr(&push(&fixture, &spec, &registry.name()).output().unwrap(), 2);
    assert!(
        other_user.contains("it wants credentials, and there are none for it in `"),
        "{other_user}"
    );
    assert!(other_user.contains("docker login"), "{other_user}");

    let auth = log_in(&fixture, &registry.name(), INVALID_AUTH);
    let proxy = Proxy::start(registry.port(), |_, _| Fault::None);
    let wrong_auth = log_in(&fixture, &proxy.name(), INVALID_AUTH);
    let mut command = push(&fixture, &spec, &proxy.name());
    let wrong = stderr(&command.env("REGISTRY_AUTH_FILE", &wrong_auth).output().unwrap(), 2);
    assert!(wrong.contains("does not take the credentials"), "{wrong}");
    assert!(wrong.contains(&proxy.name()) && wrong.contains("app"), "{wrong}");
    assert!(!wrong.contains("s3cret") && !wrong.contains(INVALID_AUTH), "{wrong}");
    assert!(proxy.requests().len() <= 4, "one question and one upload, each with one second try");

    std::fs::remove_file(auth).unwrap();
    let auth = log_in(&fixture, &registry.name(), VALID_AUTH);
    let mut command = push(&fixture, &spec, &registry.name());
    push_result(&command.env("REGISTRY_AUTH_FILE", &auth).output().unwrap());
    let mut command = validate(&fixture, &format!("{}/app:v1", registry.name()));
    stdout(&command.env("REGISTRY_AUTH_FILE", &auth).output().unwrap());
}

#[test]
fn auth_docker_config_and_helpers_are_used() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    let registry =
        Registry::start_with(RegistryOptions { password: true, ..RegistryOptions::default() });
    let spec = image(&fixture, "app", 2);
    let bin = fixture.dir().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let helper = |name: &str, script: &str| {
        let path = bin.join(format!("docker-credential-{name}"));
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let name = registry.name();
    helper(
        "good",
        &format!(
            r#"read server; [ "$1 $server" = "get {name}" ] && echo '{{"Username":"founder","Secret":"s3cret"}}'"#
        ),
    );
    helper("junk", "echo s3cret-junk");
    helper("fails", "echo s3cret-text; exit 3");
    helper("empty", "echo 'credentials not found in native keychain'; exit 1");
    let config = fixture.dir().join(".docker");
    std::fs::create_dir_all(&config).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let with = |config_json: String| {
        std::fs::write(config.join("config.json"), config_json).unwrap();
        push(&fixture, &spec, &name).env("PATH", &path).output().unwrap()
    };
    for (helper, code, expected_text) in [
        ("junk", 2, "did not answer with a login"),
        ("fails", 2, "failed for"),
        ("missing", 2, "cannot be started"),
        ("empty", 2, "it wants credentials"),
    ] {
        let output = with(format!(r#"{{"credHelpers":{{"{name}":"{helper}"}}}}"#));
        let error = stderr(&output, code);
        assert!(error.contains(expected_text) && !error.contains("s3cret"), "{helper}: {error}");
    }
    push_result(&with(format!(r#"{{"credHelpers":{{"{name}":"good"}},"credsStore":"junk"}}"#)));
    push_result(&with(r#"{"credsStore":"good"}"#.into()));
}

#[test]
fn auth_credentials_in_registry_errors_are_hidden() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let config = fixture.dir().join(".docker");
    std::fs::create_dir_all(&config).unwrap();
    for challenge in [r#"Basic realm="s""#, r#"Bearer realm="http://HOST/token",service="s""#] {
        let proxy = Proxy::start(registry.port(), move |seen, _| {
            let host = seen.header("host").unwrap_or_default();
            match seen.header("authorization") {
                _ if seen.path.starts_with("/token") => {
                    Fault::Answer(200, Vec::new(), br#"{"token":"s3cret-token"}"#.to_vec())
                }
                Some(header) => Fault::Answer(
                    403,
                    Vec::new(),
                    format!("not for {header}, s3cret-token or s3cret-password").into_bytes(),
                ),
                None => {
                    let challenge = challenge.replace("HOST", host);
                    Fault::Answer(401, vec![("WWW-Authenticate", challenge)], Vec::new())
                }
            }
        });
        let name = proxy.name();
        // `user:s3cret-password`.
        let auth = "dXNlcjpzM2NyZXQtcGFzc3dvcmQ=";
        let json = format!(r#"{{"auths":{{"{name}":{{"auth":"{auth}"}}}}}}"#);
        std::fs::write(config.join("config.json"), json).unwrap();
        let location = format!("{name}/app:v1");
        let error = stderr(&validate(&fixture, &location).output().unwrap(), 2);
        let secret =
            if challenge.starts_with("Basic") { "s3cret-password" } else { "s3cret-token" };
        assert!(error.contains("not for ***"), "{error}");
        assert!(!error.contains(secret) && !error.contains(auth), "{error}");
    }
}

#[test]
fn auth_unusable_login_warns_until_refusal() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let spec = image(&fixture, "app", 2);
    push_result(&push(&fixture, &spec, &registry.name()).output().unwrap());
    // Every request gets a token, until the server refuses.
    let proxy = Proxy::start(registry.port(), |seen, _| {
        let answer = |text: &str| Fault::Answer(200, Vec::new(), text.into());
        match seen.header("authorization") {
            Some("Bearer t") => Fault::None,
            _ if seen.path.starts_with("/token") && seen.path.contains("denied") => {
                Fault::Answer(401, Vec::new(), Vec::new())
            }
            _ if seen.path.starts_with("/token") => answer(r#"{"token":"t"}"#),
            _ => {
                let host = seen.header("host").unwrap_or_default();
                let challenge = format!(r#"Bearer realm="http://{host}/token",service="s""#);
                Fault::Answer(401, vec![("WWW-Authenticate", challenge)], Vec::new())
            }
        }
    });
    let name = proxy.name();
    let config = fixture.dir().join(".docker");
    std::fs::create_dir_all(&config).unwrap();
    for (json, expected_text) in [
        (r#"{"credsStore":"cooper-absent"}"#.to_owned(), "`cooper-absent` cannot be started"),
        (r#"{"auths":"s3cret","#.into(), "syntax error at line 1"),
        (format!(r#"{{"auths":{{"{name}":{{"auth":"s3cret!"}}}}}}"#), "is not base64"),
        (format!(r#"{{"credHelpers":{{"{name}":"false"}}}}"#), "`false` cannot be started"),
    ] {
        std::fs::write(config.join("config.json"), json).unwrap();
        let location = format!("{name}/app:v1");
        let passed = stderr(&validate(&fixture, &location).output().unwrap(), 0);
        assert_eq!(passed.matches("warning: ").count(), 1, "{passed}");
        assert!(passed.contains(expected_text) && !passed.contains("s3cret"), "{passed}");
        let refused = validate(&fixture, &format!("{name}/denied:v1")).output().unwrap();
        let refused = stderr(&refused, 2);
        let error = refused.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(
            error.contains("it wants credentials") && error.contains(expected_text),
            "{refused}"
        );
        assert!(!refused.contains("s3cret"), "{refused}");
    }
    // The login of another host has no effect here.
    std::fs::write(config.join("config.json"), r#"{"auths":{"other.example":5}}"#).unwrap();
    let passed = stderr(&validate(&fixture, &format!("{name}/app:v1")).output().unwrap(), 0);
    assert!(!passed.contains("warning"), "{passed}");
}

#[test]
fn auth_expired_bearer_token_is_renewed() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let tokens = Arc::new(AtomicUsize::new(0));
    let made = Arc::clone(&tokens);
    let uses = Mutex::new(BTreeMap::new());
    let proxy = Proxy::start(registry.port(), move |seen, _| {
        if seen.path.starts_with("/token") {
            let number = made.fetch_add(1, Ordering::SeqCst) + 1;
            return Fault::Answer(200, Vec::new(), format!(r#"{{"token":"t{number}"}}"#).into());
        }
        let token = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer t"));
        if let Some(number) = token.and_then(|number| number.parse::<usize>().ok()) {
            // A new token does not invalidate the old one; its use does.
            let mut uses = uses.lock().unwrap();
            let used: &mut usize = uses.entry(number).or_default();
            *used += 1;
            if *used <= 6 && number <= made.load(Ordering::SeqCst) {
                return Fault::None;
            }
        }
        let host = seen.header("host").unwrap_or_default();
        let challenge = format!(
            r#"Bearer realm="http://{host}/token",service="s, t",scope="repository:app:pull""#
        );
        Fault::Answer(401, vec![("WWW-Authenticate", challenge)], Vec::new())
    });
    let spec = image(&fixture, "app", 2);
    push_result(&push(&fixture, &spec, &proxy.name()).output().unwrap());
    stdout(&validate(&fixture, &format!("{}/app:v1", registry.name())).output().unwrap());
    let made = tokens.load(Ordering::SeqCst);
    assert!((2..20).contains(&made), "{made} tokens");
    let asked =
        proxy.requests().iter().find(|seen| seen.path.starts_with("/token")).unwrap().path.clone();
    assert!(asked.contains("scope=repository%3Aapp%3Apull%2Cpush"), "{asked}");
    assert!(asked.contains("service=s%2C+t"), "{asked}");
}

#[test]
fn auth_foreign_realm_gets_no_credentials() {
    let (fixture, registry) = (Fixture::new(), Registry::start());
    let thief = Proxy::start(registry.port(), |_, _| {
        Fault::Answer(200, Vec::new(), br#"{"token":"t"}"#.to_vec())
    });
    // The same machine under another name is another host.
    let realm = thief.name().replace("127.0.0.1", "localhost");
    let proxy = Proxy::start(registry.port(), move |seen, _| {
        if seen.header("authorization") == Some("Bearer t") {
            return Fault::None;
        }
        let challenge = format!(r#"Bearer realm="http://{realm}/token",service="s""#);
        Fault::Answer(401, vec![("WWW-Authenticate", challenge)], Vec::new())
    });
    let auth = log_in(&fixture, &proxy.name(), VALID_AUTH);
    let spec = image(&fixture, "app", 2);
    let mut command = push(&fixture, &spec, &proxy.name());
    let error = stderr(&command.env("REGISTRY_AUTH_FILE", &auth).output().unwrap(), 2);
    assert!(error.contains("--token-host"), "{error}");
    assert!(thief.requests().is_empty());

    let mut command = push(&fixture, &spec, &proxy.name());
    command.env("REGISTRY_AUTH_FILE", &auth).args(["--token-host", "localhost"]);
    push_result(&command.output().unwrap());
    assert!(thief.requests().iter().all(|seen| seen.header("authorization").is_some()));
}

#[test]
fn tls_untrusted_certificate_is_refused() {
    let fixture = Fixture::new();
    let registry = Registry::start_with(RegistryOptions {
        tls: Some(Tls::Plain),
        ..RegistryOptions::default()
    });
    let spec = image(&fixture, "app", 2);
    let refused = stderr(&push(&fixture, &spec, &registry.name()).output().unwrap(), 2);
    assert!(refused.contains("certificate") && refused.contains("--ca-file"), "{refused}");

    let mut command = push(&fixture, &spec, &registry.name());
    push_result(&command.args(["--ca-file", &registry.certificate()]).output().unwrap());
    let mut command = validate(&fixture, &format!("{}/app:v1", registry.name()));
    stdout(&command.args(["--ca-file", &registry.certificate()]).output().unwrap());

    // The same machine under a name that the certificate does not have.
    let localhost = registry.name().replace("127.0.0.1", "localhost");
    let mut command = push(&fixture, &spec, &localhost);
    let other = stderr(&command.args(["--ca-file", &registry.certificate()]).output().unwrap(), 2);
    assert!(other.contains("not valid for"), "{other}");

    // A certificate that has expired.
    let old = Registry::start_with(RegistryOptions {
        tls: Some(Tls::Expired),
        ..RegistryOptions::default()
    });
    let mut command = push(&fixture, &spec, &old.name());
    let expired = stderr(&command.args(["--ca-file", &old.certificate()]).output().unwrap(), 2);
    assert!(expired.contains("expired"), "{expired}");

    let mut command = push(&fixture, &spec, &registry.name());
    let junk = stderr(&command.args(["--ca-file", "/etc/hostname"]).output().unwrap(), 1);
    assert!(junk.contains("no PEM certificate"), "{junk}");
}
