//! Why a registry did not do what was asked.

use std::path::PathBuf;

use reqwest::{StatusCode, Url};

use super::net::retry::{self, MIN_BODY_RATE, RateWatch};
use super::net::{redirect_policy, tls};
use crate::digest::Digest;
use crate::layer::LayerError;
use crate::transport::source::SourceError;

/// Why an image did not get to a registry or from it. No message ever holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No connection, or one that broke, as often as it was tried.
    #[error("failed to reach `{host}`{} to {what}", through(.proxy.as_deref()))]
    Unreachable {
        /// The registry, or where it sent us.
        host: String,
        /// What stands before it.
        proxy: Option<String>,
        /// What was tried.
        what: String,
        /// Why.
        source: reqwest::Error,
    },
    /// Nothing came, or almost nothing.
    #[error("timeout: no data from `{host}` for {seconds} s while trying to {what}")]
    Stalled {
        /// The registry, or where it sent us.
        host: String,
        /// What was tried.
        what: String,
        /// How long it was silent.
        seconds: u64,
    },
    /// A body that came or went more slowly than the least rate.
    #[error(
        "the connection to `{host}` moved less than {rate} bytes/s for {seconds} s while cooper \
         tried to {what}"
    )]
    TooSlow {
        /// The registry, or the host to which it leads.
        host: String,
        /// The request.
        what: String,
        /// The least rate.
        rate: u64,
        /// The time over which the rate counts.
        seconds: u64,
    },
    /// A host that failed in this run after all tries, and gets no further request.
    #[error("cooper did not ask `{host}` to {what}, because an earlier request failed: {reason}")]
    NotAsked {
        /// The registry, or where it sent us.
        host: String,
        /// The request.
        what: String,
        /// The error of the earlier request.
        reason: String,
    },
    /// Credentials are wanted, and there are none or the wrong ones.
    #[error("`{registry}` did not let cooper {what}: {why}")]
    Unauthorized {
        /// The registry.
        registry: String,
        /// What was tried.
        what: String,
        /// Whether there were credentials, and where they come from.
        why: String,
    },
    /// An answer that says no.
    #[error(
        "`{host}`{}{} refused to {what}: {status}{message}{}",
        through(.proxy.as_deref()), led(.led_by.as_deref()), wait(*.retry_after)
    )]
    Refused {
        /// The registry, or where it sent us.
        host: String,
        /// The registry, if it sent us to that host.
        led_by: Option<String>,
        /// What stands before it, and may be who refuses.
        proxy: Option<String>,
        /// What was tried.
        what: String,
        /// The HTTP status.
        status: u16,
        /// The text of the answer, after a colon, if it had any.
        message: String,
        /// All error codes in the answer.
        codes: Vec<String>,
        /// The seconds that the answer asks cooper to wait.
        retry_after: Option<u64>,
    },
    /// There is no such manifest, tag or repository.
    #[error("`{registry}` has no {what}{message}")]
    NotFound {
        /// The registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// The registry's own words, after a colon, if it had any.
        message: String,
    },
    /// An answer that contradicts the specification or the request.
    #[error("unexpected response from `{host}` to a request to {what}: {why}")]
    Protocol {
        /// The registry, or where it sent us.
        host: String,
        /// What was tried.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// The registry sent us where no registry has business.
    #[error("`{registry}` sent cooper to `{target}`: {why}")]
    Redirect {
        /// The registry.
        registry: String,
        /// Host and path that it named, without its query.
        target: String,
        /// Why cooper does not go there.
        why: &'static str,
    },
    /// A file of credentials that cannot be used.
    #[error("the credentials in `{path}` are unusable: {why}")]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A credential helper that cannot be used.
    #[error("the credential helper `{helper}` {why}")]
    Helper {
        /// Its name.
        helper: String,
        /// What is wrong.
        why: String,
    },
    /// A proxy that cannot be used.
    #[error("`{host}` cannot be reached through the proxy that was set: {why}")]
    Proxy {
        /// The registry.
        host: String,
        /// What is wrong with the proxy, without its words.
        why: &'static str,
    },
    /// A file of certificates that cannot be used.
    #[error("the certificates in `{path}` are unusable: {why}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The HTTP client could not be made.
    #[error("failed to start the http client")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A blob's bytes could not be read on this side.
    #[error("failed to read blob {digest}")]
    Blob {
        /// The blob.
        digest: Digest,
        /// Why.
        source: std::io::Error,
    },
    /// A layer.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// Where the image comes from.
    #[error(transparent)]
    Source(#[from] SourceError),
}

fn through(proxy: Option<&str>) -> String {
    proxy.map(|proxy| format!(" through the proxy `{proxy}`")).unwrap_or_default()
}

fn led(by: Option<&str>) -> String {
    by.map(|registry| format!(", to which `{registry}` leads,")).unwrap_or_default()
}

fn wait(seconds: Option<u64>) -> String {
    seconds.map(|seconds| format!("; it asks for a wait of {seconds} s")).unwrap_or_default()
}

/// Error codes of a manifest that names what the repository lacks (distribution-spec, "Error
/// codes"; the last one is a registry's answer to an index).
const MISSING_CONTENT: [&str; 3] = ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"];

impl RegistryError {
    /// The error for a body below the least rate.
    pub(super) fn too_slow(url: &Url, what: &str, rate: &RateWatch) -> Self {
        Self::TooSlow {
            host: redirect_policy::host_of(url),
            what: what.into(),
            rate: MIN_BODY_RATE,
            seconds: rate.window().as_secs(),
        }
    }

    /// Returns true if the registry lacks what a manifest names.
    pub(super) fn is_missing_content(&self) -> bool {
        let Self::Refused { codes, .. } = self else { return false };
        codes.iter().any(|code| MISSING_CONTENT.contains(&code.as_str()))
    }

    /// The host that failed, if further requests to it would only wait again.
    pub(super) fn failed_host(&self) -> Option<&str> {
        match self {
            Self::Unreachable { host, .. }
            | Self::Stalled { host, .. }
            | Self::TooSlow { host, .. } => Some(host),
            Self::Refused { host, status, .. } => {
                let status = StatusCode::from_u16(*status).ok()?;
                retry::is_retryable(status).then_some(host)
            }
            _ => None,
        }
    }

    /// Whether a connection came about and then failed as TLS: no proxy's doing.
    pub fn is_about_tls(&self) -> bool {
        matches!(self, Self::Unreachable { source, .. } if tls::cause(source).is_some())
    }

    /// Whether another try would end alike: one side does not trust the other, or a file is bad.
    pub(super) fn is_final(&self) -> bool {
        let distrusts = |source| {
            matches!(tls::cause(source), Some(rustls::Error::InvalidCertificate(_)))
                || tls::is_client_cert_rejected(source)
        };
        match self {
            Self::Unreachable { source, .. } => distrusts(source),
            Self::Certificates { .. } | Self::Client(_) | Self::NotAsked { .. } => true,
            _ => false,
        }
    }

    /// Whether the registry wants a client certificate, or another one.
    pub fn is_client_cert_rejected(&self) -> bool {
        matches!(self, Self::Unreachable { source, .. } if tls::is_client_cert_rejected(source))
    }
}
