//! Registry credentials from the files of docker, podman and skopeo.
//!
//! Of several entries the most specific one counts: `host/team/app` before `host/team` before
//! `host`. Keys are compared as docker and podman compare them: without a scheme, and where there
//! was one, or in Docker's file, without the path.
//!
//! A file, an entry or a helper that cannot be used costs nothing but a warning until a registry
//! refuses; then it is part of the error. An entry that cannot be used matters for its own host
//! alone. A file that the user named and that cannot be read is an error.

#[cfg(test)]
mod tests;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use serde_json::value::RawValue;

use super::helper;
use crate::fs;
use crate::progress::Reporter;
use crate::transport::go_json::Object;
use crate::transport::registry::{RegistryError, Secret};

/// The largest file of logins that is read.
const LIMIT: u64 = 1 << 20;
/// The name of Docker Hub in Docker's files, and for credential helpers.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// All names of Docker Hub in keys.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
/// Paths in keys that are of a registry's API and not a namespace.
const API_PATHS: [&str; 5] = ["", "v1", "v1/", "v2", "v2/"];
/// The name of Docker's own file; podman's is `auth.json`.
const DOCKER_FILE: &str = "config.json";

/// Files of logins, in the order in which they are asked.
#[derive(Debug, Clone, Default)]
pub struct CredentialFiles {
    /// A file that has to be there (`REGISTRY_AUTH_FILE`); then the others are not asked.
    required: Option<PathBuf>,
    /// Files that may be there: podman's, then Docker's `config.json`.
    optional: Vec<PathBuf>,
    reporter: Option<Arc<dyn Reporter>>,
    /// The files, entries and helpers that cannot be used.
    failures: Arc<Mutex<BTreeSet<String>>>,
    memory: Arc<Memory>,
}

/// Results that are the same for all requests of a run.
#[derive(Debug, Default)]
struct Memory {
    /// Warnings that were given.
    warned: Mutex<BTreeSet<String>>,
    /// Results of helpers, by helper and server: one that hangs is waited for once.
    helpers: Mutex<BTreeMap<(String, String), HelperResult>>,
}

type HelperResult = Result<Option<Credentials>, String>;

/// The proof of identity that a registry gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transport::registry) enum Credentials {
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token that is exchanged for others.
    Refresh(Secret),
    /// A token that is sent as it is.
    Bearer(Secret),
}

/// The part of a file that cooper reads.
#[derive(Debug)]
pub(in crate::transport::registry) struct ConfigFile {
    auths: BTreeMap<String, Box<RawValue>>,
    store: String,
    helpers: BTreeMap<String, Box<RawValue>>,
}

impl CredentialFiles {
    /// A file that has to be there, or else files that may be there. The reporter gets a warning
    /// for what cannot be used.
    pub fn new(
        required: Option<PathBuf>,
        optional: Vec<PathBuf>,
        reporter: Option<Arc<dyn Reporter>>,
    ) -> Self {
        Self { required, optional, reporter, ..Self::default() }
    }

    /// The same files for another registry, whose errors are not about the failures of this one.
    #[must_use]
    pub fn without_failures(&self) -> Self {
        Self { failures: Arc::default(), ..self.clone() }
    }

    /// Returns the login for a repository; `None` when no file has one that can be used.
    pub(in crate::transport::registry) fn find(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credentials>, RegistryError> {
        if let Some(path) = &self.required {
            let config =
                read(path).map_err(|why| RegistryError::Credentials { path: path.into(), why })?;
            return Ok(self.find_in(&config, path, registry, repository));
        }
        for path in self.optional.iter().filter(|path| path.exists()) {
            let found = match read(path) {
                Ok(config) => self.find_in(&config, path, registry, repository),
                Err(why) => self.unusable(path, &why),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The files, as an error names them, and all that cannot be used.
    pub(in crate::transport::registry) fn shown(&self) -> String {
        let all =
            self.required.iter().chain(self.optional.iter().filter(|_| self.required.is_none()));
        let names: Vec<String> = all.map(|path| format!("`{}`", path.display())).collect();
        let mut shown = if names.is_empty() { "any file".into() } else { names.join(" and ") };
        for failure in &*self.failures.lock().unwrap_or_else(PoisonError::into_inner) {
            shown.push_str("; ");
            shown.push_str(failure);
        }
        shown
    }

    fn find_in(
        &self,
        config: &ConfigFile,
        path: &Path,
        registry: &str,
        repository: &str,
    ) -> Option<Credentials> {
        let is_docker = path.file_name().is_some_and(|name| name == DOCKER_FILE);
        for key in keys(config, registry, repository, is_docker) {
            let mut found = None;
            if let Some(name) = config.helpers.get(key) {
                // An empty name switches `credsStore` off for a registry.
                found = if let Ok(name) = serde_json::from_str::<Option<String>>(name.get()) {
                    self.ask(&name.unwrap_or_default(), key, path, registry)
                } else {
                    self.unusable(path, &format!("`credHelpers` of `{key}` is not a string"))
                };
            }
            if found.is_none()
                && let Some(entry) = config.auths.get(key)
            {
                found = match credentials(entry, key) {
                    Ok(found) => found,
                    Err(why) => self.unusable(path, &why),
                };
            }
            if found.is_some() {
                return found;
            }
            if config.helpers.contains_key(key) {
                return None;
            }
        }
        self.ask(&config.store, registry, path, registry)
    }

    /// Asks a helper, once in a run.
    fn ask(&self, name: &str, key: &str, path: &Path, registry: &str) -> Option<Credentials> {
        if name.is_empty() {
            return None;
        }
        let server = if is_host_key(key, registry) { server(registry) } else { key.to_owned() };
        let place = (name.to_owned(), server);
        let mut helpers = self.memory.helpers.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = helpers.entry(place).or_insert_with_key(|(name, server)| {
            helper::ask(name, server).map_err(|error| error.to_string())
        });
        match answer {
            Ok(found) => found.clone(),
            Err(why) => self.failed(format!("{why} (it is named in `{}`)", path.display())),
        }
    }

    fn unusable<T>(&self, path: &Path, why: &str) -> Option<T> {
        let error = RegistryError::Credentials { path: path.into(), why: why.into() };
        self.failed(error.to_string())
    }

    /// Remembers a failure as the reason why there can be no login.
    fn failed<T>(&self, why: String) -> Option<T> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).insert(why.clone());
        let mut warned = self.memory.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reporter) = self.reporter.as_ref().filter(|_| warned.insert(why.clone())) {
            reporter.warn(&format!("{why}; continuing without this login"));
        }
        None
    }
}

fn read(path: &Path) -> Result<ConfigFile, String> {
    let bytes = fs::read(path, LIMIT).map_err(|error| error.source.to_string())?;
    parse(&bytes)
}

/// Reads such a file. No error quotes it.
pub(in crate::transport::registry) fn parse(bytes: &[u8]) -> Result<ConfigFile, String> {
    let read = || {
        let file = Object::parse(bytes)?;
        Ok(ConfigFile {
            auths: file.map("auths")?,
            store: file.text("credsStore")?,
            helpers: file.map("credHelpers")?,
        })
    };
    read().map_err(|error: crate::transport::go_json::GoJsonError| error.to_string())
}

/// The keys of a file that are for a repository, the most specific first.
fn keys<'a>(
    config: &'a ConfigFile,
    registry: &str,
    repository: &str,
    is_docker: bool,
) -> Vec<&'a str> {
    let full = format!("{registry}/{repository}");
    let all: BTreeSet<&str> =
        config.auths.keys().chain(config.helpers.keys()).map(String::as_str).collect();
    let is_above = |key: &&str| {
        full.strip_prefix(*key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let (mut keys, rest): (Vec<&str>, Vec<&str>) = all.into_iter().partition(is_above);
    keys.sort_by_key(|key| std::cmp::Reverse(key.len()));
    let is_host = |key: &&str| is_host_key(key, registry);
    keys.extend(rest.iter().copied().filter(is_host));
    // Docker takes the login of a namespace for its host.
    let is_namespace = |key: &&str| {
        is_docker
            && !is_host(key)
            && names_registry(key.split('/').next().unwrap_or_default(), registry)
    };
    keys.extend(rest.iter().copied().filter(is_namespace));
    keys
}

/// Returns true if a key stands for a whole registry: a host, or a URL of its API.
fn is_host_key(key: &str, registry: &str) -> bool {
    let host = match key.split_once("://") {
        Some((_, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            authority.rsplit('@').next().unwrap_or_default()
        }
        None => match key.split_once('/') {
            Some((host, path)) if API_PATHS.contains(&path) => host,
            Some(_) => return false,
            None => key,
        },
    };
    names_registry(host, registry)
}

fn names_registry(host: &str, registry: &str) -> bool {
    host == registry || (DOCKER_HUB.contains(&registry) && DOCKER_HUB.contains(&host))
}

fn server(registry: &str) -> String {
    if registry == "docker.io" { DOCKER_HUB_KEY.into() } else { registry.into() }
}

#[cfg(fuzzing)]
impl ConfigFile {
    /// The number of logins that can be used; helpers are not asked.
    pub(in crate::transport::registry) fn usable(&self) -> usize {
        let logins = self.auths.iter().map(|(key, entry)| credentials(entry, key));
        logins.filter(|login| matches!(login, Ok(Some(_)))).count()
    }

    /// The keys for a repository.
    pub(in crate::transport::registry) fn keys(
        &self,
        registry: &str,
        repository: &str,
        is_docker: bool,
    ) -> Vec<&str> {
        keys(self, registry, repository, is_docker)
    }
}

/// The login of an entry; `None` where it has none. `key` is what errors call it.
fn credentials(entry: &RawValue, key: &str) -> Result<Option<Credentials>, String> {
    let entry = Object::from_value(entry, key).map_err(|error| error.to_string())?;
    let text = |name: &str| entry.text(name).map_err(|error| format!("{error} in `{key}`"));
    for (field, token) in [
        ("registrytoken", Credentials::Bearer as fn(Secret) -> Credentials),
        ("identitytoken", Credentials::Refresh),
    ] {
        let secret = text(field)?;
        if !secret.is_empty() {
            return Ok(Some(token(Secret::new(secret))));
        }
    }
    let auth = text("auth")?;
    if !auth.is_empty() {
        let bad = || format!("`auth` of `{key}` is not base64 of `user:password`");
        // Go passes over line breaks. A file that was written by hand can have other spaces around.
        let auth: String = auth.trim().chars().filter(|c| !['\r', '\n'].contains(c)).collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(auth).map_err(|_| bad())?;
        let login = String::from_utf8(bytes).map_err(|_| bad())?;
        let (user, password) = login.split_once(':').ok_or_else(bad)?;
        // Docker pads with NULs.
        return Ok(Some(password_of(user, password.trim_matches('\0'))));
    }
    let (user, password) = (text("username")?, text("password")?);
    Ok((!user.is_empty()).then(|| password_of(&user, &password)))
}

/// By Docker's convention the user `<token>` marks a token that is exchanged for others.
pub(in crate::transport::registry) fn password_of(user: &str, password: &str) -> Credentials {
    match user {
        "<token>" => Credentials::Refresh(Secret::new(password)),
        user => Credentials::Password { user: user.into(), password: Secret::new(password) },
    }
}
