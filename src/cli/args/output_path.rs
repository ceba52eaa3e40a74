//! Where results go, and what no result may go to.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::{location, spec_input};
use crate::cli::commands::build::Format;
use crate::cli::ui::failure::Failure;
use crate::cli::ui::output::is_stdout;
use crate::fs::{Context, FdPath, FileOp};
use crate::spec::Spec;
use crate::store_path::StorePath;
use crate::transport::layout;

/// Refuses a path that a result of this format cannot have, before any work is done.
pub(in crate::cli) fn check_output(path: &Path, format: Format) -> Result<(), Failure> {
    if format == Format::Archive {
        refuse_terminal(path, "an archive")?;
    }
    let checked = match format {
        Format::Archive if is_stdout(path) => check_stdout(),
        Format::Layout if is_stdout(path) => {
            Err(Failure::input("a layout is a folder and cannot go to standard output")
                .hint("leave out `--format layout`, or name a folder with `-o`"))
        }
        Format::Archive if path.is_dir() || looks_like_a_folder(path) => Err(Failure::input(
            format!("`{}` is a folder, and an archive is a file", path.display()),
        )
        .hint("name a file in it; a folder is what a layout is written into")),
        Format::Archive if location::is_named_as_compressed(path) => Err(Failure::input(format!(
            "`{}` is named as a compressed archive, and an archive is a plain tar",
            path.display()
        ))
        .hint("name it `.tar`; what is compressed are the layers in it")),
        Format::Archive => check_name(path),
        Format::Layout => Ok(layout::check(path)?),
    };
    checked?;
    match is_stdout(path) {
        true => Ok(()),
        false => refuse_store(path),
    }
}

/// The temporary file has another name, so what is wrong with this one would show at the end.
fn check_name(path: &Path) -> Result<(), Failure> {
    match std::fs::symlink_metadata(path).context(FileOp::Write, path) {
        Err(error) if error.source.kind() == io::ErrorKind::InvalidFilename => {
            Err(Failure::input(error))
        }
        Err(error) if error.source.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn looks_like_a_folder(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.ends_with(b"/") || bytes.ends_with(b"/.")
}

/// What nobody reads by eye is no data for a terminal.
pub(in crate::cli) fn refuse_terminal(path: &Path, what: &str) -> Result<(), Failure> {
    match leads_to_terminal(path) {
        true => Err(Failure::input(format!("refusing to write {what} to a terminal"))
            .hint("name a file with `-o`, or pipe it to who reads it")),
        false => Ok(()),
    }
}

fn leads_to_terminal(path: &Path) -> bool {
    if is_stdout(path) {
        return io::stdout().is_terminal();
    }
    if FdPath::at(path) == Some(FdPath::Stderr) {
        return io::stderr().is_terminal();
    }
    // Nothing else is opened, as that may wait or do something.
    if !std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_char_device()) {
        return false;
    }
    let flags = i32::try_from((OFlags::NOCTTY | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let opened = File::options().write(true).custom_flags(flags).open(path);
    opened.is_ok_and(|file| file.is_terminal())
}

/// Where standard output is closed, Rust opens the null device for reading and writing in its
/// place, and an archive would be gone without a word. Shells open it for writing only.
fn check_stdout() -> Result<(), Failure> {
    let Ok(stdout) = io::stdout().as_fd().try_clone_to_owned().map(File::from) else {
        return Ok(());
    };
    let rdev = |meta: io::Result<std::fs::Metadata>| {
        meta.ok().filter(|meta| meta.file_type().is_char_device()).map(|meta| meta.rdev())
    };
    let null = rdev(std::fs::metadata("/dev/null"));
    let is_null = null.is_some() && rdev(stdout.metadata()) == null;
    let flags = rustix::fs::fcntl_getfl(&stdout);
    match is_null && flags.is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR) {
        true => Err(Failure::environment("it is closed")
            .during("failed to write to standard output".into())
            .hint("`-o /dev/null` is for what nobody is to read")),
        false => Ok(()),
    }
}

/// Refuses to write into what is in a Nix store: root may, and a finished store path would then be
/// another one.
pub(in crate::cli) fn refuse_store(path: &Path) -> Result<(), Failure> {
    let target = resolved(path);
    let folder = target.ancestors().skip(1).find(|dir| dir.exists());
    let Some(folder) = folder else { return Ok(()) };
    let is_of_store = folder.to_str().is_some_and(|folder| StorePath::parse_prefix(folder).is_ok());
    match is_of_store && std::fs::metadata(folder).is_ok_and(|meta| meta.permissions().readonly()) {
        true => Err(Failure::input(format!(
            "`{}` is inside `{}`, which is in the Nix store and read-only",
            path.display(),
            folder.display()
        ))
        .hint("name another folder")),
        false => Ok(()),
    }
}

/// Refuses to write over one of the SPECs, or into a store path that goes into an image.
pub(in crate::cli) fn refuse_inputs(
    path: &Path,
    arguments: &[PathBuf],
    specs: &[Spec],
) -> Result<(), Failure> {
    if is_stdout(path) {
        return Ok(());
    }
    let target = resolved(path);
    // The name that a spec is given by, and the one that it has.
    let is_target = |spec: &PathBuf| {
        resolved(spec) == target || std::fs::canonicalize(spec).is_ok_and(|real| real == target)
    };
    if let Some(spec) = arguments.iter().map(|spec| spec_input::locate(spec)).find(is_target) {
        return Err(Failure::input(format!("`{}` is a spec of what is built", spec.display()))
            .hint("name another file with `-o`"));
    }
    // One store, as a rule: only its own folder is looked up.
    let mut stores: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    let mut is_in = |stored: &StorePath| {
        let stored: &Path = stored.as_ref();
        let (Some(store), Some(name)) = (stored.parent(), stored.file_name()) else { return false };
        let real = stores.entry(store.into());
        let real = real.or_insert_with(|| std::fs::canonicalize(store).unwrap_or(store.into()));
        target.strip_prefix(real).is_ok_and(|below| below.starts_with(name))
    };
    let mut stored = specs.iter().flat_map(|spec| &spec.closure).map(|info| &info.path);
    match stored.find(|stored| is_in(stored)) {
        Some(stored) => Err(Failure::input(format!(
            "`{}` is inside `{stored}`, which is part of the image",
            path.display()
        ))
        .hint("name another folder")),
        None => Ok(()),
    }
}

/// Where a path is, without links on the way there; what is not there is so called.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let mut below: Vec<OsString> = path.file_name().map(OsString::from).into_iter().collect();
    for dir in path.ancestors().skip(1) {
        if let Ok(real) = std::fs::canonicalize(dir) {
            return below.iter().rev().fold(real, |at, name| at.join(name));
        }
        below.extend(dir.file_name().map(OsString::from));
    }
    path
}
