//! The walk over one source.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use super::Event;
use super::args::{Links, Options};
use super::error::CopyError;
use super::file::{self, Beside};

/// The tree that a link is inside or outside of.
#[derive(Debug)]
struct Tree {
    root: PathBuf,
    /// How far below the root the walk is, in names.
    depth: usize,
}

impl Tree {
    fn below(&self) -> Self {
        Self { root: self.root.clone(), depth: self.depth + 1 }
    }
}

/// Copies one source with what is below it.
pub(crate) struct Copier<'a> {
    options: &'a Options,
    report: &'a mut dyn FnMut(Event<'_>),
    beside: Beside,
    /// Device and inode of each directory that the walk is inside of.
    open: Vec<(u64, u64)>,
    complete: bool,
}

impl<'a> Copier<'a> {
    pub(crate) fn new(options: &'a Options, report: &'a mut dyn FnMut(Event<'_>)) -> Self {
        Self { options, report, beside: Beside::default(), open: Vec::new(), complete: true }
    }

    /// Copies `source` to `landing`; false when parts of it failed and were reported.
    pub(crate) fn run(mut self, source: &Path, landing: &Path) -> Result<bool, CopyError> {
        let kept = self.options.links == Links::Keep;
        let about = if kept { fs::symlink_metadata(source) } else { fs::metadata(source) };
        let about = about.map_err(CopyError::io("look at", source))?;
        if !about.is_dir() {
            let tree = Tree { root: PathBuf::new(), depth: 0 };
            self.entry(source, &about, landing, &tree)?;
            return Ok(self.complete);
        }
        if !self.options.recursive {
            return Err(CopyError::NeedsRecursive(source.to_owned()));
        }
        let root = fs::canonicalize(source).map_err(CopyError::io("look at", source))?;
        refuse_inside(source, &root, landing)?;
        let tree = Tree { root, depth: 0 };
        if landing.exists() {
            self.directory(source, &about, landing, &tree)?;
            return Ok(self.complete);
        }
        self.new_directory(source, &about, landing, &tree)
    }

    /// Fills a directory under another name first: whoever sees `landing` sees all of it, and a
    /// run that was killed halfway cannot be mistaken for a directory to copy into.
    fn new_directory(
        mut self,
        source: &Path,
        about: &Metadata,
        landing: &Path,
        tree: &Tree,
    ) -> Result<bool, CopyError> {
        let Some(name) = landing.file_name() else {
            self.directory(source, about, landing, tree)?;
            return Ok(self.complete);
        };
        let mut partial = OsString::from(".cp-partial-");
        partial.push(name);
        let partial = landing.with_file_name(partial);
        make_writable(&partial, about, true).map_err(|error| match error {
            // The user never heard of the other name.
            CopyError::Io(doing, _, cause) => CopyError::Io(doing, landing.to_owned(), cause),
            other => other,
        })?;
        let filled = self.directory(source, about, &partial, tree);
        if filled.is_ok() && self.complete {
            fs::rename(&partial, landing).map_err(CopyError::io("create", landing))?;
            return Ok(true);
        }
        // What failed is reported already; a leftover is used up by the next run.
        let _ = fs::remove_dir_all(&partial);
        filled.and(Err(CopyError::NotCreated(landing.to_owned())))
    }

    fn entry(
        &mut self,
        source: &Path,
        about: &Metadata,
        destination: &Path,
        tree: &Tree,
    ) -> Result<(), CopyError> {
        let kind = about.file_type();
        if kind.is_dir() {
            return self.directory(source, about, destination, tree);
        }
        if kind.is_symlink() {
            return self.link(source, about, destination, tree);
        }
        if !kind.is_file() {
            return Err(CopyError::Special(source.to_owned()));
        }
        file::copy(source, about, destination, self.options.preserve, &mut self.beside)?;
        (self.report)(Event::Copied(source, destination));
        Ok(())
    }

    fn link(
        &mut self,
        source: &Path,
        about: &Metadata,
        destination: &Path,
        tree: &Tree,
    ) -> Result<(), CopyError> {
        let target = fs::read_link(source).map_err(CopyError::io("read the link", source))?;
        let inside = stays_inside(source, &target, tree);
        let keep = match self.options.links {
            Links::Keep => true,
            Links::KeepInside => inside,
            Links::Follow => false,
        };
        if keep {
            if !inside {
                (self.report)(Event::LeavesTree(source, target));
            }
            let preserve = self.options.preserve;
            file::copy_link(source, about, destination, preserve, &mut self.beside)?;
            (self.report)(Event::Copied(source, destination));
            return Ok(());
        }
        let real = fs::canonicalize(source).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => CopyError::Dangling(source.to_owned(), target),
            _ => CopyError::Io("follow the link", source.to_owned(), error),
        })?;
        let about = fs::metadata(&real).map_err(CopyError::io("look at", source))?;
        self.entry(source, &about, destination, &Tree { root: real, depth: 0 })
    }

    fn directory(
        &mut self,
        source: &Path,
        about: &Metadata,
        destination: &Path,
        tree: &Tree,
    ) -> Result<(), CopyError> {
        let this = (about.dev(), about.ino());
        if self.open.contains(&this) {
            return Err(CopyError::Loop(source.to_owned()));
        }
        make_writable(destination, about, self.open.is_empty())?;
        self.open.push(this);
        let names = sorted_names(source);
        for name in names.as_deref().unwrap_or_default() {
            let (from, to) = (source.join(name), destination.join(name));
            let outcome = fs::symlink_metadata(&from)
                .map_err(CopyError::io("look at", &from))
                .and_then(|about| self.entry(&from, &about, &to, &tree.below()));
            if let Err(error) = outcome {
                self.complete = false;
                (self.report)(Event::Failed(error));
            }
        }
        self.open.pop();
        names.map_err(CopyError::io("read", source))?;
        if self.options.preserve {
            // Last, since filling a directory changes its time.
            File::open(destination)
                .and_then(|handle| file::keep_metadata(destination, &handle, about))
                .map_err(CopyError::io("keep modes of", destination))?;
        }
        Ok(())
    }
}

/// Sorted, so that two runs meet, and number, their files in the same order.
fn sorted_names(directory: &Path) -> io::Result<Vec<OsString>> {
    let mut names = fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// Sees to a directory that this user can put files into, whatever the source's mode says.
fn make_writable(path: &Path, about: &Metadata, top: bool) -> Result<(), CopyError> {
    // Only the path that the user named may be a link to a directory; below it, a link in a
    // directory's place could lead the copy to anywhere.
    let there = if top { fs::metadata(path) } else { fs::symlink_metadata(path) };
    match there {
        Ok(there) if !there.is_dir() => Err(CopyError::DirectoryOverOther(path.to_owned())),
        Ok(there) if there.mode() & 0o700 == 0o700 => Ok(()),
        Ok(there) => {
            let mode = fs::Permissions::from_mode(there.mode() & 0o7777 | 0o700);
            fs::set_permissions(path, mode).map_err(CopyError::io("make writable", path))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => DirBuilder::new()
            .mode(about.mode() & 0o777 | 0o700)
            .create(path)
            .map_err(CopyError::io("create", path)),
        Err(error) => Err(CopyError::Io("look at", path.to_owned(), error)),
    }
}

/// Whether a link still leads to the same thing after the tree around it was copied elsewhere.
fn stays_inside(link: &Path, target: &Path, tree: &Tree) -> bool {
    let mut depth = tree.depth.saturating_sub(1);
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    // On its way it may pass another link, which leads out; a dangling one is as good anywhere.
    fs::canonicalize(link).map_or(true, |real| real.starts_with(&tree.root))
}

fn refuse_inside(source: &Path, root: &Path, landing: &Path) -> Result<(), CopyError> {
    let mut existing = landing;
    let real = loop {
        // A relative name without a parent is in the working directory.
        let here = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
        match fs::canonicalize(here) {
            Ok(real) => break real,
            Err(_) => match existing.parent() {
                Some(parent) => existing = parent,
                None => return Ok(()),
            },
        }
    };
    if real.starts_with(root) {
        return Err(CopyError::IntoItself(source.to_owned(), landing.to_owned()));
    }
    Ok(())
}
