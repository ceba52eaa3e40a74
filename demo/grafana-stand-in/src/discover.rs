//! Finds folders with a `plugin.json`, by Grafana's rules.
//!
//! Each folder, or link to one, at the top of the plugins directory is searched to any depth;
//! links are followed, `node_modules` is passed over, and a folder that has a `dist` in it is
//! searched there only. Inside of a plugin, more plugins may lie: they are its children.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::types::{Folder, Refusal};

/// The file that makes a directory a plugin.
pub(crate) const PLUGIN_JSON: &str = "plugin.json";
const DIST: &str = "dist";
const SKIPPED: &str = "node_modules";
/// Links may form a circle; no plugin lies this deep.
const DEEPEST: usize = 32;

/// The plugin folders below `top`, parents before their children.
pub(crate) fn find(top: &Path) -> Vec<Result<Folder, Refusal>> {
    let mut found = Vec::new();
    match sorted(top) {
        Ok(entries) => {
            for entry in entries.into_iter().filter(|entry| entry.is_dir()) {
                search(&entry, None, DEEPEST, &mut found);
            }
        }
        Err(error) => found.push(Err(Refusal::Unreadable(top.to_owned(), error))),
    }
    found
}

fn search(
    folder: &Path,
    parent: Option<&Path>,
    deeper: usize,
    found: &mut Vec<Result<Folder, Refusal>>,
) {
    let refuse = |error| Err(Refusal::Unreadable(folder.to_owned(), error));
    let (path, entries) = match fs::canonicalize(folder).and_then(|path| Ok((sorted(&path)?, path)))
    {
        Ok((entries, path)) => (path, entries),
        Err(error) => return found.push(refuse(error)),
    };
    let named =
        |name: &str| entries.iter().find(|entry| entry.file_name().is_some_and(|own| own == name));
    let Some(deeper) = deeper.checked_sub(1) else {
        return found.push(refuse(io::Error::other("it lies too deep, or in a circle of links")));
    };
    if let Some(dist) = named(DIST).filter(|dist| dist.is_dir()) {
        return search(dist, parent, deeper, found);
    }
    let is_plugin = named(PLUGIN_JSON).is_some();
    if is_plugin {
        found.push(Ok(Folder { path: path.clone(), parent: parent.map(Path::to_owned) }));
    }
    let parent = if is_plugin { Some(parent.unwrap_or(&path)) } else { parent };
    for entry in &entries {
        if entry.is_dir() && entry.file_name().is_some_and(|name| name != SKIPPED) {
            search(entry, parent, deeper, found);
        }
    }
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
