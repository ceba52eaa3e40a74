//! Answers of a registry: bodies that fit into memory, refusals, claimed digests.

use reqwest::Response;
use reqwest::header::HeaderMap;

use super::RegistryError;
use super::client::Registry;
use super::net::redirect_policy;
use crate::digest::Digest;

/// A registry's words about an error.
const WORDS_LIMIT: usize = 64 << 10;
const WORDS_SHOWN: usize = 300;

impl Registry {
    /// A body that fits into memory.
    pub(super) async fn body(
        &self,
        mut answer: Response,
        limit: usize,
        what: &str,
    ) -> Result<Vec<u8>, RegistryError> {
        let url = answer.url().clone();
        let read = async {
            let mut bytes = Vec::new();
            while let Some(chunk) = self.timed(answer.chunk(), &url, what).await? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > limit {
                    let why = format!("its answer is longer than {limit} bytes");
                    return Err(self.protocol(what, why));
                }
            }
            Ok(bytes)
        };
        // Bytes that drip would keep the silence short for ever.
        match tokio::time::timeout(self.options.idle * 4, read).await {
            Ok(result) => result,
            Err(_) => Err(self.stalled(&url, what)),
        }
    }

    /// The error for an answer that says no, with the registry's own words.
    pub(super) async fn refusal(&self, answer: Response, what: &str) -> RegistryError {
        let (status, host) = (answer.status().as_u16(), redirect_policy::host_of(answer.url()));
        // Within TLS only the registry itself can answer.
        let proxy = self.proxy(answer.url()).filter(|_| answer.url().scheme() == "http");
        let bytes = self.body(answer, WORDS_LIMIT, what).await.unwrap_or_default();
        let message = words(&bytes);
        RegistryError::Refused { host, proxy, what: what.into(), status, message }
    }

    pub(super) async fn not_found(&self, answer: Response, what: String) -> RegistryError {
        let message = match self.refusal(answer, &what).await {
            RegistryError::Refused { message, .. } => message,
            _ => String::new(),
        };
        RegistryError::NotFound { registry: self.name.clone(), what, message }
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
