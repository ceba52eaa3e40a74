//! A copy that can be repeated. [`args::parse`] reads the command line, [`copy`] copies. It differs from
//! coreutils' cp for sources in a Nix store (read-only modes, links to other store paths) and for pods
//! (a restarted init container finds the copy of its first run).

pub mod args;
mod tree;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use args::Request;

type Result<T> = std::result::Result<T, String>;

/// Returns a function that adds an operation and its path to an error.
fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> String {
    move |error| format!("failed to {operation} `{}`: {error}", path.display())
}

/// Copies the sources of `request` and calls `report` with the message of each error. Returns true if
/// everything was copied.
pub fn copy(request: &Request, report: &mut dyn FnMut(&str)) -> bool {
    let mut complete = true;
    for source in &request.sources {
        let copier = tree::Copier { report, complete: true, temporary: 0, ancestors: Vec::new() };
        let copied = target(source, request)
            .and_then(|target| copier.run(source, &target, request.recursive));
        complete &= copied.inspect_err(|error| report(error)).unwrap_or(false);
    }
    complete
}

/// Returns the path of the copy of `source`: the destination, or a path inside of it.
fn target(source: &Path, request: &Request) -> Result<PathBuf> {
    let destination = &request.destination;
    let alone = request.sources.len() == 1;
    let has_slash = destination.as_os_str().as_bytes().ends_with(b"/");
    if !destination.is_dir() && (!alone || has_slash && !source.is_dir()) {
        return Err(format!("`{}` is not a directory", destination.display()));
    }
    if request.no_target_directory || !destination.is_dir() {
        return Ok(destination.clone());
    }
    // `x/.` and `/` stand for the content of the directory.
    let bytes = source.as_os_str().as_bytes();
    let is_content = bytes == b"." || bytes.ends_with(b"/.");
    match source.file_name() {
        Some(name) if !is_content => {
            let update = alone && source.is_dir() && is_earlier_copy(source, destination)?;
            Ok(if update { destination.clone() } else { destination.join(name) })
        }
        _ => Ok(destination.clone()),
    }
}

/// Returns true if `copy` has a copy of `source`, also of a version with more or fewer files. The
/// directory of a plugin must not get a marker file, so the entries at the top are compared.
fn is_earlier_copy(source: &Path, copy: &Path) -> Result<bool> {
    let (source, copy) = (entries(source)?, entries(copy)?);
    let contains = |outer: &BTreeMap<_, _>, inner: &BTreeMap<OsString, bool>| {
        !inner.is_empty() && inner.iter().all(|(name, is_dir)| outer.get(name) == Some(is_dir))
    };
    Ok(source == copy || contains(&copy, &source) || contains(&source, &copy))
}

/// Returns the names in a directory, with true for directories.
fn entries(directory: &Path) -> Result<BTreeMap<OsString, bool>> {
    fs::read_dir(directory)
        .and_then(|entries| {
            entries.map(|entry| entry.map(|e| (e.file_name(), e.path().is_dir()))).collect()
        })
        .map_err(failed("read", directory))
}
