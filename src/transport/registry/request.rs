//! Requests to a registry: authentication, redirects and further tries.

use std::sync::atomic::Ordering;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, Url};

use super::client::Registry;
use super::net::{redirect_policy, retry};
use super::token::{Ask, Scope, bearer};
use super::{RegistryError, Secret};

/// A redirect more is a loop.
const MOST_HOPS: usize = 10;

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
        if status == StatusCode::UNAUTHORIZED && redirect_policy::is_same_origin(url, &self.base) {
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
            _ if !redirect_policy::is_same_origin(url, &self.base) => None,
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
