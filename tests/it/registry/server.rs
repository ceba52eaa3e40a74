//! Debian's docker-registry.

use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::servers::Server;

/// A registry with empty storage.
pub(crate) struct Registry {
    _server: Server,
    dir: tempfile::TempDir,
    host: &'static str,
    port: u16,
}

/// The options of a registry.
#[derive(Default, Clone, Copy)]
pub(crate) struct RegistryOptions {
    /// Requires the password `s3cret` of the user `founder`.
    pub(crate) password: bool,
    /// Uses TLS with a self-signed certificate.
    pub(crate) tls: Option<Tls>,
    /// Listens on `[::1]` only.
    pub(crate) ipv6: bool,
    /// Redirects requests for blobs to this port, over TLS.
    pub(crate) blobs_at: Option<u16>,
}

/// The TLS configuration of a registry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// A valid certificate.
    Plain,
    /// An expired certificate.
    Expired,
    /// A valid certificate; clients need a certificate of the authority in `client/ca.crt`.
    Mutual,
}

impl Registry {
    pub(crate) fn start() -> Self {
        Self::start_with(RegistryOptions::default())
    }

    pub(crate) fn start_with(wants: RegistryOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = if wants.ipv6 { "[::1]" } else { "127.0.0.1" };
        let port = free_port();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{level: warn}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http:\n  addr: '{host}:{port}'\n",
            at("data")
        );
        if let Some(tls) = wants.tls {
            certificate(dir.path(), tls == Tls::Expired);
            let (certificate, key) = (at("cert.pem"), at("key.pem"));
            writeln!(config, "  tls:\n    certificate: {certificate}\n    key: {key}").unwrap();
        }
        if wants.tls == Some(Tls::Mutual) {
            client_certificate(&dir.path().join("client"));
            writeln!(config, "    clientcas: [{}]", at("client/ca.crt")).unwrap();
        }
        if let Some(port) = wants.blobs_at {
            let options = format!("{{baseurl: 'https://127.0.0.1:{port}/'}}");
            writeln!(config, "middleware: {{storage: [{{name: redirect, options: {options}}}]}}")
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
        server.wait_until(|| TcpStream::connect(format!("{host}:{port}")).is_ok());
        Self { _server: server, dir, host, port }
    }

    /// Returns host and port.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the path of the certificate of a registry with TLS.
    pub(crate) fn certificate(&self) -> String {
        self.dir.path().join("cert.pem").display().to_string()
    }

    /// Returns the directory of its blobs.
    pub(crate) fn storage(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Returns a directory with `client.cert` and `client.key`, which the registry accepts.
    pub(crate) fn client(&self) -> PathBuf {
        self.dir.path().join("client")
    }
}

/// Returns a port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Creates `cert.pem` and `key.pem` for the loopback.
pub(crate) fn certificate(dir: &Path, expired: bool) {
    let mut command = Command::new(if expired { "faketime" } else { "openssl" });
    if expired {
        command.args(["10 days ago", "openssl"]);
    }
    let made = command
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=registry"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:registry.invalid"])
        .arg("-keyout")
        .arg(dir.join("key.pem"))
        .arg("-out")
        .arg(dir.join("cert.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Creates a client certificate with its key, and the authority that signed it.
fn client_certificate(dir: &Path) {
    fs::create_dir(dir).unwrap();
    let script = "set -e
        new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        openssl req -x509 $new -days 2 -subj /CN=authority -keyout ../ca.key -out ca.crt
        openssl req $new -subj /CN=client -keyout client.key -out ../client.csr
        echo extendedKeyUsage=clientAuth >../client.ext
        openssl x509 -req -in ../client.csr -CA ca.crt -CAkey ../ca.key -CAcreateserial -days 2 \
            -extfile ../client.ext -out client.cert";
    let made = Command::new("sh").args(["-c", script]).current_dir(dir).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
