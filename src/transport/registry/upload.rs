//! One blob on its way into a repository (distribution-spec, "Pushing blobs").
//!
//! In one request where the registry takes it, in chunks where it says that the whole is too
//! large. An upload that breaks starts anew: by the specification a client may ask how much has
//! arrived and send the rest, but Docker's registry before its version 3 answers that question
//! with 404 and ends the upload.
//!
//! Every blob is hashed at least once on its way. A registry hashes what it gets, compares that
//! with the digest in the request, and names it in its answer; so bytes that look as they did when
//! cooper hashed them are not hashed by cooper as well, unless the answer names no digest.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName};
use reqwest::{Method, Response, StatusCode, Url};

use super::RegistryError;
use super::chunk_reader::ChunkReader;
use super::client::Registry;
use super::net::retry;
use super::request::Request;
use super::response::claimed;
use super::token::Scope;
use crate::digest::Digest;
use crate::report::Task;
use crate::transport::graph::Blob;

/// How often progress is looked at.
const GLANCE: Duration = Duration::from_millis(250);
/// What is sent at once to a registry that does not take the whole.
const PART: u64 = 16 << 20;
const LARGEST_PART: u64 = 256 << 20;
/// A registry hashes what it got before it answers.
const HASHING: u32 = 4;

/// How a blob came to be in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Taken over from another repository.
    Mounted,
    /// Sent.
    Uploaded,
}

/// A blob, where it goes, and who wants to know how far it is.
pub(super) struct Upload<'a> {
    pub(super) repository: &'a str,
    pub(super) blob: &'a Blob,
    /// Another repository of the registry that has it.
    pub(super) mount_from: Option<&'a str>,
    pub(super) progress: &'a Mutex<Box<dyn Task>>,
}

/// Where an upload goes on.
struct Session {
    location: Url,
    /// The least that a part may have.
    part: u64,
}

/// How a try ended that did not fail for good.
enum Try {
    Done(Arrival),
    TooLarge,
    Again(Box<RegistryError>, Option<Box<HeaderMap>>),
}

impl Registry {
    /// Mounts or uploads a blob.
    pub(super) async fn upload(&self, upload: &Upload<'_>) -> Result<Arrival, RegistryError> {
        let digest = upload.blob.descriptor.digest;
        let what = format!("upload blob {digest} to `{}`", upload.repository);
        let (mut tried, mut proved, mut parts) = (0, false, false);
        let mut mount = upload.mount_from;
        loop {
            match self.try_upload(upload, mount.take(), parts, &mut proved, &what).await? {
                Try::Done(arrival) => return Ok(arrival),
                Try::TooLarge => parts = true,
                Try::Again(error, _) if tried >= self.options.retries => return Err(*error),
                Try::Again(_, headers) => {
                    tokio::time::sleep(retry::pause(tried, headers.as_deref())).await;
                    tried += 1;
                }
            }
        }
    }

    async fn try_upload(
        &self,
        upload: &Upload<'_>,
        mount: Option<&str>,
        parts: bool,
        proved: &mut bool,
        what: &str,
    ) -> Result<Try, RegistryError> {
        let scope = Scope::new(upload.repository, true);
        let Some(session) = self.start(upload, mount, &scope, what).await? else {
            return Ok(Try::Done(Arrival::Mounted));
        };
        if parts {
            return self.in_parts(upload, session, &scope, what).await;
        }
        let url = finished(&session.location, upload.blob.descriptor.digest);
        let answer = match self.stream_up(upload, Method::PUT, &url, &scope, what).await {
            Ok(answer) => answer,
            Err(error @ (RegistryError::Unreachable { .. } | RegistryError::Stalled { .. })) => {
                return Ok(Try::Again(Box::new(error), None));
            }
            Err(error) => return Err(error),
        };
        match answer.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Ok(Try::TooLarge),
            // The token ran out while the bytes were on their way.
            StatusCode::UNAUTHORIZED if !*proved => {
                *proved = true;
                self.prove(&answer, &scope, what).await?;
                Ok(Try::Again(Box::new(self.refused_proof(&scope, what)), None))
            }
            _ => self.judge(answer, upload, what).await,
        }
    }

    /// Opens an upload; none is needed when the blob could be mounted.
    async fn start(
        &self,
        upload: &Upload<'_>,
        mount: Option<&str>,
        scope: &Scope,
        what: &str,
    ) -> Result<Option<Session>, RegistryError> {
        let mut url = self.url(&format!("{}/blobs/uploads/", upload.repository));
        let mut own_scope = scope.clone();
        if let Some(from) = mount {
            url.query_pairs_mut()
                .append_pair("mount", &upload.blob.descriptor.digest.to_string())
                .append_pair("from", from);
            own_scope.also_read = Some(from.to_owned());
        }
        let request =
            Request::new(Method::POST, url.clone(), &own_scope, what).header(CONTENT_LENGTH, "0");
        let answer = self.send(&request).await?;
        match answer.status() {
            StatusCode::CREATED if mount.is_some() => Ok(None),
            StatusCode::ACCEPTED => {
                let least = HeaderName::from_static("oci-chunk-min-length");
                let least = answer.headers().get(least).and_then(|v| v.to_str().ok()?.parse().ok());
                let location = self.location(&url, &answer, what)?;
                Ok(Some(Session {
                    location,
                    part: least.unwrap_or(PART).clamp(PART, LARGEST_PART),
                }))
            }
            // Mounting is optional; a registry may refuse it in any way.
            _ if mount.is_some() => Box::pin(self.start(upload, None, scope, what)).await,
            _ => Err(self.refusal(answer, what).await),
        }
    }

    /// Sends all bytes in one request.
    async fn stream_up(
        &self,
        upload: &Upload<'_>,
        method: Method,
        url: &Url,
        scope: &Scope,
        what: &str,
    ) -> Result<Response, RegistryError> {
        let size = upload.blob.descriptor.size;
        let feed = ChunkReader::start(upload.blob.clone());
        let (sent, failed) = (Arc::clone(&feed.sent), Arc::clone(&feed.failed));
        let request = self
            .streamed(method, url, scope, feed.into_body())?
            .header(CONTENT_LENGTH, size.to_string());
        let mut answer = std::pin::pin!(request.send());
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            let answered = tokio::time::timeout(GLANCE, &mut answer).await;
            let now = sent.load(Ordering::Relaxed);
            if now != seen {
                advance(upload, now - seen);
                (seen, since) = (now, Instant::now());
            }
            match answered {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => {
                    let own = failed.lock().ok().and_then(|mut failed| failed.take());
                    let digest = upload.blob.descriptor.digest;
                    return Err(match own {
                        Some(source) => RegistryError::Blob { digest, source },
                        None => self.unreachable(url, what, error),
                    });
                }
                Err(_) => {
                    let patience = if now >= size { HASHING } else { 1 };
                    if since.elapsed() >= self.options.idle * patience {
                        return Err(self.stalled(url, what));
                    }
                }
            }
        }
    }

    /// Sends the bytes part after part, each small enough to be kept for a second try.
    async fn in_parts(
        &self,
        upload: &Upload<'_>,
        session: Session,
        scope: &Scope,
        what: &str,
    ) -> Result<Try, RegistryError> {
        let digest = upload.blob.descriptor.digest;
        let mut feed = ChunkReader::start(upload.blob.clone());
        let (mut location, mut at) = (session.location, 0);
        loop {
            let part = feed.part(session.part).await;
            let part = part.map_err(|source| RegistryError::Blob { digest, source })?;
            if part.is_empty() {
                break;
            }
            let end = at + part.len() as u64;
            let mut request = Request::new(Method::PATCH, location.clone(), scope, what)
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_RANGE, format!("{at}-{}", end - 1));
            request.body = Some(part);
            let answer = self.send(&request).await?;
            if answer.status() != StatusCode::ACCEPTED {
                return self.judge(answer, upload, what).await;
            }
            location = self.location(&location, &answer, what)?;
            advance(upload, end - at);
            at = end;
        }
        let request = Request::new(Method::PUT, finished(&location, digest), scope, what)
            .header(CONTENT_LENGTH, "0");
        let answer = self.send(&request).await?;
        self.judge(answer, upload, what).await
    }

    /// What the answer at the end of an upload means.
    async fn judge(
        &self,
        answer: Response,
        upload: &Upload<'_>,
        what: &str,
    ) -> Result<Try, RegistryError> {
        let digest = upload.blob.descriptor.digest;
        let status = answer.status();
        match status {
            StatusCode::CREATED | StatusCode::NO_CONTENT => {
                self.check_claim(answer.headers(), digest, what)?;
                if claimed(answer.headers()).is_none() {
                    check(upload.blob).await?;
                }
                Ok(Try::Done(Arrival::Uploaded))
            }
            // It may be right that these are not the bytes.
            StatusCode::BAD_REQUEST => {
                check(upload.blob).await?;
                Err(self.refusal(answer, what).await)
            }
            // The session is gone, or knows other bytes than we do.
            StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE => {
                Ok(Try::Again(Box::new(self.refusal(answer, what).await), None))
            }
            status if retry::may_pass(status) => {
                let headers = Box::new(answer.headers().clone());
                Ok(Try::Again(Box::new(self.refusal(answer, what).await), Some(headers)))
            }
            _ => Err(self.refusal(answer, what).await),
        }
    }
}

fn advance(upload: &Upload<'_>, bytes: u64) {
    if let Ok(task) = upload.progress.lock() {
        task.advance(bytes);
    }
}

/// The URL that ends an upload.
fn finished(location: &Url, digest: Digest) -> Url {
    let mut url = location.clone();
    url.query_pairs_mut().append_pair("digest", &digest.to_string());
    url
}

/// Hashes bytes that were sent without that.
async fn check(blob: &Blob) -> Result<(), RegistryError> {
    let (digest, blob) = (blob.descriptor.digest, blob.clone());
    let read = tokio::task::spawn_blocking(move || io::copy(&mut blob.open()?, &mut io::sink()));
    let read = read.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    read.map(drop).map_err(|source| RegistryError::Blob { digest, source })
}
