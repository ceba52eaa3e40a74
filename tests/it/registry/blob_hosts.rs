//! Registries that store blobs on another host: the hosts that get a client certificate, and the
//! hosts that an authority certifies.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::{Registry, RegistryOptions, Tls, certificate, free_port};
use super::{image, push, push_result};
use crate::support::fixture::{Fixture, stderr, stdout};
use crate::support::servers::Server;

/// OpenSSL's server over the files of a registry. It requests a client certificate and accepts
/// clients without one.
struct BlobHost {
    server: Server,
    dir: tempfile::TempDir,
    port: u16,
}

impl BlobHost {
    fn start(registry: &Registry, port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        certificate(dir.path(), false);
        let mut command = Command::new("openssl");
        command.current_dir(registry.storage()).args(["s_server", "-WWW", "-verify", "1"]);
        command.args(["-accept", &format!("127.0.0.1:{port}"), "-CAfile"]);
        command.arg(registry.client().join("ca.crt"));
        command.arg("-cert").arg(dir.path().join("cert.pem"));
        command.arg("-key").arg(dir.path().join("key.pem"));
        let mut server = Server::start(&mut command, &dir.path().join("log"));
        server.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { server, dir, port }
    }

    fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn certificate(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    /// The number of requests with the client certificate of the registry.
    fn client_certificate_count(&self) -> usize {
        self.server.log().matches("depth=0 CN = client").count()
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(fs::copy(from, to).unwrap() > 0);
}

#[test]
fn certificates_apply_to_their_host_only() {
    let (fixture, port) = (Fixture::new(), free_port());
    let wants = RegistryOptions {
        tls: Some(Tls::Mutual),
        blobs_at: Some(port),
        ..RegistryOptions::default()
    };
    let registry = Registry::start_with(wants);
    let directory = registry.client();
    copy(registry.certificate().as_ref(), &directory.join("registry.crt"));
    let cert_dir = ["--cert-dir", directory.to_str().unwrap()];
    let spec = image(&fixture, "app", 2);
    push_result(&push(&fixture, &spec, &registry.name()).args(cert_dir).output().unwrap());
    let store = BlobHost::start(&registry, port);
    let location = format!("docker://{}/app:v1", registry.name());
    let read = |arguments: &[&str]| {
        let mut command = fixture.cooper();
        command.args(["copy", "--registry-retries", "1", &location, "read.tar"]).args(cert_dir);
        command.args(arguments).output().unwrap()
    };

    // An authority in the registry's directory certifies the registry only.
    copy(&store.certificate(), &directory.join("store.crt"));
    let unknown = stderr(&read(&[]), 2);
    assert!(unknown.contains(&format!("failed to reach `{}`", store.name())), "{unknown}");
    assert!(unknown.contains("invalid peer certificate"), "{unknown}");
    assert!(unknown.contains("--ca-file") && unknown.contains("certs.d/"), "{unknown}");

    // An authority of `--ca-file` certifies all hosts; the store still gets no client certificate.
    stdout(&read(&["--ca-file", store.certificate().to_str().unwrap()]));
    assert_eq!(store.client_certificate_count(), 0, "{}", store.server.log());

    // The directory of the store has its own authority.
    let own = fixture.dir().join(".config/containers/certs.d").join(store.name());
    fs::create_dir_all(&own).unwrap();
    copy(&store.certificate(), &own.join("store.crt"));
    stdout(&read(&[]));
    assert_eq!(store.client_certificate_count(), 0, "{}", store.server.log());
    for name in ["client.cert", "client.key"] {
        copy(&directory.join(name), &own.join(name));
    }
    stdout(&read(&[]));
    assert!(store.client_certificate_count() > 0, "{}", store.server.log());

    // An invalid file there is an error before any request.
    fs::remove_file(own.join("client.key")).unwrap();
    let half = stderr(&read(&[]), 1);
    assert!(half.contains("client.cert` are unusable: the key that belongs to it"), "{half}");
}
