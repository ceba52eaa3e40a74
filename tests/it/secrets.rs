//! Passwords that must not appear in messages.

use std::process::Stdio;

use crate::support::command::{CommandOutput, TestDir};

const SECRET: &str = "s3cret-Pa55";

/// Runs cooper with these arguments and variables, with and without `--json`, and checks that no
/// output has the password.
fn assert_hidden(args: &[&str], variables: &[(&str, &str)]) {
    let test_dir = TestDir::new();
    test_dir.write("spec.json", r#"{"version":1,"name":"app"}"#);
    for json in [false, true] {
        let mut command = test_dir.command(args);
        command.args(json.then_some("--json"));
        command.envs(variables.iter().copied()).env("HOME", test_dir.path(""));
        let CommandOutput { code, stdout, stderr } =
            CommandOutput::new(command.stdin(Stdio::null()).output().unwrap());
        let all = format!("{stdout}{stderr}");
        assert!(all.contains("error") || all.contains("warning"), "{args:?} {code:?}: {all}");
        assert!(!all.contains(SECRET) && !all.contains("Pa55"), "{args:?} {variables:?}: {all}");
        if json {
            // Docker's own client writes plain lines.
            for line in stderr.lines().filter(|line| line.starts_with('{')) {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            }
        }
    }
}

#[test]
fn secrets_in_arguments_are_hidden() {
    let url = format!("https://me:{SECRET}@127.0.0.1:1/app");
    let bare = format!("me:{SECRET}@127.0.0.1:1/app");
    let docker = format!("docker://{bare}");
    for location in [&url, &bare, &docker, &format!("docker-daemon:{bare}"), &format!("oci:{bare}")]
    {
        assert_hidden(&["inspect", location], &[]);
        assert_hidden(&["validate", location], &[]);
        assert_hidden(&["copy", "spec.json", location], &[]);
        assert_hidden(&["copy", location, "oci-archive:x.tar"], &[]);
        assert_hidden(&["lock", location], &[]);
        assert_hidden(&["push", "spec.json", "--to", location], &[]);
        assert_hidden(&["push", "spec.json", &format!("--to={location}")], &[]);
        assert_hidden(
            &[
                "push",
                "spec.json",
                "--to",
                "127.0.0.1:1",
                "--insecure-http",
                location,
                "--registry-retries=0",
            ],
            &[],
        );
        assert_hidden(&["build", location, "-o", "x.tar"], &[]);
        assert_hidden(&["plan", "spec.json", "--lock", location], &[]);
        assert_hidden(&["build", "spec.json", "--cache-size", location], &[]);
    }
}

#[test]
fn secrets_in_option_values_are_hidden() {
    for option in
        ["--registry-token-stdin", "--registry-token", "--password", "--creds", "--src-creds"]
    {
        assert_hidden(
            &["push", "spec.json", "--to", "127.0.0.1:1", &format!("{option}={SECRET}")],
            &[],
        );
    }
    assert_hidden(&["push", "spec.json", "--to", "127.0.0.1:1", "--password", SECRET], &[]);
    assert_hidden(
        &[
            "load",
            "spec.json",
            "--to",
            "podman",
            "--client",
            &format!("/none http://me:{SECRET}@h"),
        ],
        &[],
    );
}

#[test]
fn secrets_in_variables_are_hidden() {
    for scheme in ["tcp", "http", "https", "ftp", "unix", "ssh"] {
        let host = format!("{scheme}://me:{SECRET}@127.0.0.1:1");
        assert_hidden(&["load", "spec.json"], &[("DOCKER_HOST", &host)]);
        assert_hidden(&["list", "spec.json"], &[("DOCKER_HOST", &host)]);
    }
    for proxy in ["http", "https", "socks5", "nonsense"] {
        let proxy = format!("{proxy}://me:{SECRET}@127.0.0.1:1");
        let variables = [("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", ""), ("no_proxy", "")];
        assert_hidden(&["inspect", "registry.invalid/app", "--registry-retries=0"], &variables);
    }
    assert_hidden(
        &["inspect", "127.0.0.1:1/app", "--registry-retries=0"],
        &[("REGISTRY_AUTH_FILE", &format!("https://me:{SECRET}@h"))],
    );
}
