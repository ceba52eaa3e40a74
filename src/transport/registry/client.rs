//! One registry, spoken to: requests, proofs of who we are, redirects and second tries.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, Url};
use tokio::runtime::Handle;

use super::dial::{Dial, speaks_plain};
use super::token::{Ask, Known, Scope, bearer};
use super::{Options, RegistryError, Secret, guard, retry};
use crate::transport::http;

/// A redirect more is a loop.
const MOST_HOPS: usize = 10;
/// A registry's words about an error.
const WORDS_LIMIT: usize = 64 << 10;
const WORDS_SHOWN: usize = 300;
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
    dial: Dial,
    pub(super) known: Known,
    requests: AtomicU64,
}

/// A request that may be sent again.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) scope: &'a Scope,
    /// What it is for, after "to": `read the manifest of x:latest`.
    pub(super) what: &'a str,
}

impl<'a> Request<'a> {
    pub(super) fn new(method: Method, url: Url, scope: &'a Scope, what: &'a str) -> Self {
        Self { method, url, headers: Vec::new(), body: None, scope, what }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
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
        let loopback = base.host_str().is_some_and(guard::is_loopback);
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

    /// Sends a request until it has an answer: with a token if one is wanted, to where a
    /// redirect leads, again after what may pass.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Response, RegistryError> {
        let mut url = request.url.clone();
        let (mut tried, mut hops, mut proved) = (0, 0, false);
        loop {
            let outcome = self.once(request, &url).await;
            let pause = match outcome {
                Ok(answer) => match self.next(request, &url, &answer, &mut proved).await? {
                    Next::Again => continue,
                    Next::Elsewhere(to) => {
                        hops += 1;
                        if hops > MOST_HOPS {
                            let why = format!("it sent cooper on more than {MOST_HOPS} times");
                            return Err(self.protocol(request.what, why));
                        }
                        url = to;
                        continue;
                    }
                    Next::Later if tried < self.options.retries => {
                        retry::pause(tried, Some(answer.headers()))
                    }
                    Next::Done | Next::Later => return Ok(answer),
                },
                Err(error) if error.is_final() => return Err(error),
                Err(_) if tried < self.options.retries => retry::pause(tried, None),
                Err(error) => return Err(error),
            };
            tried += 1;
            tokio::time::sleep(pause).await;
        }
    }

    async fn next(
        &self,
        request: &Request<'_>,
        url: &Url,
        answer: &Response,
        proved: &mut bool,
    ) -> Result<Next, RegistryError> {
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED && guard::is_same_origin(url, &self.base) {
            if *proved {
                return Err(self.refused_proof(request.scope, request.what));
            }
            *proved = true;
            self.prove(answer, request.scope, request.what).await?;
            return Ok(Next::Again);
        }
        let follows = [Method::GET, Method::HEAD].contains(&request.method);
        if status.is_redirection() && follows {
            return self.location(url, answer, request.what).map(Next::Elsewhere);
        }
        Ok(if retry::may_pass(status) { Next::Later } else { Next::Done })
    }

    /// Gets a token that answers a 401.
    pub(super) async fn prove(
        &self,
        answer: &Response,
        scope: &Scope,
        what: &str,
    ) -> Result<(), RegistryError> {
        if self.options.token.is_some() {
            return Err(self.unauthorized(what, "it does not take the token that was given"));
        }
        self.authorize(answer.headers(), scope, what).await.map(drop)
    }

    /// The error for a 401 in spite of a fresh token.
    pub(super) fn refused_proof(&self, scope: &Scope, what: &str) -> RegistryError {
        match self.options.credentials.find(&self.name, &scope.repository) {
            Ok(Some(_)) => {
                let files = self.options.credentials.shown();
                let why = format!("it does not take the credentials from {files}");
                self.unauthorized(what, &why)
            }
            _ => self.nobody(what),
        }
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
        guard::check(&self.base, from, &to)?;
        Ok(to)
    }

    /// One try, without a second one.
    async fn once(&self, request: &Request<'_>, url: &Url) -> Result<Response, RegistryError> {
        let mut builder = self.builder(request.method.clone(), url, request.scope)?;
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        self.timed(builder.send(), url, request.what).await
    }

    /// A request with proof of who we are, if it goes to the registry itself.
    fn builder(
        &self,
        method: Method,
        url: &Url,
        scope: &Scope,
    ) -> Result<RequestBuilder, RegistryError> {
        let builder = self.dial.to(url, &self.options)?.request(method, url.clone());
        self.requests.fetch_add(1, Ordering::Relaxed);
        let proof = match &self.options.token {
            _ if !guard::is_same_origin(url, &self.base) => None,
            Some(token) => Some(bearer(token)),
            None => self.known.get(scope),
        };
        Ok(match proof.as_ref().and_then(sensitive) {
            Some(value) => builder.header(AUTHORIZATION, value),
            None => builder,
        })
    }

    /// A request whose body can be sent only once.
    pub(super) fn streamed(
        &self,
        method: Method,
        url: &Url,
        scope: &Scope,
        body: Body,
    ) -> Result<RequestBuilder, RegistryError> {
        let builder = self.builder(method, url, scope)?;
        Ok(builder.header(CONTENT_TYPE, "application/octet-stream").body(body))
    }

    /// Waits for an answer as long as silence is borne.
    pub(super) async fn timed<T>(
        &self,
        future: impl Future<Output = reqwest::Result<T>>,
        url: &Url,
        what: &str,
    ) -> Result<T, RegistryError> {
        match tokio::time::timeout(self.options.idle, future).await {
            Ok(result) => result.map_err(|error| self.unreachable(url, what, error)),
            Err(_) => Err(self.stalled(url, what)),
        }
    }

    pub(super) fn stalled(&self, url: &Url, what: &str) -> RegistryError {
        let seconds = self.options.idle.as_secs();
        RegistryError::Stalled { host: guard::host_of(url), what: what.into(), seconds }
    }

    pub(super) fn unreachable(
        &self,
        url: &Url,
        what: &str,
        error: reqwest::Error,
    ) -> RegistryError {
        // A URL may hold a signature.
        let (source, proxy) = (error.without_url(), self.proxy(url));
        RegistryError::Unreachable { host: guard::host_of(url), proxy, what: what.into(), source }
    }

    fn proxy(&self, url: &Url) -> Option<String> {
        self.dial.way.as_ref().and_then(|way| way.to(url)).map(str::to_owned)
    }

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
        let (status, host) = (answer.status().as_u16(), guard::host_of(answer.url()));
        // Within TLS only the registry itself can answer.
        let proxy = self.proxy(answer.url()).filter(|_| answer.url().scheme() == "http");
        let bytes = self.body(answer, WORDS_LIMIT, what).await.unwrap_or_default();
        let message = words(&bytes);
        RegistryError::Refused { host, proxy, what: what.into(), status, message }
    }

    /// Asks where tokens are made. What is asked holds credentials and follows no redirect.
    pub(super) async fn ask_realm(
        &self,
        ask: &Ask,
        what: &str,
        limit: usize,
    ) -> Result<(StatusCode, Vec<u8>), RegistryError> {
        let mut tried = 0;
        loop {
            self.requests.fetch_add(1, Ordering::Relaxed);
            let http = self.dial.to(&ask.url, &self.options)?;
            let mut builder = http.request(ask.method.clone(), ask.url.clone());
            if let Some(value) = ask.header.as_ref().and_then(sensitive) {
                builder = builder.header(AUTHORIZATION, value);
            }
            if let Some(form) = &ask.form {
                builder = builder
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.clone());
            }
            let outcome = self.timed(builder.send(), &ask.url, what).await;
            let last = tried >= self.options.retries;
            let pause = match outcome {
                Ok(answer) if last || !retry::may_pass(answer.status()) => {
                    let status = answer.status();
                    return Ok((status, self.body(answer, limit, what).await?));
                }
                Ok(answer) => retry::pause(tried, Some(answer.headers())),
                Err(error) if last || error.is_final() => return Err(error),
                Err(_) => retry::pause(tried, None),
            };
            tried += 1;
            tokio::time::sleep(pause).await;
        }
    }
}

/// What to do about an answer.
enum Next {
    Done,
    Again,
    Elsewhere(Url),
    Later,
}

/// A header value that no log shows.
fn sensitive(secret: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(secret.reveal()).ok()?;
    value.set_sensitive(true);
    Some(value)
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

/// The error that an I/O error wraps, which is not among its sources.
pub(super) fn within<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        error = inner;
    }
    error
}
