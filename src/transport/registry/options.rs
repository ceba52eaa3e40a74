//! How a registry is reached: credentials, certificates, proxies, timeouts.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{CredentialFiles, Proxies};
use crate::progress::{NullReporter, Reporter};

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
    /// The longest time that the pauses between the tries of one request last in sum.
    pub wait: Duration,
    /// The reporter that is warned of each pause.
    pub reporter: Arc<dyn Reporter>,
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
            wait: Duration::from_secs(60),
            reporter: Arc::new(NullReporter),
            parallel: 6,
        }
    }
}
