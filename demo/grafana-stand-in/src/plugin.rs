//! One folder with a `plugin.json`: is it a plugin, and may it be loaded?

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::discover::Folder;
use crate::manifest;

/// The kinds that Grafana knows.
const TYPES: [&str; 5] = ["app", "datasource", "panel", "renderer", "secretsmanager"];

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
    BadSignature(String, #[source] manifest::ManifestError),
}

/// What is known about a plugin's signature; Grafana's words, but for the one it never says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Signature {
    Unsigned,
    /// The files are those of the manifest; whose the manifest is has not been checked.
    Unchecked,
}

/// A loaded plugin.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) id: String,
    pub(crate) folder: PathBuf,
    pub(crate) signature: Signature,
    /// All of `plugin.json`.
    pub(crate) json: Value,
    /// What works worse than it should.
    pub(crate) warnings: Vec<String>,
}

impl Plugin {
    /// A text in `plugin.json`.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Loads the plugin in `folder`, beside those that are `loaded`.
pub(crate) fn load(
    folder: Folder,
    loaded: &[Plugin],
    allow_unsigned: &[String],
) -> Result<Plugin, Refusal> {
    let file = folder.path.join("plugin.json");
    let bytes = fs::read(&file).map_err(|error| Refusal::Unreadable(file.clone(), error))?;
    let json: Value =
        serde_json::from_slice(&bytes).map_err(|error| Refusal::NotJson(file.clone(), error))?;
    let field = |pointer: &str, name| match json.pointer(pointer).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(Refusal::NoField(file.clone(), name)),
    };
    let id = field("/id", "id")?;
    let kind = field("/type", "type")?;
    let version = field("/info/version", "info.version")?;
    if !TYPES.contains(&kind.as_str()) {
        return Err(Refusal::BadType(file, kind));
    }
    if let Some(first) = loaded.iter().find(|plugin| plugin.id == id) {
        return Err(Refusal::Twice(file, id, first.folder.clone()));
    }
    let files = files_of(&folder.path)?;
    let parent = folder.parent.and_then(|path| loaded.iter().find(|one| one.folder == path));
    let signature = match manifest::check(&folder.path, &id, &version, &files) {
        Ok(Signature::Unsigned) => parent.map_or(Signature::Unsigned, |parent| parent.signature),
        Ok(signed) => signed,
        Err(error) => return Err(Refusal::BadSignature(id, error)),
    };
    if signature == Signature::Unsigned && !allow_unsigned.contains(&id) {
        return Err(Refusal::Unsigned(id));
    }
    let mut warnings = Vec::new();
    if kind != "renderer" && !folder.path.join("module.js").is_file() {
        warnings.push("module.js is missing, so a browser cannot load it".to_owned());
    }
    Ok(Plugin { id, folder: folder.path, signature, json, warnings })
}

/// The plugin's files, as paths below its folder; an error if one of them is elsewhere.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let unreadable = |error| Refusal::Unreadable(path.clone(), error);
        for entry in fs::read_dir(&path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
            if kind.is_symlink() {
                let real = fs::canonicalize(&path)
                    .map_err(|error| Refusal::Unreadable(path.clone(), error))?;
                if !real.starts_with(folder) {
                    return Err(Refusal::LeavesFolder(path));
                }
            }
            if kind.is_dir() {
                open.push(path);
            } else if path.is_file()
                && let Ok(below) = path.strip_prefix(folder)
            {
                files.push(below.to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}
