//! Docker's HTTP interface: requests, and answers that are errors.
//!
//! Calls block: a program that loads does one thing at a time.

use std::error::Error;
use std::io::{self, Read, Write};
use std::panic::resume_unwind;
use std::time::Duration;

use reqwest::{Body, Client, Method, Response, StatusCode};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::body_writer::BodyWriter;
use super::host::{Certificates, Endpoint};
use super::ssh::SshTunnel;
use crate::transport::TransportError;
use crate::transport::daemon::WriteArchive;
use crate::transport::http;
use crate::transport::http::certificates;

/// What people call it.
pub(in crate::transport) const DOCKER: &str = "Docker";
/// A daemon that is up answers small questions within seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
/// Answers about one image are kilobytes.
const ANSWER_LIMIT: usize = 64 << 20;
/// Docker's words for an error.
const WORDS_LIMIT: usize = 64 << 10;
/// What of an archive is handed over at once.
const BLOCK: usize = 1 << 20;
/// Blocks of it that wait for a slow daemon.
const WAITING: usize = 2;

type Cause = Box<dyn Error + Send + Sync>;

/// A connection to Docker's interface.
#[derive(Debug)]
pub(in crate::transport) struct Api {
    runtime: Handle,
    client: Client,
    /// Before each path.
    url: String,
    /// As people know it.
    endpoint: String,
    _tunnel: Option<SshTunnel>,
}

/// Who answers.
#[derive(Debug, Clone, Copy)]
pub(in crate::transport) struct Peer {
    /// The version of the interface that it speaks: `(1, 41)`.
    pub(in crate::transport) version: (u32, u32),
    /// Whether it is podman, which speaks Docker's interface too.
    pub(in crate::transport) is_podman: bool,
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
    pub(in crate::transport) fn new(endpoint: &Endpoint) -> Result<Self, TransportError> {
        let mut client = Client::builder().connect_timeout(CONNECT).no_proxy();
        let mut tunnel = None;
        let mut url = "http://docker".to_owned();
        let mut tls = None;
        match endpoint {
            Endpoint::Unix(path) => client = client.unix_socket(path.clone()),
            Endpoint::Ssh(remote) => {
                let opened = SshTunnel::open(remote)?;
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
        let runtime = http::runtime().map_err(|e| no_daemon(&endpoint.to_string(), e.into()))?;
        Ok(Self { runtime, client, url, endpoint: endpoint.to_string(), _tunnel: tunnel })
    }

    /// Whether somebody answers, and who.
    pub(in crate::transport) fn ping(&self) -> Result<Peer, TransportError> {
        let asked = self.runtime.block_on(async {
            let response = self.request(Method::GET, "/_ping", Some(CONNECT), None).await?;
            accepted(response).await
        });
        let response = asked.map_err(|e| no_daemon(&self.endpoint, e))?;
        let header = response.headers().get("api-version").and_then(|v| v.to_str().ok());
        let version = header.and_then(|text| {
            let (major, minor) = text.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
        let is_podman = response.headers().contains_key("libpod-api-version");
        let none = || "what answers there does not say that it is Docker".into();
        let version = version.ok_or_else(|| no_daemon(&self.endpoint, none()))?;
        Ok(Peer { version, is_podman })
    }

    /// Asks for a document; none where there is nothing of that name.
    pub(in crate::transport) fn get<T: DeserializeOwned>(
        &self,
        doing: &str,
        path: &str,
    ) -> Result<Option<T>, TransportError> {
        let asked: Result<Option<T>, Cause> = self.runtime.block_on(async {
            let response = self.request(Method::GET, path, Some(PATIENCE), None).await?;
            if response.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let bytes = body(accepted(response).await?, ANSWER_LIMIT).await?;
            Ok(Some(serde_json::from_slice(&bytes)?))
        });
        asked.map_err(|cause| failed(doing, cause))
    }

    /// Copies what a path answers with, however long it takes.
    pub(in crate::transport) fn copy(
        &self,
        doing: &str,
        path: &str,
        to: &mut dyn Write,
    ) -> Result<(), TransportError> {
        let copied: Result<(), Cause> = self.runtime.block_on(async {
            let response = self.request(Method::GET, path, None, None).await?;
            let mut response = accepted(response).await?;
            while let Some(chunk) = response.chunk().await? {
                to.write_all(&chunk)?;
            }
            Ok(())
        });
        copied.map_err(|cause| failed(doing, cause))
    }

    /// Has something done that has no answer but success. What is not there is no success.
    pub(in crate::transport) fn act(
        &self,
        doing: &str,
        method: Method,
        path: &str,
    ) -> Result<(), TransportError> {
        let done = self.runtime.block_on(async {
            let response = self.request(method, path, Some(PATIENCE), None).await?;
            accepted(response).await
        });
        done.map(drop).map_err(|cause| failed(doing, cause))
    }

    /// Sends an archive as it is written, and reads the answer to its end: a load that fails
    /// may have begun with a success.
    pub(in crate::transport) fn load(
        &self,
        write: &WriteArchive<'_>,
    ) -> Result<(), TransportError> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let archive = Body::wrap_stream(http::chunks(receiver));
        std::thread::scope(|scope| {
            let writing = scope.spawn(move || {
                let mut to = BodyWriter::new(sender, BLOCK);
                let written =
                    write(&mut to).and_then(|()| to.flush().map_err(TransportError::Stream));
                // A layer that cannot be read must not become a shorter archive.
                if written.is_err() {
                    to.break_off(io::Error::other("the archive broke off"));
                }
                written
            });
            let answer: Result<(), Cause> = self.runtime.block_on(async {
                let path = "/images/load?quiet=1";
                let response = self.request(Method::POST, path, None, Some(archive)).await?;
                let answer = body(accepted(response).await?, ANSWER_LIMIT).await?;
                read_progress(answer.as_slice())
            });
            let answer = answer.map_err(|cause| failed("load the archive", cause));
            let written = writing.join().unwrap_or_else(|panic| resume_unwind(panic));
            match (written, answer) {
                (Err(error), Err(refused)) if error.is_sinks() => Err(refused),
                (Err(error), _) => Err(error),
                (Ok(()), answer) => answer,
            }
        })
    }

    async fn request(
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
        Ok(request.send().await.map_err(reqwest::Error::without_url)?)
    }
}

pub(in crate::transport) fn read_progress(answer: impl Read) -> Result<(), Cause> {
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

/// An answer that is no refusal; what Docker says about one that is.
async fn accepted(response: Response) -> Result<Response, Cause> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    // Half a message is better than none.
    let bytes = body(response, WORDS_LIMIT).await.unwrap_or_default();
    Err(match serde_json::from_slice::<Message>(&bytes) {
        Ok(Message { message }) => message.trim().into(),
        Err(_) => format!("it answers {status}").into(),
    })
}

/// An answer that fits into memory.
async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > limit {
            return Err(format!("its answer is longer than {limit} bytes").into());
        }
    }
    Ok(bytes)
}

fn failed(doing: &str, source: Cause) -> TransportError {
    TransportError::Daemon { daemon: DOCKER, doing: doing.to_owned(), source }
}

fn no_daemon(endpoint: &str, source: Cause) -> TransportError {
    TransportError::NoDaemon { daemon: DOCKER, endpoint: endpoint.to_owned(), source }
}

/// The files that Docker's client reads; without `ca.pem` what the system trusts counts.
fn tls_config(from: Option<&Certificates>) -> Result<ClientConfig, TransportError> {
    let tls = |cause: Cause| failed("set up TLS", cause);
    let mut roots = RootCertStore::empty();
    let mut identity = None;
    if let Some(Certificates { dir }) = from {
        let [authority, chain, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| dir.join(name));
        if authority.exists() {
            for certificate in certificates::read(&authority).map_err(|e| tls(e.into()))? {
                roots.add(certificate).map_err(|e| tls(e.into()))?;
            }
        } else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if chain.exists() || key.exists() {
            let pair = certificates::identity(&chain, &key).map_err(|e| tls(e.into()))?;
            identity = Some(pair);
        }
    }
    let config = ClientConfig::builder_with_provider(certificates::provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| tls(e.into()))?
        .with_root_certificates(roots);
    Ok(match identity {
        Some(identity) => config.with_client_cert_resolver(identity),
        None => config.with_no_client_auth(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_the_middle_of_a_success_is_an_error() {
        // fault 124: both stores' words for a disk that is full, and an answer that is cut
        for (stream, says) in [
            (
                "{\"stream\":\"Loading layer\"}\n{\"errorDetail\":{\"message\":\"x\"},\
                 \"error\":\"write /l: no space left on device\"}\n",
                "no space left",
            ),
            ("{\"stream\":\"Error unpacking image a:v1: no space left\\n\"}\n", "Error unpacking"),
            ("{\"stream\":\"Loa", "EOF"),
            ("<html>", "expected value"),
        ] {
            let error = read_progress(stream.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{stream}: {error}");
        }
        let good = "{\"stream\":\"Loaded image: a:v1\"}\n{\"progressDetail\":{},\"id\":\"x\"}\n";
        assert!(read_progress(good.as_bytes()).is_ok() && read_progress(&b""[..]).is_ok());
    }
}
