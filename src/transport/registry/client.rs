//! One registry: its name, its URL, and the state that all requests share.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::header::LOCATION;
use reqwest::{Response, Url};
use tokio::runtime::Handle;

use super::net::connect::{Dial, speaks_plain};
use super::net::redirect_policy;
use super::token::Known;
use super::{Options, RegistryError};
use crate::transport::http;

/// Where the API of Docker's hub is.
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// A client of one registry. Calls block; inside, many requests run at once.
#[derive(Debug)]
pub struct Registry {
    /// Host and port as references name it.
    pub(super) name: String,
    /// Where its API starts: `https://host/v2/`.
    pub(super) base: Url,
    pub(super) options: Options,
    pub(super) runtime: Handle,
    pub(super) dial: Dial,
    pub(super) known: Known,
    pub(super) requests: AtomicU64,
}

impl Registry {
    /// Finds out how the registry is spoken to. Plain HTTP is for hosts that the user named for
    /// it, and for this machine when nobody speaks TLS there.
    pub fn connect(name: &str, options: Options) -> Result<Arc<Self>, RegistryError> {
        let host = if name == "docker.io" { DOCKER_HUB_API } else { name };
        let url = |scheme| Url::parse(&format!("{scheme}://{host}/v2/"));
        let insecure = options.insecure_http.iter().any(|named| named == name);
        let base = url(if insecure { "http" } else { "https" });
        let base = base.map_err(|error| RegistryError::Client(error.into()))?;
        let dial = Dial::new(name, &base, &options)?;
        let http = dial.to(&base, &options)?;
        let runtime = http::runtime().map_err(|error| RegistryError::Client(error.into()))?;
        let loopback = base.host_str().is_some_and(redirect_policy::is_loopback);
        let plain = loopback && !insecure && runtime.block_on(speaks_plain(&http, &base));
        let base = match plain {
            true => url("http").map_err(|error| RegistryError::Client(error.into()))?,
            false => base,
        };
        Ok(Arc::new(Self {
            name: name.into(),
            base,
            options,
            runtime,
            dial,
            known: Known::default(),
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

    /// A URL of the API.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{path}"));
        url
    }

    pub(super) fn protocol(&self, what: &str, why: impl Into<String>) -> RegistryError {
        let (host, what, why) = (self.name.clone(), what.into(), why.into());
        RegistryError::Protocol { host, what, why }
    }

    /// Where an answer points, if cooper goes there.
    pub(super) fn location(
        &self,
        from: &Url,
        answer: &Response,
        what: &str,
    ) -> Result<Url, RegistryError> {
        let header = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let to = header
            .and_then(|location| from.join(location).ok())
            .ok_or_else(|| self.protocol(what, "its answer has no usable `Location`"))?;
        redirect_policy::check(&self.base, from, &to)?;
        Ok(to)
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
