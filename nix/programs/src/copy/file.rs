//! One file or link, replaced as a whole.
//!
//! It is written under another name beside its place and renamed: an earlier copy that is
//! read-only (as everything from a Nix store is) does not stop it, a planted link is replaced
//! and never written through, and no reader sees half a file.

use std::fs::{self, File, FileTimes, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process;

use super::error::CopyError;

const PERMISSIONS: u32 = 0o777;
const PERMISSIONS_AND_SET_ID: u32 = 0o7777;

/// Names beside the destinations, in the same order on every run: what a killed run left is
/// met, and replaced, by the next.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    used: u64,
}

impl Beside {
    fn next(&mut self, destination: &Path) -> PathBuf {
        self.used += 1;
        destination.with_file_name(format!(".cp-{}-{}", process::id(), self.used))
    }
}

/// Copies the regular file `source` to `destination`.
pub(crate) fn copy(
    source: &Path,
    about: &Metadata,
    destination: &Path,
    preserve: bool,
    beside: &mut Beside,
) -> Result<(), CopyError> {
    refuse_bad_pair(source, about, destination)?;
    let mut reader = File::open(source).map_err(CopyError::io("open", source))?;
    put(destination, beside, |new| {
        let mut writer = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(about.mode() & PERMISSIONS)
            .open(new)
            .map_err(CopyError::io("create", destination))?;
        io::copy(&mut reader, &mut writer).map_err(CopyError::io("write", destination))?;
        if preserve {
            keep_metadata(new, &writer, about)
                .map_err(CopyError::io("keep modes of", destination))?;
        }
        Ok(())
    })
}

/// Makes `destination` a link to where `source` leads.
pub(crate) fn copy_link(
    source: &Path,
    about: &Metadata,
    destination: &Path,
    preserve: bool,
    beside: &mut Beside,
) -> Result<(), CopyError> {
    refuse_bad_pair(source, about, destination)?;
    let target = fs::read_link(source).map_err(CopyError::io("read the link", source))?;
    put(destination, beside, |new| {
        symlink(&target, new).map_err(CopyError::io("create", destination))?;
        if preserve {
            let owned = lchown(new, Some(about.uid()), Some(about.gid()));
            ignore_refusal(owned).map_err(CopyError::io("keep the owner of", destination))?;
        }
        Ok(())
    })
}

/// Gives `path`, open as `handle`, the times, owner and mode of `about`.
pub(crate) fn keep_metadata(path: &Path, handle: &File, about: &Metadata) -> io::Result<()> {
    let owned = chown(path, Some(about.uid()), Some(about.gid()));
    // A set-id bit gives its owner's rights; of another owner it must not.
    let kept = if owned.is_ok() { PERMISSIONS_AND_SET_ID } else { PERMISSIONS };
    ignore_refusal(owned)?;
    let writable = if about.is_dir() { 0o700 } else { 0 };
    handle.set_permissions(fs::Permissions::from_mode(about.mode() & kept | writable))?;
    let times = FileTimes::new().set_accessed(about.accessed()?).set_modified(about.modified()?);
    handle.set_times(times)
}

/// Only root gives files away; for everyone else a copy belongs to who made it, as with cp.
fn ignore_refusal(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

fn refuse_bad_pair(source: &Path, about: &Metadata, destination: &Path) -> Result<(), CopyError> {
    let there = match fs::symlink_metadata(destination) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(CopyError::Io("look at", destination.to_owned(), error)),
    };
    if there.is_dir() {
        return Err(CopyError::OtherOverDirectory(destination.to_owned()));
    }
    if (there.dev(), there.ino()) == (about.dev(), about.ino()) {
        return Err(CopyError::SameFile(source.to_owned(), destination.to_owned()));
    }
    Ok(())
}

fn put(
    destination: &Path,
    beside: &mut Beside,
    make: impl FnOnce(&Path) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let new = beside.next(destination);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(CopyError::Io("create", destination.to_owned(), error));
        }
        _ => {}
    }
    let outcome = make(&new).and_then(|()| {
        fs::rename(&new, destination).map_err(CopyError::io("replace", destination))
    });
    if outcome.is_err() {
        // What matters is the failure itself; the next run meets a leftover anyway.
        let _ = fs::remove_file(&new);
    }
    outcome
}
