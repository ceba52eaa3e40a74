//! Types that the search for plugins, their check and their manifest share.

use std::io;
use std::path::PathBuf;

use serde::Serialize;

/// The plugin types that Grafana supports.
pub(crate) const TYPES: [&str; 5] = ["app", "datasource", "panel", "renderer", "secretsmanager"];

/// A directory with a `plugin.json`.
#[derive(Debug)]
pub(crate) struct PluginDir {
    /// The path without links; Grafana resolves them before it reads files.
    pub(crate) path: PathBuf,
    /// The plugin that contains this one.
    pub(crate) parent: Option<PathBuf>,
}

/// Reasons not to load a plugin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("cannot read `{0}`")]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("`{0}` is not JSON")]
    NotJson(PathBuf, #[source] serde_json::Error),
    #[error("`{0}`: `{1}` is missing or not a string")]
    NoField(PathBuf, &'static str),
    #[error("`{0}`: unknown type `{1}`; expected one of {types}", types = TYPES.join(", "))]
    BadType(PathBuf, String),
    #[error("`{0}`: the plugin `{1}` is loaded already, from `{2}`")]
    Twice(PathBuf, String, PathBuf),
    #[error(
        "`{0}` is a link out of the plugin's directory, which Grafana refuses; copy the file, or link \
         the whole directory"
    )]
    LinkLeavesDir(PathBuf),
    #[error("`{0}` is unsigned; add `{0}` to GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS to load it")]
    Unsigned(String),
    #[error("the signature of `{0}` is invalid")]
    BadSignature(String, #[source] ManifestError),
}

/// The state of a plugin's signature. The texts are Grafana's, except `unchecked`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Signature {
    Unsigned,
    /// The files match the manifest; the key that signed the manifest was not checked.
    Unchecked,
}

/// Differences between a manifest and its plugin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("MANIFEST.txt cannot be read")]
    Unreadable(#[source] io::Error),
    #[error("MANIFEST.txt is not a signed message")]
    NotSigned,
    #[error("MANIFEST.txt is not the JSON of a manifest")]
    NotJson(#[source] serde_json::Error),
    #[error("MANIFEST.txt is for `{0}` in version `{1}`")]
    OtherPlugin(String, String),
    #[error("`{0}` is in MANIFEST.txt and cannot be read")]
    Missing(String, #[source] io::Error),
    #[error("`{0}` is not the file that was signed")]
    Modified(String),
    #[error("`{0}` is not in MANIFEST.txt")]
    Extra(PathBuf),
}
