//! One registry: its name, its URL, and the state that all requests share.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::LOCATION;
use reqwest::{Response, Url};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::auth::token::TokenCache;
use super::net::connect::{HttpClients, is_plain_http};
use super::net::redirect_policy;
use super::{Options, RegistryError};
use crate::error_chain;
use crate::transport::http;

/// Where the API of Docker's hub is.
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// A client of one registry. Calls block; inside, many requests run at once.
#[derive(Debug)]
pub struct Registry {
    /// Host and port as references name it.
    pub(super) name: String,
    /// The start of its API, with the scheme `http` where only that is allowed.
    start: Url,
    /// True if plain HTTP is spoken. A registry on this machine is asked, at the first request.
    plain: OnceCell<bool>,
    /// Hosts that failed after all tries, and the error of each.
    failed: Mutex<BTreeMap<String, String>>,
    pub(super) options: Options,
    pub(super) runtime: Handle,
    pub(super) dial: HttpClients,
    pub(super) known: TokenCache,
    pub(super) requests: AtomicU64,
}

impl Registry {
    /// Prepares the connection; the first request opens it. Plain HTTP is for hosts that the user
    /// named for it, and for this machine if the registry does not speak TLS.
    pub fn connect(name: &str, options: Options) -> Result<Arc<Self>, RegistryError> {
        let host = if name == "docker.io" { DOCKER_HUB_API } else { name };
        let is_named = options.insecure_http.iter().any(|named| named == name);
        let scheme = if is_named { "http" } else { "https" };
        let start = Url::parse(&format!("{scheme}://{host}/v2/"));
        let start = start.map_err(|error| RegistryError::Client(error.into()))?;
        let dial = HttpClients::new(name, &start, &options)?;
        let runtime = http::runtime().map_err(|error| RegistryError::Client(error.into()))?;
        let is_asked = !is_named && start.host_str().is_some_and(redirect_policy::is_loopback);
        let plain = OnceCell::new_with((!is_asked).then_some(is_named));
        Ok(Arc::new(Self {
            name: name.into(),
            start,
            plain,
            failed: Mutex::default(),
            options,
            runtime,
            dial,
            known: TokenCache::default(),
            requests: AtomicU64::new(0),
        }))
    }

    /// Host and port as references name it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many requests have been sent so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The start of the API: `https://host/v2/`.
    pub(super) fn base(&self) -> Url {
        self.in_known_scheme(self.start.clone())
    }

    /// A URL of the API.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base();
        url.set_path(&format!("/v2/{path}"));
        url
    }

    /// A URL of a registry on this machine in the scheme that the registry turned out to speak.
    fn in_known_scheme(&self, mut url: Url) -> Url {
        let is_own = redirect_policy::host_of(&url) == redirect_policy::host_of(&self.start);
        if self.plain.get() == Some(&true) && self.start.scheme() == "https" && is_own {
            // `http` is a scheme that takes the place of `https` in any URL.
            let _ = url.set_scheme("http");
        }
        url
    }

    /// Asks a registry on this machine once whether it speaks TLS. A refused connection decides
    /// nothing, so that the next try asks again. Returns the URL as it is to be requested.
    pub(super) async fn settled(&self, url: Url, what: &str) -> Result<Url, RegistryError> {
        let ask = async || {
            let http = self.dial.to(&self.start, &self.options)?;
            self.timed(is_plain_http(&http, &self.start), &self.start, what).await
        };
        self.plain.get_or_try_init(ask).await?;
        Ok(self.in_known_scheme(url))
    }

    /// Refuses a request to a host that failed before, so that a command waits for it only once.
    pub(super) fn check_failed(&self, url: &Url, what: &str) -> Result<(), RegistryError> {
        let host = redirect_policy::host_of(url);
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match failed.get(&host).cloned() {
            Some(reason) => Err(RegistryError::NotAsked { host, what: what.into(), reason }),
            None => Ok(()),
        }
    }

    /// Notes the host of an error that all tries ended with.
    pub(super) fn give_up(&self, error: RegistryError) -> RegistryError {
        if let Some(host) = error.failed_host() {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.entry(host.to_owned()).or_insert_with(|| error_chain::with_root(&error));
        }
        error
    }

    pub(super) fn protocol(&self, what: &str, why: impl Into<String>) -> RegistryError {
        let (host, what, why) = (self.name.clone(), what.into(), why.into());
        RegistryError::Protocol { host, what, why }
    }

    /// Returns where an answer points, if cooper goes there.
    pub(super) fn location(&self, answer: &Response, what: &str) -> Result<Url, RegistryError> {
        let header = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let to = header
            .and_then(|location| answer.url().join(location).ok())
            .ok_or_else(|| self.protocol(what, "its answer has no usable `Location`"))?;
        self.check_target(answer.url(), &to)?;
        Ok(to)
    }

    /// Checks a URL that the registry named.
    pub(super) fn check_target(&self, from: &Url, to: &Url) -> Result<(), RegistryError> {
        redirect_policy::check(&self.base(), from, to, &self.options.insecure_http)
    }

    pub(super) fn stalled(&self, url: &Url, what: &str) -> RegistryError {
        let seconds = self.options.idle.as_secs();
        RegistryError::Stalled { host: redirect_policy::host_of(url), what: what.into(), seconds }
    }

    pub(super) fn unreachable(
        &self,
        url: &Url,
        what: &str,
        error: reqwest::Error,
    ) -> RegistryError {
        // A URL may hold a signature.
        let (source, proxy) = (error.without_url(), self.proxy(url));
        RegistryError::Unreachable {
            host: redirect_policy::host_of(url),
            proxy,
            what: what.into(),
            source,
        }
    }

    pub(super) fn proxy(&self, url: &Url) -> Option<String> {
        self.dial.way.as_ref().and_then(|way| way.to(url)).map(str::to_owned)
    }
}

/// The error that an I/O error wraps, which is not among its sources.
pub(super) fn within<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        error = inner;
    }
    error
}
