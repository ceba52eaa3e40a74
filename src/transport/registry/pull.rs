//! Reading from a registry: manifests whole, blobs as streams that survive a cut.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use reqwest::header::{ACCEPT, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::mpsc;

use super::RegistryError;
use super::auth::token::Scope;
use super::client::Registry;
use super::net::redirect_policy;
use super::net::retry::{RateWatch, Tries};
use super::request::Request;
use super::response::claimed;
use crate::digest::Digest;
use crate::image::{Descriptor, Document};
use crate::transport::name::reference::Reference;
use crate::transport::source::{
    ACCEPTED, IMAGE_NAME, MANIFEST_LIMIT, Source, SourceError, is_manifest,
};

/// Chunks that wait for a slow reader.
const WAITING: usize = 8;
/// So much progress is worth new tries.
const PROGRESS: u64 = 1 << 20;

/// An image or index in a registry.
#[derive(Debug)]
pub struct Remote {
    registry: Arc<Registry>,
    reference: Reference,
    root: Descriptor,
    documents: Mutex<BTreeMap<Digest, Vec<u8>>>,
}

impl Remote {
    /// Reads the manifest that a reference names.
    pub fn open(registry: &Arc<Registry>, reference: &Reference) -> Result<Self, RegistryError> {
        let name = reference.manifest();
        let fetch = registry.manifest(&reference.repository, &name, reference.digest);
        let document = registry.runtime.block_on(fetch)?;
        let mut root = document.descriptor;
        root.annotations.insert(IMAGE_NAME.into(), reference.to_string());
        let documents = Mutex::new(BTreeMap::from([(root.digest, document.bytes)]));
        Ok(Self { registry: Arc::clone(registry), reference: reference.clone(), root, documents })
    }

    /// A repository of which a document is known by its digest already. Nothing is read yet.
    pub fn pinned(registry: &Arc<Registry>, reference: &Reference, root: Descriptor) -> Self {
        let documents = Mutex::new(BTreeMap::new());
        Self { registry: Arc::clone(registry), reference: reference.clone(), root, documents }
    }

    /// What the reference names.
    pub fn root(&self) -> &Descriptor {
        &self.root
    }
}

impl Source for Remote {
    fn name(&self) -> String {
        self.reference.to_string()
    }

    fn roots(&self) -> Result<Vec<Descriptor>, SourceError> {
        Ok(vec![self.root.clone()])
    }

    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError> {
        let digest = descriptor.digest;
        let repository = &self.reference.repository;
        let known = self.documents.lock().ok().and_then(|known| known.get(&digest).cloned());
        if let Some(bytes) = known {
            return Ok(Box::new(io::Cursor::new(bytes)));
        }
        if is_manifest(&descriptor.media_type) {
            let name = digest.to_string();
            let fetch = self.registry.manifest(repository, &name, Some(digest));
            let document = self.registry.runtime.block_on(fetch).map_err(Box::new)?;
            return Ok(Box::new(io::Cursor::new(document.bytes)));
        }
        Ok(Box::new(self.registry.blob(repository, descriptor)))
    }
}

impl Registry {
    /// A manifest or an index, by tag or digest.
    pub(super) async fn manifest(
        &self,
        repository: &str,
        name: &str,
        expected: Option<Digest>,
    ) -> Result<Document, RegistryError> {
        let what = format!("read the manifest `{name}` of `{repository}`");
        let scope = Scope::new(repository, false);
        let url = self.url(&format!("{repository}/manifests/{name}"));
        let request =
            Request::new(Method::GET, url, &scope, &what).header(ACCEPT, ACCEPTED.join(", "));
        let mut tries = Tries::new(&self.options);
        let (headers, bytes) = loop {
            let answer = self.send_within(&request, &mut tries).await?;
            match answer.status() {
                StatusCode::OK => {}
                StatusCode::NOT_FOUND => {
                    let what = format!("manifest `{name}` in `{repository}`");
                    return Err(self.not_found(answer, &request, what).await);
                }
                _ => return Err(self.give_up(self.refusal(answer, &what).await)),
            }
            let headers = answer.headers().clone();
            let limit = usize::try_from(MANIFEST_LIMIT).unwrap_or(usize::MAX);
            let error = match self.body(answer, limit, &what).await {
                Ok(bytes) => break (headers, bytes),
                Err(error) if error.failed_host().is_some() => error,
                Err(error) => return Err(error),
            };
            let Some(pause) = tries.pause(None) else { return Err(self.give_up(error)) };
            self.sleep(pause, &tries, &error).await;
        };
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|value| value.split(';').next()).map(str::trim);
        let media_type = media_type.filter(|stated| is_manifest(stated)).unwrap_or_default();
        let document = Document::from_bytes(&stated_type(&bytes, media_type), bytes);
        let actual = document.descriptor.digest;
        let claimed = claimed(&headers).transpose().map_err(|why| self.protocol(&what, why))?;
        for wanted in [expected, claimed].into_iter().flatten() {
            if wanted != actual {
                let why = format!("its bytes have the digest {actual}, not {wanted}");
                return Err(self.protocol(&what, why));
            }
        }
        Ok(document)
    }

    fn blob(self: &Arc<Self>, repository: &str, descriptor: &Descriptor) -> BlobReader {
        let (sender, receiver) = mpsc::channel(WAITING);
        let registry = Arc::clone(self);
        let (repository, descriptor) = (repository.to_owned(), descriptor.clone());
        self.runtime.spawn(async move {
            let stream = Stream { at: 0, size: descriptor.size, sender: sender.clone() };
            if let Err(error) = registry.stream(&repository, &descriptor, stream).await {
                // A reader that is gone needs no error.
                let _ = sender.send(Err(error)).await;
            }
        });
        BlobReader { receiver, chunk: Vec::new(), at: 0 }
    }

    /// Sends a blob's bytes to a reader, from where it was cut if it is.
    async fn stream(
        &self,
        repository: &str,
        descriptor: &Descriptor,
        mut to: Stream,
    ) -> Result<(), RegistryError> {
        let digest = descriptor.digest;
        let what = format!("read blob {digest} of `{repository}`");
        let scope = Scope::new(repository, false);
        let url = self.url(&format!("{repository}/blobs/{digest}"));
        let (mut tries, mut since) = (Tries::new(&self.options), 0);
        loop {
            let mut request = Request::new(Method::GET, url.clone(), &scope, &what);
            if to.at > 0 {
                request = request.header(RANGE, format!("bytes={}-", to.at));
            }
            let answer = self.send_within(&request, &mut tries).await?;
            let skip = match answer.status() {
                StatusCode::OK => to.at,
                StatusCode::PARTIAL_CONTENT if starts_at(&answer, to.at) => 0,
                StatusCode::NOT_FOUND => {
                    let what = format!("blob {digest} in `{repository}`");
                    return Err(self.not_found(answer, &request, what).await);
                }
                StatusCode::PARTIAL_CONTENT => {
                    return Err(self.protocol(&what, "it sent another part than was asked for"));
                }
                _ => return Err(self.give_up(self.refusal(answer, &what).await)),
            };
            let Err(error) = self.stream_to(answer, skip, &mut to, &what).await else {
                return Ok(());
            };
            // After that progress the rest counts as a request of its own.
            if to.at >= since + PROGRESS {
                (tries, since) = (Tries::new(&self.options), to.at);
            }
            let Some(pause) = tries.pause(None) else { return Err(self.give_up(error)) };
            self.sleep(pause, &tries, &error).await;
        }
    }

    /// Passes an answer's bytes on, all but the first `skip`.
    async fn stream_to(
        &self,
        mut answer: Response,
        mut skip: u64,
        to: &mut Stream,
        what: &str,
    ) -> Result<(), RegistryError> {
        let url = answer.url().clone();
        let mut rate = RateWatch::new(self.options.idle);
        loop {
            // A reader that takes its time does not make the registry slow.
            let since = Instant::now();
            let Some(chunk) = self.timed(answer.chunk(), &url, what).await? else { break };
            if rate.is_too_slow(since.elapsed(), chunk.len() as u64) {
                return Err(RegistryError::too_slow(&url, what, &rate));
            }
            let over = skip.min(chunk.len() as u64);
            skip -= over;
            let rest = chunk.slice(usize::try_from(over).unwrap_or_default()..);
            if rest.is_empty() {
                continue;
            }
            to.at += rest.len() as u64;
            let gone = to.sender.send(Ok(rest.to_vec())).await.is_err();
            // What is too long is the reader's to refuse; more of it helps nobody.
            if gone || to.at > to.size {
                return Ok(());
            }
        }
        match to.at >= to.size {
            true => Ok(()),
            false => Err(RegistryError::Protocol {
                host: redirect_policy::host_of(&url),
                what: what.into(),
                why: format!("it sent {} of {} bytes", to.at, to.size),
            }),
        }
    }
}

/// The media type in a manifest, if it says one, else the one that it was sent as.
fn stated_type(bytes: &[u8], sent_as: &str) -> String {
    let value: Option<serde_json::Value> =
        if sent_as.is_empty() { serde_json::from_slice(bytes).ok() } else { None };
    let own = value.and_then(|value| Some(value.get("mediaType")?.as_str()?.to_owned()));
    own.unwrap_or_else(|| sent_as.to_owned())
}

fn starts_at(answer: &Response, at: u64) -> bool {
    let range = answer.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {at}-")))
}

/// How far a reader has been served.
struct Stream {
    at: u64,
    size: u64,
    sender: mpsc::Sender<Result<Vec<u8>, RegistryError>>,
}

/// The reading end. Must not be read from a task, only from a thread.
struct BlobReader {
    receiver: mpsc::Receiver<Result<Vec<u8>, RegistryError>>,
    chunk: Vec<u8>,
    at: usize,
}

impl Read for BlobReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.chunk.len() {
            match self.receiver.blocking_recv() {
                None => return Ok(0),
                Some(Err(error)) => {
                    return Err(io::Error::other(SourceError::Registry(Box::new(error))));
                }
                Some(Ok(chunk)) => (self.chunk, self.at) = (chunk, 0),
            }
        }
        let mut rest = self.chunk.get(self.at..).unwrap_or_default();
        let count = rest.read(buf)?;
        self.at += count;
        Ok(count)
    }
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobReader")
    }
}
