//! Proving who we are: from a challenge to an `Authorization` header.

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine as _;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::challenge::{self, Challenge};
use super::files::Credentials;
use crate::transport::registry::client::Registry;
use crate::transport::registry::net::redirect_policy;
use crate::transport::registry::{RegistryError, Secret};
use reqwest::header::HeaderMap;

/// Tokens are some kilobytes.
const ANSWER_LIMIT: usize = 1 << 20;

/// What a request may touch; tokens are made for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::transport::registry) struct Scope {
    pub(in crate::transport::registry) repository: String,
    pub(in crate::transport::registry) write: bool,
    /// Another repository that is read on the way, to mount from.
    pub(in crate::transport::registry) also_read: Option<String>,
}

impl Scope {
    pub(in crate::transport::registry) fn new(repository: &str, write: bool) -> Self {
        Self { repository: repository.into(), write, also_read: None }
    }

    fn words(&self) -> Vec<String> {
        let actions = if self.write { "pull,push" } else { "pull" };
        let own = format!("repository:{}:{actions}", self.repository);
        let other = self.also_read.iter().map(|name| format!("repository:{name}:pull"));
        std::iter::once(own).chain(other).collect()
    }
}

/// The length from which a credential is hidden wherever it stands.
const MIN_HIDDEN_LENGTH: usize = 6;

/// `Authorization` headers that worked, by scope.
#[derive(Debug, Default)]
pub(in crate::transport::registry) struct TokenCache(Mutex<BTreeMap<Scope, Secret>>);

impl TokenCache {
    pub(in crate::transport::registry) fn get(&self, scope: &Scope) -> Option<Secret> {
        self.0.lock().ok()?.get(scope).cloned()
    }

    fn put(&self, scope: &Scope, header: &Secret) {
        if let Ok(mut known) = self.0.lock() {
            known.insert(scope.clone(), header.clone());
        }
    }

    /// Returns a server's text without the credentials that were sent: some servers repeat the
    /// headers of a request in their errors.
    pub(in crate::transport::registry) fn hide(&self, text: String) -> String {
        let Ok(known) = self.0.lock() else { return String::new() };
        let secrets = known.values().flat_map(|header| sent(header.reveal()));
        secrets.fold(text, |text, secret| text.replace(&secret, "***"))
    }
}

/// The forms in which a header's credentials can be repeated: the header, its value, and the
/// password in it. Short ones are part of many words, and only the header has them.
fn sent(header: &str) -> Vec<String> {
    let value = header.split_once(' ').map_or(header, |(_, value)| value);
    let engine = base64::engine::general_purpose::STANDARD;
    let login = engine.decode(value).ok().and_then(|login| String::from_utf8(login).ok());
    let password = login.as_deref().and_then(|login| login.split_once(':'));
    let parts = [value, password.map_or("", |(_, password)| password)];
    let long = parts.into_iter().filter(|part| part.len() >= MIN_HIDDEN_LENGTH);
    std::iter::once(header).chain(long).map(str::to_owned).collect()
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registry {
    /// Answers a challenge; the header is kept for the scope.
    pub(in crate::transport::registry) async fn authorize(
        &self,
        headers: &HeaderMap,
        scope: &Scope,
        what: &str,
    ) -> Result<Secret, RegistryError> {
        let challenge = challenge::read(headers).map_err(|why| self.protocol(what, why))?;
        let credentials = self.credentials(&scope.repository)?;
        let header = match (challenge, credentials) {
            (_, Some(Credentials::Bearer(token))) => bearer(&token),
            (Challenge::Basic, Some(Credentials::Password { user, password })) => {
                basic(&user, &password)
            }
            (Challenge::Basic, Some(Credentials::Refresh(_))) => {
                return Err(
                    self.unauthorized(what, "it wants a password, and there is only a token")
                );
            }
            (Challenge::Basic, None) => return Err(self.nobody(what)),
            (Challenge::Bearer { realm, service }, credentials) => {
                let realm = self.realm(&realm, what)?;
                let token = self.token(&realm, service, scope, credentials, what).await?;
                bearer(&token)
            }
        };
        self.known.put(scope, &header);
        Ok(header)
    }

    /// The error for a refusal when there are no credentials at all.
    pub(in crate::transport::registry) fn nobody(&self, what: &str) -> RegistryError {
        let files = self.options.credentials.shown();
        let why = format!("it wants credentials, and there are none for it in {files}");
        self.unauthorized(what, &why)
    }

    pub(in crate::transport::registry) fn unauthorized(
        &self,
        what: &str,
        why: &str,
    ) -> RegistryError {
        RegistryError::Unauthorized {
            registry: self.name.clone(),
            what: what.into(),
            why: why.into(),
        }
    }

    fn credentials(&self, repository: &str) -> Result<Option<Credentials>, RegistryError> {
        self.options.credentials.find(&self.name, repository)
    }

    fn realm(&self, realm: &str, what: &str) -> Result<Url, RegistryError> {
        let url: Url = realm
            .parse()
            .map_err(|_| self.protocol(what, format!("its token realm `{realm}` is no url")))?;
        self.check_target(&self.base(), &url)?;
        Ok(url)
    }

    /// Whether the host that makes tokens may see credentials.
    fn is_trusted(&self, realm: &Url) -> bool {
        let base = self.base();
        let registry = base.host_str().unwrap_or_default();
        let host = realm.host_str().unwrap_or_default();
        let named = |name: &String| *name == host || *name == redirect_policy::host_of(realm);
        host == registry
            || shares_domain(registry, host)
            || self.options.token_hosts.iter().any(named)
    }

    async fn token(
        &self,
        realm: &Url,
        service: Option<String>,
        scope: &Scope,
        credentials: Option<Credentials>,
        what: &str,
    ) -> Result<Secret, RegistryError> {
        if credentials.is_some() && !self.is_trusted(realm) {
            let why = "it makes tokens on a host of another domain, which gets no credentials \
                       unless `--token-host` names it";
            return Err(RegistryError::Redirect {
                registry: self.name.clone(),
                target: redirect_policy::shown(realm),
                why,
            });
        }
        let had_credentials = credentials.is_some();
        let request = ask(realm, service, scope, credentials);
        let answer = self.ask_realm(&request, what).await?;
        let status = answer.status();
        if matches!(status.as_u16(), 400 | 401 | 403) {
            return Err(match had_credentials {
                true => {
                    self.unauthorized(what, "it does not take the credentials that it was given")
                }
                false => self.nobody(what),
            });
        }
        // The host that refuses is named, which may be another one than the registry.
        let what = format!("give a token to {what}");
        if !status.is_success() {
            return Err(self.give_up(self.refusal(answer, &what).await));
        }
        let bytes = self.body(answer, ANSWER_LIMIT, &what).await?;
        read_answer(&bytes).ok_or_else(|| RegistryError::Protocol {
            host: redirect_policy::host_of(realm),
            what,
            why: "there is no token in its answer".into(),
        })
    }
}

/// The token that a realm gave, if it did.
pub(in crate::transport::registry) fn read_answer(bytes: &[u8]) -> Option<Secret> {
    let answer: TokenAnswer = serde_json::from_slice(bytes).ok()?;
    let mut tokens = [answer.token, answer.access_token].into_iter().flatten();
    tokens.find(|token| !token.is_empty()).map(Secret::new)
}

/// How a realm is asked: with a form where there is a refresh token, by its URL otherwise.
fn ask(
    realm: &Url,
    service: Option<String>,
    scope: &Scope,
    credentials: Option<Credentials>,
) -> TokenRequest {
    let mut fields: Vec<(&str, String)> =
        service.map(|service| ("service", service)).into_iter().collect();
    match credentials {
        Some(Credentials::Refresh(token)) => {
            fields.push(("scope", scope.words().join(" ")));
            fields.push(("client_id", "cooper".into()));
            fields.push(("grant_type", "refresh_token".into()));
            fields.push(("refresh_token", token.reveal().into()));
            TokenRequest {
                method: Method::POST,
                url: realm.clone(),
                form: Some(form(&fields)),
                header: None,
            }
        }
        other => {
            fields.extend(scope.words().into_iter().map(|word| ("scope", word)));
            fields.push(("client_id", "cooper".into()));
            let mut url = realm.clone();
            url.query_pairs_mut().extend_pairs(&fields);
            let header = match other {
                Some(Credentials::Password { user, password }) => Some(basic(&user, &password)),
                _ => None,
            };
            TokenRequest { method: Method::GET, url, form: None, header }
        }
    }
}

/// A request to a token's realm.
#[derive(Debug)]
pub(in crate::transport::registry) struct TokenRequest {
    pub(in crate::transport::registry) method: Method,
    pub(in crate::transport::registry) url: Url,
    pub(in crate::transport::registry) form: Option<String>,
    pub(in crate::transport::registry) header: Option<Secret>,
}

/// URL-encodes fields as a form.
fn form(fields: &[(&str, String)]) -> String {
    // A URL's query and a form are written alike.
    let Ok(mut url) = Url::parse("http://form/") else { return String::new() };
    url.query_pairs_mut().extend_pairs(fields);
    url.query().unwrap_or_default().to_owned()
}

pub(in crate::transport::registry) fn bearer(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.reveal()))
}

fn basic(user: &str, password: &Secret) -> Secret {
    let engine = base64::engine::general_purpose::STANDARD;
    Secret::new(format!("Basic {}", engine.encode(format!("{user}:{}", password.reveal()))))
}

/// Whether two hosts are siblings, or one is the other's parent: `registry.example.org` and
/// `auth.example.org`. Two parts are the least that a shared domain has, and `co.uk` and its
/// like are none.
fn shares_domain(registry: &str, host: &str) -> bool {
    if registry.parse::<std::net::IpAddr>().is_ok() || registry.starts_with('[') {
        return false;
    }
    let parent = match registry.split_once('.') {
        Some((_, parent)) if parent.contains('.') => parent,
        _ => registry,
    };
    let public = matches!(parent.split('.').collect::<Vec<_>>().as_slice(),
        [second, top] if second.len() <= 3 && top.len() == 2);
    let parent = if public || !parent.contains('.') { registry } else { parent };
    host == parent || host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_to_hosts_of_the_registrys_own_domain() {
        // fault 91
        for (registry, host, good) in [
            ("registry-1.docker.io", "auth.docker.io", true),
            ("registry.gitlab.com", "gitlab.com", true),
            ("quay.io", "auth.quay.io", true),
            ("quay.io", "evil.io", false),
            ("registry.example.org", "evil.org", false),
            ("registry.example.org", "evilexample.org", false),
            ("registry.co.uk", "evil.co.uk", false),
            ("10.0.0.1", "9.0.0.1", false),
            ("localhost", "evil.localhost", true),
        ] {
            assert_eq!(shares_domain(registry, host), good, "{registry} {host}");
        }
    }

    #[test]
    fn a_scope_names_what_is_read_and_written() {
        let mut scope = Scope::new("team/app", true);
        scope.also_read = Some("team/base".into());
        assert_eq!(scope.words(), ["repository:team/app:pull,push", "repository:team/base:pull"]);
    }

    #[test]
    fn token_is_the_first_field_that_is_not_empty() {
        for (answer, token) in [
            (r#"{"token":"a","access_token":"b"}"#, Some("a")),
            (r#"{"token":"","access_token":"b"}"#, Some("b")),
            (r#"{"token":null,"access_token":"b"}"#, Some("b")),
            (r#"{"access_token":""}"#, None),
            ("{}", None),
            ("no json", None),
        ] {
            let found = read_answer(answer.as_bytes());
            assert_eq!(found.as_ref().map(Secret::reveal), token, "{answer}");
        }
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!(form(&[("a", "b c&d".into())]), "a=b+c%26d");
    }
}
