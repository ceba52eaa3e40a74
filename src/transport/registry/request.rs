//! Requests to a registry: authentication, redirects and further tries.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, Url};

use super::auth::token::{Scope, TokenRequest, bearer};
use super::chunk_reader::{self, BodyProgress};
use super::client::Registry;
use super::net::redirect_policy;
use super::net::retry::{self, RateWatch, Tries};
use super::{RegistryError, Secret};
use crate::error_chain;

/// The interval between two looks at the progress of a body.
const GLANCE: Duration = Duration::from_millis(250);
/// Idle timeouts that a registry has to hash what it received, before it answers.
const HASHING: u32 = 4;
/// More redirects than this count as a loop.
const MOST_HOPS: usize = 10;

/// A request that may be sent again.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) scope: &'a Scope,
    /// True if an answer only saves bytes: a registry that does not allow the question says
    /// nothing about what it has.
    pub(super) is_optional: bool,
    /// What it is for, after "to": `read the manifest of x:latest`.
    pub(super) what: &'a str,
}

impl<'a> Request<'a> {
    pub(super) fn new(method: Method, url: Url, scope: &'a Scope, what: &'a str) -> Self {
        Self { method, url, headers: Vec::new(), body: None, scope, is_optional: false, what }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }
}

impl Registry {
    /// Sends a request until it has an answer: with a token if one is wanted, to where a
    /// redirect leads, again after what may pass.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Response, RegistryError> {
        self.send_within(request, &mut Tries::new(&self.options)).await
    }

    /// Sends a request that is one of several for the same bytes, which share their tries.
    pub(super) async fn send_within(
        &self,
        request: &Request<'_>,
        tries: &mut Tries,
    ) -> Result<Response, RegistryError> {
        let mut url = request.url.clone();
        let (mut hops, mut proved) = (0, false);
        loop {
            let error = match self.once(request, &mut url).await {
                Err(error) => error,
                Ok(answer) => match self.next(request, &url, &answer, &mut proved).await? {
                    Next::Done => return Ok(answer),
                    Next::Again => continue,
                    Next::Redirect(to) => {
                        hops += 1;
                        if hops > MOST_HOPS {
                            let why = format!("more than {MOST_HOPS} redirects");
                            return Err(self.protocol(request.what, why));
                        }
                        url = to;
                        continue;
                    }
                    Next::Later => {
                        let Some(pause) = tries.pause(Some(answer.headers())) else {
                            return Ok(answer);
                        };
                        let error = self.refusal(answer, request.what).await;
                        self.sleep(pause, tries, &error).await;
                        continue;
                    }
                },
            };
            let pause = if error.is_final() { None } else { tries.pause(None) };
            let Some(pause) = pause else { return Err(self.give_up(error)) };
            self.sleep(pause, tries, &error).await;
        }
    }

    /// Reports a pause before another try with its reason, and lasts as long.
    pub(super) async fn sleep(&self, pause: Duration, tries: &Tries, reason: &RegistryError) {
        let (reason, seconds) = (error_chain::with_root(reason), pause.as_secs_f64());
        self.options.reporter.warn(&format!("{reason}; {} in {seconds:.1} s", tries.shown()));
        tokio::time::sleep(pause).await;
    }

    async fn next(
        &self,
        request: &Request<'_>,
        url: &Url,
        answer: &Response,
        proved: &mut bool,
    ) -> Result<Next, RegistryError> {
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED && redirect_policy::is_same_origin(url, &self.base())
        {
            let result = match std::mem::replace(proved, true) {
                true => Err(self.credentials_rejected(request.scope, request.what)),
                false => self.authenticate(answer, request.scope, request.what).await,
            };
            return match result {
                Err(RegistryError::Unauthorized { .. } | RegistryError::Protocol { .. })
                    if request.is_optional =>
                {
                    Ok(Next::Done)
                }
                result => result.map(|()| Next::Again),
            };
        }
        let follows = [Method::GET, Method::HEAD].contains(&request.method);
        if status.is_redirection() && follows {
            return self.location(answer, request.what).map(Next::Redirect);
        }
        Ok(if retry::is_retryable(status) { Next::Later } else { Next::Done })
    }

    /// Gets a token that answers a 401.
    pub(super) async fn authenticate(
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
    pub(super) fn credentials_rejected(&self, scope: &Scope, what: &str) -> RegistryError {
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
    async fn once(&self, request: &Request<'_>, url: &mut Url) -> Result<Response, RegistryError> {
        self.check_failed(url, request.what)?;
        *url = self.settled(url.clone(), request.what).await?;
        let mut builder = self.builder(request.method.clone(), url, request.scope)?;
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let Some(bytes) = &request.body else {
            return self.timed(builder.send(), url, request.what).await;
        };
        let (body, progress) = chunk_reader::body_of(bytes);
        let builder = builder.header(CONTENT_LENGTH, bytes.len()).body(body);
        self.watched(builder, url, request.what, &progress, |_| ()).await
    }

    /// Sends a request with a large body. While the body moves the least rate counts, before and
    /// after it the idle timeout. Time in which this side has nothing to send does not count.
    pub(super) async fn watched(
        &self,
        request: RequestBuilder,
        url: &Url,
        what: &str,
        progress: &BodyProgress,
        advance: impl Fn(u64),
    ) -> Result<Response, RegistryError> {
        let mut answer = std::pin::pin!(request.send());
        let mut rate = RateWatch::new(self.options.idle);
        let (mut seen, mut moved_at, mut looked_at) = (0, Instant::now(), Instant::now());
        loop {
            let answered = tokio::time::timeout(GLANCE, &mut answer).await;
            let waited = looked_at.elapsed();
            looked_at = Instant::now();
            let moved = progress.sent() - seen;
            if moved > 0 {
                advance(moved);
                seen += moved;
            }
            if moved > 0 || progress.is_waiting() {
                moved_at = Instant::now();
            }
            if let Ok(answered) = answered {
                return answered.map_err(|error| self.unreachable(url, what, error));
            }
            let is_sent = seen >= progress.size();
            let patience = if is_sent { HASHING } else { 1 };
            if moved_at.elapsed() >= self.options.idle * patience {
                return Err(self.stalled(url, what));
            }
            if !is_sent && !progress.is_waiting() && rate.is_too_slow(waited, moved) {
                return Err(RegistryError::too_slow(url, what, &rate));
            }
        }
    }

    /// A request with credentials, if it goes to the registry itself.
    fn builder(
        &self,
        method: Method,
        url: &Url,
        scope: &Scope,
    ) -> Result<RequestBuilder, RegistryError> {
        let builder = self.dial.to(url, &self.options)?.request(method, url.clone());
        self.requests.fetch_add(1, Ordering::Relaxed);
        let proof = match &self.options.token {
            _ if !redirect_policy::is_same_origin(url, &self.base()) => None,
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

    /// Requests a token. The request holds credentials and follows no redirect.
    pub(super) async fn ask_realm(
        &self,
        ask: &TokenRequest,
        what: &str,
    ) -> Result<Response, RegistryError> {
        let mut tries = Tries::new(&self.options);
        loop {
            self.check_failed(&ask.url, what)?;
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
            let (pause, error) = match self.timed(builder.send(), &ask.url, what).await {
                Ok(answer) if !retry::is_retryable(answer.status()) => return Ok(answer),
                Ok(answer) => match tries.pause(Some(answer.headers())) {
                    Some(pause) => (pause, self.refusal(answer, what).await),
                    None => return Ok(answer),
                },
                Err(error) => match if error.is_final() { None } else { tries.pause(None) } {
                    Some(pause) => (pause, error),
                    None => return Err(self.give_up(error)),
                },
            };
            self.sleep(pause, &tries, &error).await;
        }
    }
}

/// What to do about an answer.
enum Next {
    Done,
    Again,
    Redirect(Url),
    Later,
}

/// A header value that no log shows.
fn sensitive(secret: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(secret.reveal()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
