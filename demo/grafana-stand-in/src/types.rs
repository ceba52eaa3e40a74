//! Types that the search for plugins, their check and their manifest share.

use std::io;
use std::path::PathBuf;

use serde::Serialize;

/// The kinds that Grafana knows.
pub(crate) const TYPES: [&str; 5] = ["app", "datasource", "panel", "renderer", "secretsmanager"];

/// A folder that says it is a plugin.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Where it really is, as Grafana resolves links before it looks at files.
    pub(crate) path: PathBuf,
    /// The plugin that it lies in, if it lies in one.
    pub(crate) parent: Option<PathBuf>,
}

/// Why a folder is not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("cannot read `{0}`")]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("`{0}` is not JSON")]
    NotJson(PathBuf, #[source] serde_json::Error),
    #[error("`{0}`: `{1}` is missing or no text")]
    NoField(PathBuf, &'static str),
    #[error("`{0}`: the type `{1}` is none of {types}", types = TYPES.join(", "))]
    BadType(PathBuf, String),
    #[error("`{0}`: the plugin `{1}` is loaded already, from `{2}`")]
    Twice(PathBuf, String, PathBuf),
    #[error(
        "`{0}` is a link out of the plugin's folder; Grafana loads no plugin with such files, so \
         copy them, or link the folder as a whole"
    )]
    LeavesFolder(PathBuf),
    #[error(
        "`{0}` is unsigned; add `{0}` to GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS to load it \
         all the same"
    )]
    Unsigned(String),
    #[error("the signature of `{0}` is no good")]
    BadSignature(String, #[source] ManifestError),
}

/// What is known about a plugin's signature; Grafana's words, but for the one it never says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Signature {
    Unsigned,
    /// The files are those of the manifest; whose the manifest is has not been checked.
    Unchecked,
}

/// Why a manifest does not fit its plugin.
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
