//! Docker's HTTP interface: requests, and answers that are errors.
//!
//! The blocking client suits a program that does one thing at a time; it is the same crate that
//! talks to registries.

use std::error::Error;
use std::io::{self, BufWriter, PipeReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::blocking::{Body, Client, Response};
use reqwest::{Method, StatusCode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::TransportError;
use super::daemon::WriteArchive;
use super::docker_host::{Certificates, Endpoint};
use super::docker_ssh::Tunnel;
use crate::file;

/// What people call it.
pub(super) const DOCKER: &str = "Docker";
/// A daemon that is up answers small questions within seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
/// Answers about one image are kilobytes.
const ANSWER_LIMIT: u64 = 64 << 20;
const PEM_LIMIT: u64 = 1 << 20;

type Cause = Box<dyn Error + Send + Sync>;

/// A connection to Docker's interface.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    /// Before each path.
    url: String,
    /// As people know it.
    endpoint: String,
    _tunnel: Option<Tunnel>,
}

/// Who answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// The version of the interface that it speaks: `(1, 41)`.
    pub(super) version: (u32, u32),
    /// Whether it is podman, which speaks Docker's interface too.
    pub(super) is_podman: bool,
}

/// Docker's words for what went wrong.
#[derive(Deserialize)]
struct Message {
    message: String,
}

/// One message of the stream that `load` answers with.
#[derive(Deserialize)]
struct Progress {
    #[serde(default)]
    stream: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

impl Api {
    /// Prepares a connection; nothing is asked yet.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, TransportError> {
        let mut client = Client::builder().timeout(None).connect_timeout(CONNECT).no_proxy();
        let mut tunnel = None;
        let mut url = "http://docker".to_owned();
        let mut tls = None;
        match endpoint {
            Endpoint::Unix(path) => client = client.unix_socket(path.clone()),
            Endpoint::Ssh(remote) => {
                let opened = Tunnel::open(remote)?;
                client = client.unix_socket(opened.socket());
                tunnel = Some(opened);
            }
            Endpoint::Tcp(address, certificates) => {
                let scheme = if certificates.is_some() { "https" } else { "http" };
                url = format!("{scheme}://{address}");
                tls = certificates.as_ref();
            }
        }
        let build = client.tls_backend_preconfigured(tls_config(tls)?).build();
        let client = build.map_err(|e| no_daemon(&endpoint.to_string(), e.into()))?;
        Ok(Self { client, url, endpoint: endpoint.to_string(), _tunnel: tunnel })
    }

    /// Whether somebody answers, and who.
    pub(super) fn ping(&self) -> Result<Peer, TransportError> {
        let response = self.request(Method::GET, "/_ping", Some(CONNECT), None);
        let response = response.map_err(|e| no_daemon(&self.endpoint, e))?;
        let header = response.headers().get("api-version").and_then(|v| v.to_str().ok());
        let version = header.and_then(|text| {
            let (major, minor) = text.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
        let is_podman = response.headers().contains_key("libpod-api-version");
        if !response.status().is_success() {
            return Err(no_daemon(&self.endpoint, refusal(response)));
        }
        let none = || "what answers there does not say that it is Docker".into();
        let version = version.ok_or_else(|| no_daemon(&self.endpoint, none()))?;
        Ok(Peer { version, is_podman })
    }

    /// Asks for a document; none where there is nothing of that name.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        doing: &str,
        path: &str,
    ) -> Result<Option<T>, TransportError> {
        let failed = |cause| failed(doing, cause);
        let response = self.request(Method::GET, path, Some(PATIENCE), None).map_err(failed)?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => {
                let mut bytes = Vec::new();
                let read = response.take(ANSWER_LIMIT).read_to_end(&mut bytes);
                read.map_err(|e| failed(e.into()))?;
                serde_json::from_slice(&bytes).map(Some).map_err(|e| failed(e.into()))
            }
            _ => Err(failed(refusal(response))),
        }
    }

    /// Copies what a path answers with, however long it takes.
    pub(super) fn copy(
        &self,
        doing: &str,
        path: &str,
        to: &mut dyn Write,
    ) -> Result<(), TransportError> {
        let failed = |cause| failed(doing, cause);
        let mut response = self.request(Method::GET, path, None, None).map_err(failed)?;
        if !response.status().is_success() {
            return Err(failed(refusal(response)));
        }
        io::copy(&mut response, to).map(drop).map_err(|e| failed(e.into()))
    }

    /// Has something done that has no answer but success. What is not there is no success.
    pub(super) fn act(
        &self,
        doing: &str,
        method: Method,
        path: &str,
    ) -> Result<(), TransportError> {
        let response = self.request(method, path, Some(PATIENCE), None);
        let response = response.map_err(|cause| failed(doing, cause))?;
        match response.status().is_success() {
            true => Ok(()),
            false => Err(failed(doing, refusal(response))),
        }
    }

    /// Sends an archive as it is written, and reads the answer to its end: a load that fails
    /// may have begun with a success.
    pub(super) fn load(&self, write: &WriteArchive<'_>) -> Result<(), TransportError> {
        const DOING: &str = "load the archive";
        let failed = |cause: Cause| failed(DOING, cause);
        let (reader, writer) = io::pipe().map_err(TransportError::Stream)?;
        let done = Arc::new(AtomicBool::new(false));
        let body = Body::new(Whole { pipe: reader, done: Arc::clone(&done) });
        std::thread::scope(|scope| {
            let writing = scope.spawn(move || {
                let mut to = BufWriter::with_capacity(1 << 20, writer);
                write(&mut to)?;
                to.flush().map_err(TransportError::Stream)?;
                done.store(true, Ordering::Release);
                Ok::<(), TransportError>(())
            });
            let answer = self
                .request(Method::POST, "/images/load?quiet=1", None, Some(body))
                .and_then(|response| match response.status().is_success() {
                    true => read_progress(response),
                    false => Err(refusal(response)),
                });
            let written = writing.join().unwrap_or(Ok(()));
            match (written, answer) {
                (Err(error), Err(cause)) if error.is_sinks() => Err(failed(cause)),
                (Err(error), _) => Err(error),
                (Ok(()), answer) => answer.map_err(failed),
            }
        })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        patience: Option<Duration>,
        body: Option<Body>,
    ) -> Result<Response, Cause> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(patience) = patience {
            request = request.timeout(patience);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/x-tar").body(body);
        }
        // The address is in the message above.
        Ok(request.send().map_err(reqwest::Error::without_url)?)
    }
}

/// A pipe's end counts as the archive's end only when all of it has been written, so that a
/// layer that cannot be read never becomes a shorter archive.
struct Whole {
    pipe: PipeReader,
    done: Arc<AtomicBool>,
}

impl Read for Whole {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.pipe.read(buf)?;
        if count == 0 && !buf.is_empty() && !self.done.load(Ordering::Acquire) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive broke off"));
        }
        Ok(count)
    }
}

pub(super) fn read_progress(answer: impl Read) -> Result<(), Cause> {
    for message in serde_json::Deserializer::from_reader(answer).into_iter::<Progress>() {
        let message = message?;
        if let Some(error) = message.error {
            return Err(error.trim().into());
        }
        // The containerd store tells of what it cannot unpack in passing.
        if let Some(text) = message.stream.filter(|text| text.trim_start().starts_with("Error")) {
            return Err(text.trim().into());
        }
    }
    Ok(())
}

/// What Docker says about a request that it refuses.
fn refusal(response: Response) -> Cause {
    let status = response.status();
    let mut bytes = Vec::new();
    // Half a message is better than none.
    let _ = response.take(64 << 10).read_to_end(&mut bytes);
    match serde_json::from_slice::<Message>(&bytes) {
        Ok(Message { message }) => message.trim().into(),
        Err(_) => format!("it answers {status}").into(),
    }
}

fn failed(doing: &str, source: Cause) -> TransportError {
    TransportError::Daemon { daemon: DOCKER, doing: doing.to_owned(), source }
}

fn no_daemon(endpoint: &str, source: Cause) -> TransportError {
    TransportError::NoDaemon { daemon: DOCKER, endpoint: endpoint.to_owned(), source }
}

/// The files that Docker's client reads; without `ca.pem` what the system trusts counts.
fn tls_config(certificates: Option<&Certificates>) -> Result<ClientConfig, TransportError> {
    let tls = |cause: Cause| failed("set up TLS", cause);
    let mut roots = RootCertStore::empty();
    let mut identity = None;
    if let Some(Certificates { dir }) = certificates {
        let read = |name: &str| {
            let path = dir.join(name);
            path.exists().then(|| file::read(&path, PEM_LIMIT)).transpose()
        };
        match read("ca.pem")? {
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(&pem) {
                    let certificate = certificate.map_err(|e| tls(e.into()))?;
                    roots.add(certificate).map_err(|e| tls(e.into()))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if let (Some(chain), Some(key)) = (read("cert.pem")?, read("key.pem")?) {
            let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| tls(e.into()))?;
            identity = Some((chain.map_err(|e| tls(e.into()))?, key));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| tls(e.into()))?
        .with_root_certificates(roots);
    match identity {
        Some((chain, key)) => config.with_client_auth_cert(chain, key).map_err(|e| tls(e.into())),
        None => Ok(config.with_no_client_auth()),
    }
}
