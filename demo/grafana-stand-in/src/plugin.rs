//! One folder with a `plugin.json`: is it a plugin, and may it be loaded?

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::manifest;
use crate::types::{Folder, Refusal, Signature, TYPES};

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
