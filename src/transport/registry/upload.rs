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
use std::sync::Mutex;

use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION,
};
use reqwest::{Method, Response, StatusCode, Url};

use super::RegistryError;
use super::auth::token::Scope;
use super::chunk_reader::ChunkReader;
use super::client::Registry;
use super::net::retry::{Tries, is_retryable};
use super::request::Request;
use super::response::claimed;
use crate::digest::Digest;
use crate::image::Descriptor;
use crate::progress::Task;
use crate::transport::graph::Blob;

/// The size of a part for a registry that does not take the whole.
const PART: u64 = 16 << 20;
/// Proxies with a limit for bodies take at least a megabyte.
const MIN_PART: u64 = 256 << 10;
const MAX_PART: u64 = 256 << 20;

/// How a blob came to be in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UploadOutcome {
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

/// An upload that the registry opened.
struct Session {
    location: Url,
    /// The least that a part may have.
    min_part: u64,
}

/// The state that one upload carries from try to try.
#[derive(Default)]
struct Lessons {
    /// A token was renewed.
    proved: bool,
    /// The registry called right bytes wrong.
    disputed: bool,
    /// The size of parts, once the whole was too large.
    part: Option<u64>,
}

impl Lessons {
    /// Chooses smaller requests; false if they are as small as they may be.
    fn shrink(&mut self, min_part: u64) -> bool {
        let next = self.part.map_or(PART, |part| part / 4).max(min_part);
        let can_shrink = self.part.is_none_or(|part| next < part && next >= MIN_PART);
        if can_shrink {
            self.part = Some(next.min(MAX_PART));
        }
        can_shrink
    }
}

/// How a try ended that did not fail for good.
enum Attempt {
    Done(UploadOutcome),
    /// Another way to send it is known now.
    Otherwise,
    Again(Box<RegistryError>, Option<Box<HeaderMap>>),
}

impl Registry {
    /// Mounts or uploads a blob.
    pub(super) async fn upload(&self, upload: &Upload<'_>) -> Result<UploadOutcome, RegistryError> {
        let digest = upload.blob.descriptor.digest;
        let what = format!("upload blob {digest} to `{}`", upload.repository);
        let (mut tries, mut lessons) = (Tries::new(&self.options), Lessons::default());
        let mut mount = upload.mount_from;
        loop {
            match self.try_upload(upload, mount.take(), &mut lessons, &what).await? {
                Attempt::Done(arrival) => return Ok(arrival),
                Attempt::Otherwise => {}
                Attempt::Again(error, headers) => match tries.pause(headers.as_deref()) {
                    None => return Err(self.give_up(*error)),
                    Some(pause) => self.sleep(pause, &tries, &error).await,
                },
            }
        }
    }

    async fn try_upload(
        &self,
        upload: &Upload<'_>,
        mount: Option<&str>,
        lessons: &mut Lessons,
        what: &str,
    ) -> Result<Attempt, RegistryError> {
        let scope = Scope::new(upload.repository, true);
        let Some(session) = self.start(upload, mount, &scope, what).await? else {
            return Ok(Attempt::Done(UploadOutcome::Mounted));
        };
        if let Some(part) = lessons.part {
            return self.upload_chunked(upload, session, part, lessons, what).await;
        }
        let url = finished(&session.location, upload.blob.descriptor.digest);
        match self.stream_up(upload, &url, &scope, what).await {
            Ok(answer) => {
                self.classify_response(answer, upload, (lessons, session.min_part), what).await
            }
            Err(error) if error.failed_host().is_some() && !error.is_final() => {
                Ok(Attempt::Again(Box::new(error), None))
            }
            Err(error) => Err(error),
        }
    }

    /// Opens an upload; none is needed when the registry has the blob.
    async fn start(
        &self,
        upload: &Upload<'_>,
        mount: Option<&str>,
        scope: &Scope,
        what: &str,
    ) -> Result<Option<Session>, RegistryError> {
        let digest = upload.blob.descriptor.digest;
        let mut url = self.url(&format!("{}/blobs/uploads/", upload.repository));
        let mut own_scope = scope.clone();
        if let Some(from) = mount {
            url.query_pairs_mut()
                .append_pair("mount", &digest.to_string())
                .append_pair("from", from);
            own_scope.also_read = Some(from.to_owned());
        }
        let mut request =
            Request::new(Method::POST, url, &own_scope, what).header(CONTENT_LENGTH, "0");
        request.is_optional = mount.is_some();
        let answer = self.send(&request).await?;
        let is_ours = matches!(claimed(answer.headers()), Some(Ok(claim)) if claim == digest);
        let is_unnamed = claimed(answer.headers()).is_none();
        match answer.status() {
            // Without a digest in the question only one in the answer can name the blob.
            StatusCode::CREATED if is_ours || mount.is_some() && is_unnamed => Ok(None),
            StatusCode::TOO_MANY_REQUESTS => Err(self.refusal(answer, what).await),
            // Mounting is optional; a registry may refuse it in any way.
            status
                if mount.is_some() && (!status.is_success() || status == StatusCode::CREATED) =>
            {
                Box::pin(self.start(upload, None, scope, what)).await
            }
            status if status.is_success() => {
                let least = HeaderName::from_static("oci-chunk-min-length");
                let least: Option<u64> =
                    answer.headers().get(least).and_then(|v| v.to_str().ok()?.parse().ok());
                let location = self.location(&answer, what)?;
                Ok(Some(Session { location, min_part: least.unwrap_or_default().min(MAX_PART) }))
            }
            _ => Err(self.refusal(answer, what).await),
        }
    }

    /// Sends all bytes in one request.
    async fn stream_up(
        &self,
        upload: &Upload<'_>,
        url: &Url,
        scope: &Scope,
        what: &str,
    ) -> Result<Response, RegistryError> {
        let Descriptor { digest, size, .. } = upload.blob.descriptor;
        let reader = ChunkReader::start(upload.blob.clone());
        let (progress, failed) = (reader.progress(), reader.failed());
        let request = self
            .streamed(Method::PUT, url, scope, reader.into_body())?
            .header(CONTENT_LENGTH, size.to_string());
        let answer =
            self.watched(request, url, what, &progress, |bytes| advance(upload, bytes)).await;
        let own = failed.lock().ok().and_then(|mut failed| failed.take());
        match (answer, own) {
            (Err(_), Some(source)) => Err(RegistryError::Blob { digest, source }),
            (answer, _) => answer,
        }
    }

    /// Sends the bytes part after part, each small enough to be kept for a second try.
    async fn upload_chunked(
        &self,
        upload: &Upload<'_>,
        session: Session,
        part: u64,
        lessons: &mut Lessons,
        what: &str,
    ) -> Result<Attempt, RegistryError> {
        let digest = upload.blob.descriptor.digest;
        let scope = Scope::new(upload.repository, true);
        let mut reader = ChunkReader::start(upload.blob.clone());
        let (mut location, mut at) = (session.location, 0);
        loop {
            let bytes = reader.part(part.max(session.min_part)).await;
            let bytes = bytes.map_err(|source| RegistryError::Blob { digest, source })?;
            if bytes.is_empty() {
                break;
            }
            let end = at + bytes.len() as u64;
            let mut request = Request::new(Method::PATCH, location.clone(), &scope, what)
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_RANGE, format!("{at}-{}", end - 1));
            request.body = Some(bytes);
            let answer = self.send(&request).await?;
            if !answer.status().is_success() {
                return self.refused(answer, upload, (lessons, session.min_part), what).await;
            }
            // An answer without a location leaves the upload where it is.
            if answer.headers().contains_key(LOCATION) {
                location = self.location(&answer, what)?;
            }
            advance(upload, end - at);
            at = end;
        }
        let request = Request::new(Method::PUT, finished(&location, digest), &scope, what)
            .header(CONTENT_LENGTH, "0");
        let answer = self.send(&request).await?;
        self.classify_response(answer, upload, (lessons, session.min_part), what).await
    }

    /// Interprets the answer at the end of an upload.
    async fn classify_response(
        &self,
        answer: Response,
        upload: &Upload<'_>,
        lessons: (&mut Lessons, u64),
        what: &str,
    ) -> Result<Attempt, RegistryError> {
        if !answer.status().is_success() {
            return self.refused(answer, upload, lessons, what).await;
        }
        self.check_claim(answer.headers(), upload.blob.descriptor.digest, what)?;
        if claimed(answer.headers()).is_none() {
            check(upload.blob).await?;
        }
        Ok(Attempt::Done(UploadOutcome::Uploaded))
    }

    /// Interprets a refusal of the bytes, or of a part of them.
    async fn refused(
        &self,
        answer: Response,
        upload: &Upload<'_>,
        (lessons, min_part): (&mut Lessons, u64),
        what: &str,
    ) -> Result<Attempt, RegistryError> {
        match answer.status() {
            StatusCode::PAYLOAD_TOO_LARGE if lessons.shrink(min_part) => Ok(Attempt::Otherwise),
            // The token ran out while the bytes were on their way.
            StatusCode::UNAUTHORIZED if !std::mem::replace(&mut lessons.proved, true) => {
                self.authenticate(&answer, &Scope::new(upload.repository, true), what).await?;
                Ok(Attempt::Otherwise)
            }
            StatusCode::BAD_REQUEST => {
                check(upload.blob).await?;
                // The bytes are right, so one more try may be, too.
                let error = self.refusal(answer, what).await;
                match std::mem::replace(&mut lessons.disputed, true) {
                    false => Ok(Attempt::Again(Box::new(error), None)),
                    true => Err(error),
                }
            }
            // The session ended, or has other bytes.
            StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE => {
                Ok(Attempt::Again(Box::new(self.refusal(answer, what).await), None))
            }
            status if is_retryable(status) => {
                let headers = Box::new(answer.headers().clone());
                Ok(Attempt::Again(Box::new(self.refusal(answer, what).await), Some(headers)))
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

/// Hashes bytes that were sent without that: those of cooper's own files.
async fn check(blob: &Blob) -> Result<(), RegistryError> {
    if blob.look().is_none() {
        return Ok(());
    }
    let (digest, blob) = (blob.descriptor.digest, blob.clone());
    let read = tokio::task::spawn_blocking(move || io::copy(&mut blob.open()?, &mut io::sink()));
    let read = read.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    read.map(drop).map_err(|source| RegistryError::Blob { digest, source })
}
