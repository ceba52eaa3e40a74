//! Where a source lands: under the destination's name, or inside of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::args::Request;
use super::error::CopyError;

/// The path that `source` is copied to.
///
/// # Errors
///
/// When the destination would have to be a directory and is none, or cannot be read.
pub fn landing(source: &Path, request: &Request) -> Result<PathBuf, CopyError> {
    let destination = &request.destination;
    if request.options.no_target_directory {
        return Ok(destination.clone());
    }
    let alone = request.sources.len() == 1;
    if !destination.is_dir() {
        let must_be = !alone || (has_trailing_slash(destination) && !source.is_dir());
        return if must_be {
            Err(CopyError::NoSuchDirectory(destination.clone()))
        } else {
            Ok(destination.clone())
        };
    }
    let Some(name) = own_name(source) else {
        return Ok(destination.clone());
    };
    if alone && source.is_dir() && is_earlier_copy(source, destination)? {
        return Ok(destination.clone());
    }
    Ok(destination.join(name))
}

fn has_trailing_slash(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/")
}

/// The name that a source keeps inside of a directory; `x/.` and `/` have none, as what they
/// stand for is what they hold.
fn own_name(source: &Path) -> Option<OsString> {
    let bytes = source.as_os_str().as_bytes();
    if bytes == b"." || bytes.ends_with(b"/.") {
        return None;
    }
    source.file_name().map(ToOwned::to_owned)
}

/// Whether `destination` holds an earlier copy of `source`, perhaps of a version with some
/// files more or less. No mark tells, since a plugin's folder is not ours to leave marks in.
fn is_earlier_copy(source: &Path, destination: &Path) -> Result<bool, CopyError> {
    let ours = top(source)?;
    let theirs = top(destination)?;
    let contains = |outer: &BTreeMap<OsString, bool>, inner: &BTreeMap<OsString, bool>| {
        !inner.is_empty() && inner.iter().all(|(name, kind)| outer.get(name) == Some(kind))
    };
    let nothing_at_all = ours.is_empty() && theirs.is_empty();
    Ok(nothing_at_all || contains(&theirs, &ours) || contains(&ours, &theirs))
}

/// The names at the top of a directory, and whether each is a directory itself.
fn top(directory: &Path) -> Result<BTreeMap<OsString, bool>, CopyError> {
    let listed = fs::read_dir(directory).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| (entry.file_name(), entry.path().is_dir()))).collect()
    });
    listed.map_err(CopyError::io("read", directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_ends_in_a_dot_stands_for_what_it_holds() {
        for path in [".", "/plugin/.", "./.", "/"] {
            assert_eq!(own_name(Path::new(path)), None, "{path}");
        }
        for path in ["/plugin", "/plugin/", "a/plugin", "./plugin//"] {
            assert_eq!(own_name(Path::new(path)), Some("plugin".into()), "{path}");
        }
    }
}
