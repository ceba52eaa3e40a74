//! Questions before an upload: which manifests and blobs a repository has already.
//!
//! The answers only save bytes. A registry that does not allow a question (401 after a token, 403,
//! 405) says nothing about its content; the upload decides.

use std::sync::atomic::Ordering;

use reqwest::header::{ACCEPT, CONTENT_LENGTH};
use reqwest::{Method, StatusCode};

use super::RegistryError;
use super::auth::token::Scope;
use super::push::Push;
use super::request::Request;
use super::response::claimed;
use crate::digest::Digest;
use crate::transport::graph::Blob;
use crate::transport::source::ACCEPTED;

impl Push<'_> {
    /// Asks whether a manifest has a name in a repository. A registry that does not allow the
    /// question does not say so.
    pub(super) async fn has_manifest(
        &self,
        repository: &str,
        name: &str,
        digest: Digest,
    ) -> Result<bool, RegistryError> {
        if !self.shows_manifests.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let scope = Scope::new(repository, true);
        let what = format!("look for `{repository}:{name}`");
        let url = self.registry.url(&format!("{repository}/manifests/{name}"));
        let request =
            Request::new(Method::HEAD, url, &scope, &what).header(ACCEPT, ACCEPTED.join(", "));
        let answer = self.registry.send(&request.optional()).await?;
        let status = answer.status();
        if is_denied(status) {
            self.shows_manifests.store(false, Ordering::Relaxed);
            // Credentials that do not count for the one do not count for the other.
            if status == StatusCode::UNAUTHORIZED {
                self.shows_blobs.store(false, Ordering::Relaxed);
            }
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.registry.give_up(self.registry.refusal(answer, &what).await));
        }
        Ok(status == StatusCode::OK
            && match claimed(answer.headers()) {
                Some(claim) => claim.is_ok_and(|claim| claim == digest),
                None => name == digest.to_string(),
            })
    }

    /// A repository to mount from: one that is known to have the blob, or of those that the user
    /// named the first that says it has. One alone need not be asked.
    pub(super) async fn home(
        &self,
        blob: &Blob,
        own: &str,
    ) -> Result<Option<String>, RegistryError> {
        let digest = blob.descriptor.digest;
        let known = self.homes.lock().ok().and_then(|homes| homes.get(&digest).cloned());
        if known.is_some() {
            return Ok(known.filter(|home| home != own));
        }
        let mut named = self.mount_from.iter().filter(|home| *home != own);
        if self.mount_from.len() > 1 {
            for home in named {
                let question = self.ask_for(&Scope::new(home, false), blob).await?;
                if question == StatusCode::OK {
                    return Ok(Some(home.clone()));
                }
            }
            return Ok(None);
        }
        Ok(named.next().cloned())
    }

    /// Asks whether a repository has a blob. A registry that does not allow the question does not
    /// say so.
    pub(super) async fn has(&self, scope: &Scope, blob: &Blob) -> Result<bool, RegistryError> {
        if !self.shows_blobs.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let status = self.ask_for(scope, blob).await?;
        if is_denied(status) {
            self.shows_blobs.store(false, Ordering::Relaxed);
        }
        // Whatever a registry cannot say, it may be asked to take.
        Ok(status == StatusCode::OK)
    }

    async fn ask_for(&self, scope: &Scope, blob: &Blob) -> Result<StatusCode, RegistryError> {
        let (digest, repository) = (blob.descriptor.digest, &scope.repository);
        let what = format!("look for blob {digest} in `{repository}`");
        let url = self.registry.url(&format!("{repository}/blobs/{digest}"));
        let request = Request::new(Method::HEAD, url, scope, &what).optional();
        let answer = self.registry.send(&request).await?;
        let status = answer.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.registry.give_up(self.registry.refusal(answer, &what).await));
        }
        if status == StatusCode::OK {
            self.registry.check_claim(answer.headers(), digest, &what)?;
        }
        let length = answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length: Option<u64> = length.and_then(|length| length.parse().ok());
        match length {
            Some(length) if status == StatusCode::OK && length != blob.descriptor.size => {
                let why = format!("it has {length} bytes, and not {}", blob.descriptor.size);
                Err(self.registry.protocol(&what, why))
            }
            _ => Ok(status),
        }
    }
}

/// Returns true if a registry does not allow a question, so that it says nothing about content.
fn is_denied(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 405)
}
