//! Docker over TCP with TLS, and over ssh.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::load;
use crate::support::fixture::{Fixture, stderr, stdout};
use crate::support::servers::Dockerd;

/// Creates an authority and its certificates for a server on the loopback and for a client.
fn certificates(dir: &Path) {
    let script = r#"set -e
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority \
            -keyout ca-key.pem -out ca.pem
        for name in server client; do
            openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" \
                -keyout $name-key.pem -out $name.csr
            printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=%sAuth\n' $name >$name.ext
            openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial \
                -days 2 -extfile $name.ext -out $name.pem
        done
        mkdir client
        cp ca.pem client/ca.pem
        cp client.pem client/cert.pem
        cp client-key.pem client/key.pem
        mkdir stranger half
        cp ca.pem stranger/ca.pem
        cp ca.pem client.pem half
        mv half/client.pem half/cert.pem"#;
    let mut shell = Command::new("sh");
    stdout(&shell.args(["-c", script]).current_dir(dir).output().unwrap());
}

#[test]
fn docker_tls_wrong_certificate_is_refused() {
    let fixture = Fixture::new();
    certificates(fixture.dir());
    let at = |name: &str| fixture.dir().join(name).display().to_string();
    let mut docker = Dockerd::start_with(&[
        "--host=tcp://127.0.0.1:2376",
        "--tlsverify",
        &format!("--tlscacert={}", at("ca.pem")),
        &format!("--tlscert={}", at("server.pem")),
        &format!("--tlskey={}", at("server-key.pem")),
    ]);
    let spec = fixture.write_spec("a", "v1", &[fixture.item("x", 1, 100_000)], &json!({}));
    let id = docker.server().id().to_string();
    let load = |certificates: &str| {
        let cooper = fixture.cooper();
        // The daemon listens in a network namespace of its own.
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &id]).arg(cooper.get_program()).args(cooper.get_args());
        command.env("HOME", fixture.dir()).env("DOCKER_HOST", "tcp://127.0.0.1");
        command.env("DOCKER_TLS_VERIFY", "1").env("DOCKER_CERT_PATH", at(certificates));
        command.arg("load").arg(&spec).output().unwrap()
    };
    let refused = stderr(&load("stranger"), 2);
    assert!(refused.contains("no Docker answers at `tcp://127.0.0.1:2376`"), "{refused}");
    let half = stderr(&load("half"), 2);
    assert!(half.contains("cert.pem` are unusable: the key that belongs to it"), "{half}");
    stderr(&load("client"), 0);
    stdout(&docker.docker().args(["image", "inspect", "a:v1"]).output().unwrap());
}

#[test]
fn docker_ssh_uses_dockers_own_client() {
    let (fixture, docker) = (Fixture::new(), Dockerd::start());
    // The client calls `ssh HOST docker system dial-stdio`; this `ssh` starts it locally.
    let bin = fixture.dir().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let ssh = "#!/bin/sh\ncase \"$*\" in *far.example*dial-stdio) ;; *) exit 255 ;; esac\n";
    let ssh = format!("{ssh}exec docker --host {} system dial-stdio\n", docker.host());
    std::fs::write(bin.join("ssh"), ssh).unwrap();
    std::fs::set_permissions(bin.join("ssh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let spec = fixture.write_spec("a", "v1", &[fixture.item("x", 1, 3_000_000)], &json!({}));
    let run = |host: &str| {
        let mut command = fixture.cooper();
        command.env("PATH", &path).env("DOCKER_HOST", host).arg("load").arg(&spec);
        command.output().unwrap()
    };
    stderr(&run("ssh://me@far.example"), 0);
    stdout(&docker.docker().args(["image", "inspect", "a:v1"]).output().unwrap());
    let lost = stderr(&run("ssh://me@other.example"), 2);
    assert!(lost.contains("no Docker answers at `ssh://me@other.example`"), "{lost}");
    assert_eq!(load(&fixture, &docker.host(), &[], &[&spec]), [None]);
}
