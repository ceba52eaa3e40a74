//! Loads a plugin from its directory, or refuses it, by Grafana's rules.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::manifest;
use crate::types::{PluginDir, Refusal, Signature, TYPES};

/// A loaded plugin.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) id: String,
    pub(crate) dir: PathBuf,
    pub(crate) signature: Signature,
    /// All of `plugin.json`.
    pub(crate) json: Value,
    /// Problems that do not prevent loading.
    pub(crate) warnings: Vec<String>,
}

impl Plugin {
    /// Returns a string of `plugin.json`, or the empty text.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Loads the plugin in `dir`; `loaded` has the plugins that were loaded before.
pub(crate) fn load(
    dir: PluginDir,
    loaded: &[Plugin],
    allow_unsigned: &[String],
) -> Result<Plugin, Refusal> {
    let file = dir.path.join("plugin.json");
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
        return Err(Refusal::Twice(file, id, first.dir.clone()));
    }
    let files = files_of(&dir.path)?;
    let parent = dir.parent.and_then(|path| loaded.iter().find(|one| one.dir == path));
    let signature = match manifest::check(&dir.path, &id, &version, &files) {
        Ok(Signature::Unsigned) => parent.map_or(Signature::Unsigned, |parent| parent.signature),
        Ok(signed) => signed,
        Err(error) => return Err(Refusal::BadSignature(id, error)),
    };
    if signature == Signature::Unsigned && !allow_unsigned.contains(&id) {
        return Err(Refusal::Unsigned(id));
    }
    let mut warnings = Vec::new();
    if kind != "renderer" && !dir.path.join("module.js").is_file() {
        warnings.push("module.js is missing; browsers cannot load the plugin".to_owned());
    }
    Ok(Plugin { id, dir: dir.path, signature, json, warnings })
}

/// Returns the plugin's files as paths relative to `dir`. A link that leaves `dir` is an error.
fn files_of(dir: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(path) = open.pop() {
        let unreadable = |error| Refusal::Unreadable(path.clone(), error);
        for entry in fs::read_dir(&path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
            if kind.is_symlink() {
                let real = fs::canonicalize(&path)
                    .map_err(|error| Refusal::Unreadable(path.clone(), error))?;
                if !real.starts_with(dir) {
                    return Err(Refusal::LinkLeavesDir(path));
                }
            }
            if kind.is_dir() {
                open.push(path);
            } else if path.is_file()
                && let Ok(below) = path.strip_prefix(dir)
            {
                files.push(below.to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}
