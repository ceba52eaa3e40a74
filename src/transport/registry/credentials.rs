//! Who we are to a registry: the files that docker, podman and skopeo log in to.
//!
//! Of several entries the most specific one counts: `host/team/app` before `host/team` before
//! `host`. A file that was named and cannot be read is an error, never nobody.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde::Deserialize;

use super::{RegistryError, Secret, helper};
use crate::file;

/// Files of logins are short.
const LIMIT: u64 = 1 << 20;
/// What Docker calls its own hub in its files.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// Where logins are kept, in the order in which they are asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CredentialFiles {
    /// A file that has to be there (`REGISTRY_AUTH_FILE`); then the others are not asked.
    pub required: Option<PathBuf>,
    /// Files that may be there: podman's, then Docker's `config.json`.
    pub optional: Vec<PathBuf>,
}

/// What a registry is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token that is exchanged for others.
    Refresh(Secret),
    /// A token that is shown as it is.
    Bearer(Secret),
}

/// What such a file holds, of what cooper reads.
#[derive(Deserialize, Default)]
pub(super) struct ConfigFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credsStore")]
    store: String,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default, rename = "identitytoken")]
    identity_token: String,
    #[serde(default, rename = "registrytoken")]
    registry_token: String,
}

impl CredentialFiles {
    /// Looks for a login; `None` when no file has one.
    pub(super) fn find(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credentials>, RegistryError> {
        let files = match &self.required {
            Some(path) => std::slice::from_ref(path),
            None => &self.optional,
        };
        for path in files {
            if self.required.is_none() && !path.exists() {
                continue;
            }
            if let Some(found) = find_in(path, registry, repository)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The files, as an error names them.
    pub(super) fn shown(&self) -> String {
        let all =
            self.required.iter().chain(self.optional.iter().filter(|_| self.required.is_none()));
        let names: Vec<String> = all.map(|path| format!("`{}`", path.display())).collect();
        if names.is_empty() { "any file".into() } else { names.join(" and ") }
    }
}

fn find_in(
    path: &Path,
    registry: &str,
    repository: &str,
) -> Result<Option<Credentials>, RegistryError> {
    let unusable = |why: String| RegistryError::Credentials { path: path.into(), why };
    let bytes = file::read(path, LIMIT).map_err(|error| unusable(error.source.to_string()))?;
    let config = parse(&bytes).map_err(unusable)?;
    for key in keys(registry, repository) {
        if let Some(name) = config.helpers.get(&key) {
            return helper::ask(name, &key);
        }
        if let Some(entry) = config.auths.get(&key)
            && let Some(found) = entry.credentials(&key).map_err(unusable)?
        {
            return Ok(Some(found));
        }
    }
    match config.store.as_str() {
        "" => Ok(None),
        name => helper::ask(name, &server(registry)),
    }
}

/// Reads such a file. An error has none of `serde_json`'s words: they could quote a secret.
pub(super) fn parse(bytes: &[u8]) -> Result<ConfigFile, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("it is no json of that shape, at line {line} column {column}")
    })
}

/// The names under which a login may be kept, the most specific first.
fn keys(registry: &str, repository: &str) -> Vec<String> {
    let full = format!("{registry}/{repository}");
    let mut keys: Vec<String> = full
        .match_indices('/')
        .map(|(at, _)| full.get(..at).unwrap_or_default().to_owned())
        .chain([full.clone()])
        .collect();
    keys.reverse();
    if registry == "docker.io" {
        keys.extend([DOCKER_HUB_KEY.into(), "index.docker.io".into()]);
    }
    keys.extend([format!("https://{registry}"), format!("https://{registry}/v1/")]);
    keys.extend([format!("https://{registry}/v2/")]);
    keys
}

fn server(registry: &str) -> String {
    if registry == "docker.io" { DOCKER_HUB_KEY.into() } else { registry.into() }
}

#[cfg(fuzzing)]
impl ConfigFile {
    /// How many logins can be used; helpers are not asked.
    pub(super) fn usable(&self) -> usize {
        let logins = self.auths.iter().map(|(key, entry)| entry.credentials(key));
        logins.filter(|login| matches!(login, Ok(Some(_)))).count()
    }
}

impl Entry {
    fn credentials(&self, key: &str) -> Result<Option<Credentials>, String> {
        if !self.registry_token.is_empty() {
            return Ok(Some(Credentials::Bearer(Secret::new(&self.registry_token))));
        }
        if !self.identity_token.is_empty() {
            return Ok(Some(Credentials::Refresh(Secret::new(&self.identity_token))));
        }
        if !self.auth.is_empty() {
            let bad = || format!("`auth` of `{key}` is not base64 of `user:password`");
            let engine = base64::engine::general_purpose::STANDARD;
            let bytes = engine.decode(self.auth.trim()).map_err(|_| bad())?;
            let text = String::from_utf8(bytes).map_err(|_| bad())?;
            // Docker pads with NULs.
            let (user, password) = text.trim_end_matches('\0').split_once(':').ok_or_else(bad)?;
            return Ok(Some(password_of(user, password)));
        }
        let named = !self.username.is_empty();
        Ok(named.then(|| password_of(&self.username, &self.password)))
    }
}

/// By Docker's convention the user `<token>` marks a token that is exchanged for others.
pub(super) fn password_of(user: &str, password: &str) -> Credentials {
    match user {
        "<token>" => Credentials::Refresh(Secret::new(password)),
        user => Credentials::Password { user: user.into(), password: Secret::new(password) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(json: &str) -> (tempfile::TempDir, CredentialFiles) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        crate::file::write_atomically(&path, json.as_bytes()).unwrap();
        (dir, CredentialFiles { required: Some(path), optional: Vec::new() })
    }

    fn user(found: Option<Credentials>) -> Option<String> {
        match found {
            Some(Credentials::Password { user, .. }) => Some(user),
            _ => None,
        }
    }

    #[test]
    fn the_most_specific_of_several_entries_counts() {
        // fault 102; the values are base64 of a:1, b:2 and c:3
        let (_dir, files) = with(
            r#"{"auths":{"r.io":{"auth":"YTox"},"r.io/team":{"auth":"Yjoy"},
                "https://index.docker.io/v1/":{"auth":"Yzoz"}}}"#,
        );
        assert_eq!(user(files.find("r.io", "app").unwrap()).as_deref(), Some("a"));
        assert_eq!(user(files.find("r.io", "team/app").unwrap()).as_deref(), Some("b"));
        assert_eq!(user(files.find("docker.io", "library/x").unwrap()).as_deref(), Some("c"));
        assert_eq!(files.find("r.io.evil.example", "app").unwrap(), None);
    }

    #[test]
    fn a_broken_file_is_an_error_without_a_secret_in_it() {
        // fault 102
        for json in [
            "{",
            r#"{"auths":{"r.io":{"auth":"s3cret!"}}}"#,
            r#"{"auths":{"r.io":{"auth":"czNjcmV0"}}}"#,
            r#"{"auths":"s3cret"}"#,
            r#"{"credHelpers":{"r.io":"../s3cret-helper"}}"#,
        ] {
            let (_dir, files) = with(json);
            let error = files.find("r.io", "app").unwrap_err().to_string();
            assert!(!error.contains("s3cret!") && !error.contains("\"s3cret\""), "{error}");
        }
    }

    #[test]
    fn a_file_that_was_named_must_be_there_and_others_may_be_missing() {
        let missing = PathBuf::from("/nonexistent/auth.json");
        let required = CredentialFiles { required: Some(missing.clone()), optional: Vec::new() };
        assert!(required.find("r.io", "app").is_err());
        let optional = CredentialFiles { required: None, optional: vec![missing] };
        assert_eq!(optional.find("r.io", "app").unwrap(), None);
    }

    #[test]
    fn debugging_a_login_shows_no_password() {
        let shown = format!("{:?}", password_of("user", "s3cret"));
        assert!(shown.contains("user") && !shown.contains("s3cret"), "{shown}");
    }
}
