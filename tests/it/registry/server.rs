//! docker-registry, as Debian ships it.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::servers::Server;

/// A registry with an empty storage of its own.
pub(crate) struct Registry {
    _server: Server,
    dir: tempfile::TempDir,
    port: u16,
}

/// What a registry asks of its clients.
#[derive(Default, Clone, Copy)]
pub(crate) struct Wants {
    /// The password `s3cret` of the user `founder`.
    pub(crate) password: bool,
    /// TLS, by a certificate that nobody knows.
    pub(crate) tls: bool,
    /// The certificate has run out.
    pub(crate) expired: bool,
}

impl Registry {
    pub(crate) fn start() -> Self {
        Self::start_that(Wants::default())
    }

    pub(crate) fn start_that(wants: Wants) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{level: warn}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http:\n  addr: 127.0.0.1:{port}\n",
            at("data")
        );
        if wants.tls {
            certificate(dir.path(), wants.expired);
            writeln!(config, "  tls: {{certificate: {}, key: {}}}", at("cert.pem"), at("key.pem"))
                .unwrap();
        }
        if wants.password {
            let mut htpasswd = Command::new("htpasswd");
            let line = htpasswd.args(["-nbB", "founder", "s3cret"]).output().unwrap();
            assert!(line.status.success());
            fs::write(dir.path().join("htpasswd"), line.stdout).unwrap();
            writeln!(config, "auth: {{htpasswd: {{realm: r, path: {}}}}}", at("htpasswd")).unwrap();
        }
        fs::write(dir.path().join("config.yml"), config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(dir.path().join("config.yml"));
        let mut server = Server::start(&mut command, &dir.path().join("log"));
        server.wait_until(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { _server: server, dir, port }
    }

    /// Host and port.
    pub(crate) fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of a registry that speaks TLS.
    pub(crate) fn certificate(&self) -> String {
        self.dir.path().join("cert.pem").display().to_string()
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn certificate(dir: &Path, expired: bool) {
    let mut command = Command::new(if expired { "faketime" } else { "openssl" });
    if expired {
        command.args(["10 days ago", "openssl"]);
    }
    let made = command
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=registry"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .arg("-keyout")
        .arg(dir.join("key.pem"))
        .arg("-out")
        .arg(dir.join("cert.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
