//! Answers of a registry: bodies that fit into memory, refusals, claimed digests.

use std::time::Instant;

use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};

use super::RegistryError;
use super::client::Registry;
use super::net::redirect_policy;
use super::net::retry::{self, RateWatch};
use super::request::Request;
use crate::digest::Digest;

/// A registry's words about an error.
const WORDS_LIMIT: usize = 64 << 10;
const WORDS_SHOWN: usize = 300;
/// A document has one error for each missing blob.
const MAX_ERROR_CODES: usize = 100;

impl Registry {
    /// A body that fits into memory.
    pub(super) async fn body(
        &self,
        mut answer: Response,
        limit: usize,
        what: &str,
    ) -> Result<Vec<u8>, RegistryError> {
        let url = answer.url().clone();
        let mut rate = RateWatch::new(self.options.idle);
        let mut bytes = Vec::new();
        loop {
            let since = Instant::now();
            let Some(chunk) = self.timed(answer.chunk(), &url, what).await? else {
                return Ok(bytes);
            };
            if rate.is_too_slow(since.elapsed(), chunk.len() as u64) {
                return Err(RegistryError::too_slow(&url, what, &rate));
            }
            bytes.extend_from_slice(&chunk);
            if bytes.len() > limit {
                let why = format!("its answer is longer than {limit} bytes");
                return Err(self.protocol(what, why));
            }
        }
    }

    /// The error for an answer that refuses, with the text of the answer.
    pub(super) async fn refusal(&self, answer: Response, what: &str) -> RegistryError {
        let (status, host) = (answer.status(), redirect_policy::host_of(answer.url()));
        let is_own = host == redirect_policy::host_of(&self.base());
        let led_by = (!is_own).then(|| self.name.clone());
        // Within TLS only the registry itself can answer.
        let proxy = self.proxy(answer.url()).filter(|_| answer.url().scheme() == "http");
        let asks = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        let wait = if asks { retry::retry_after(answer.headers()) } else { None };
        let body = self.body(answer, WORDS_LIMIT, what);
        let bytes = tokio::time::timeout(self.options.idle, body).await;
        let bytes = bytes.ok().and_then(Result::ok).unwrap_or_default();
        RegistryError::Refused {
            host,
            led_by,
            proxy,
            what: what.into(),
            status: status.as_u16(),
            message: self.known.hide(words(&bytes)),
            codes: error_codes(&bytes),
            retry_after: wait.map(|wait| wait.as_secs()),
        }
    }

    /// The error for a 404. Only the registry itself knows what it does not have; a host to which
    /// it leads is named as the one that refused.
    pub(super) async fn not_found(
        &self,
        answer: Response,
        request: &Request<'_>,
        what: String,
    ) -> RegistryError {
        let is_redirected = answer.url().path() != request.url.path()
            || redirect_policy::host_of(answer.url()) != redirect_policy::host_of(&request.url);
        let refusal = self.refusal(answer, request.what).await;
        match refusal {
            RegistryError::Refused { message, .. } if !is_redirected => {
                RegistryError::NotFound { registry: self.name.clone(), what, message }
            }
            refusal => refusal,
        }
    }

    /// Compares the digest that a registry gives what it took.
    pub(super) fn check_claim(
        &self,
        headers: &HeaderMap,
        digest: Digest,
        what: &str,
    ) -> Result<(), RegistryError> {
        match claimed(headers) {
            None => Ok(()),
            Some(Ok(claim)) if claim == digest => Ok(()),
            Some(Ok(claim)) => {
                Err(self.protocol(what, format!("it took {digest} and calls it {claim}")))
            }
            Some(Err(why)) => Err(self.protocol(what, why)),
        }
    }
}

/// The digest that an answer claims.
pub(super) fn claimed(headers: &HeaderMap) -> Option<Result<Digest, String>> {
    let value = headers.get("docker-content-digest")?;
    let parsed = value.to_str().map_err(|_| "its digest is no text".to_owned());
    Some(
        parsed.and_then(|text| text.parse().map_err(|e: crate::digest::DigestError| e.to_string())),
    )
}

/// The error codes of a registry's error document.
pub(super) fn error_codes(bytes: &[u8]) -> Vec<String> {
    let json: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let errors = json.as_ref().and_then(|json| json.get("errors")?.as_array());
    let codes = errors.into_iter().flatten().filter_map(|error| error.get("code")?.as_str());
    codes.take(MAX_ERROR_CODES).map(str::to_owned).collect()
}

/// `: CODE: message` of a registry's error document, or the beginning of what it said.
pub(super) fn words(bytes: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let error = json.as_ref().and_then(|json| json.get("errors")?.get(0));
    let field = |name| error.and_then(|error| error.get(name)?.as_str()).unwrap_or_default();
    let text = match (field("code"), field("message")) {
        ("", "") => String::from_utf8_lossy(bytes).trim().to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    let text: String = text.chars().filter(|c| !c.is_control()).take(WORDS_SHOWN).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}
