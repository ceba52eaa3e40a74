//! Registries: the OCI distribution specification, as a client.
//!
//! Push moves only what is missing, and a tag last: a push that dies leaves the registry as it
//! was, but for blobs that nobody names. What is read is checked by digest before it counts.
//!
//! # What is sent to whom
//!
//! Credentials go to the registry's own host, and to the host that it names for tokens if that
//! one has the same parent domain (`registry.example.org` and `auth.example.org`) or was named
//! by the user. They never follow a redirect or an upload to another host, and never go over
//! plain HTTP except to a host that the user named for it or to this machine. A registry that is
//! not on this machine or network cannot send cooper to addresses that are. Certificates that lie
//! in a host's folder count for that host and port: a client certificate is shown to nobody else,
//! and an authority vouches for nobody else. A proxy that is spoken to over TLS is taken for the
//! host behind it.
//!
//! # What is tried how often
//!
//! A request that fails for a reason that may pass is tried again, at most
//! [`Options::retries`] times, after a pause that doubles and is spread, or as long as
//! `Retry-After` says, up to a minute. `403`, `404` and a certificate that is not trusted are
//! answers, not failures. A `401` is answered once with a fresh token.

mod challenge;
mod client;
mod credentials;
mod dial;
mod error;
#[cfg(fuzzing)]
pub(super) mod fuzzed;
mod guard;
mod helper;
mod proxy;
mod pull;
mod push;
mod retry;
mod tls;
mod token;
mod upload;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use client::Registry;
pub use credentials::CredentialFiles;
pub use error::RegistryError;
pub use proxy::Proxies;
pub use pull::Remote;
pub use push::{Moved, Parcel, Pushed};

/// A string that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// How registries are reached.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where credentials are looked for.
    pub credentials: CredentialFiles,
    /// A bearer token that was given for the one registry, instead of credentials.
    pub token: Option<Secret>,
    /// Certificate authorities besides the system's, for every host, as PEM files.
    pub ca_files: Vec<PathBuf>,
    /// Folders with one folder a host, `HOST` or `HOST:PORT`, for its certificates: `*.crt` of
    /// authorities, `*.cert` and `*.key` of this client. The first that has one counts.
    pub certificate_dirs: Vec<PathBuf>,
    /// Such a folder for the registry itself, instead of those.
    pub certificate_dir: Option<PathBuf>,
    /// Proxies that registries are reached through.
    pub proxies: Proxies,
    /// Hosts (with port) that are spoken to over plain HTTP.
    pub insecure_http: Vec<String>,
    /// Hosts besides the registry's own domain that may be given credentials for a token.
    pub token_hosts: Vec<String>,
    /// How long silence is borne.
    pub idle: Duration,
    /// How often a failed request is tried again.
    pub retries: u32,
    /// How many blobs move at once.
    pub parallel: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            credentials: CredentialFiles::default(),
            token: None,
            ca_files: Vec::new(),
            certificate_dirs: Vec::new(),
            certificate_dir: None,
            proxies: Proxies::default(),
            insecure_http: Vec::new(),
            token_hosts: Vec::new(),
            idle: Duration::from_secs(30),
            retries: 4,
            parallel: 6,
        }
    }
}
