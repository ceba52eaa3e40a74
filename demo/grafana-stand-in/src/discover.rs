//! Finds directories with a `plugin.json`, by Grafana's rules.
//!
//! Each directory, or link to one, at the top of the plugins directory is searched recursively.
//! Links are followed and `node_modules` is skipped. In a directory that has a `dist`, only `dist`
//! is searched. A plugin inside another plugin is its child.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::types::{PluginDir, Refusal};

/// The file that makes a directory a plugin.
pub(crate) const PLUGIN_JSON: &str = "plugin.json";
const DIST: &str = "dist";
const SKIPPED: &str = "node_modules";
/// Bounds the search, because links can form a loop.
const MAX_DEPTH: usize = 32;

/// Returns the plugin directories below `top`, parents before their children.
pub(crate) fn find(top: &Path) -> Vec<Result<PluginDir, Refusal>> {
    let mut found = Vec::new();
    match sorted(top) {
        Ok(entries) => {
            for entry in entries.into_iter().filter(|entry| entry.is_dir()) {
                search(&entry, None, MAX_DEPTH, &mut found);
            }
        }
        Err(error) => found.push(Err(Refusal::Unreadable(top.to_owned(), error))),
    }
    found
}

fn search(
    dir: &Path,
    parent: Option<&Path>,
    deeper: usize,
    found: &mut Vec<Result<PluginDir, Refusal>>,
) {
    let refuse = |error| Err(Refusal::Unreadable(dir.to_owned(), error));
    let (path, entries) = match fs::canonicalize(dir).and_then(|path| Ok((sorted(&path)?, path))) {
        Ok((entries, path)) => (path, entries),
        Err(error) => return found.push(refuse(error)),
    };
    let named =
        |name: &str| entries.iter().find(|entry| entry.file_name().is_some_and(|own| own == name));
    let Some(deeper) = deeper.checked_sub(1) else {
        return found.push(refuse(io::Error::other("too many levels of directories or links")));
    };
    if let Some(dist) = named(DIST).filter(|dist| dist.is_dir()) {
        return search(dist, parent, deeper, found);
    }
    let is_plugin = named(PLUGIN_JSON).is_some();
    if is_plugin {
        found.push(Ok(PluginDir { path: path.clone(), parent: parent.map(Path::to_owned) }));
    }
    let parent = if is_plugin { Some(parent.unwrap_or(&path)) } else { parent };
    for entry in &entries {
        if entry.is_dir() && entry.file_name().is_some_and(|name| name != SKIPPED) {
            search(entry, parent, deeper, found);
        }
    }
}

fn sorted(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
