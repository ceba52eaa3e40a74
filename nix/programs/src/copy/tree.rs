//! The walk over one source, and the replacement of single files and links.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path};

use super::{Result, entries, failed};

/// The tree that a link is inside or outside of, and the depth of the walk in it.
type Tree<'t> = (&'t Path, usize);
type Create<'c> = &'c mut dyn FnMut(&Path) -> io::Result<()>;

/// Copies one source.
pub(super) struct Copier<'a> {
    pub(super) report: &'a mut dyn FnMut(&str),
    pub(super) complete: bool,
    /// Number of temporary names; equal on every run, so the next run replaces leftovers.
    pub(super) temporary: u64,
    /// Device and inode of each directory that the walk is in.
    pub(super) ancestors: Vec<(u64, u64)>,
}

impl Copier<'_> {
    /// Copies `source` to `target`. Returns false if parts failed, which are reported.
    pub(super) fn run(mut self, source: &Path, target: &Path, recursive: bool) -> Result<bool> {
        let meta = fs::metadata(source).map_err(failed("open", source))?;
        if !meta.is_dir() {
            return self.entry(source, &meta, target, (Path::new(""), 0)).map(|()| true);
        }
        if !recursive {
            return refuse("is a directory; use -r to copy it", source);
        }
        let root = fs::canonicalize(source).map_err(failed("open", source))?;
        refuse_inside(source, &root, target)?;
        let Some(name) = target.file_name().filter(|_| !target.exists()) else {
            self.dir(source, &meta, target, (&root, 0))?;
            return Ok(self.complete);
        };
        // The rename shows the complete directory, and a killed run leaves none of that name.
        let partial = target.with_file_name(format!(".cp-partial-{}", name.display()));
        make_writable(&partial, &meta, true)?;
        let filled = self.dir(source, &meta, &partial, (&root, 0));
        if filled.is_ok() && self.complete {
            return fs::rename(&partial, target).map(|()| true).map_err(failed("create", target));
        }
        let _ = fs::remove_dir_all(&partial);
        filled.and(Err(format!("`{}` was not created, because parts failed", target.display())))
    }

    fn entry(&mut self, from: &Path, meta: &Metadata, to: &Path, tree: Tree<'_>) -> Result<()> {
        let kind = meta.file_type();
        if kind.is_dir() {
            return self.dir(from, meta, to, tree);
        }
        if kind.is_symlink() {
            let link = fs::read_link(from).map_err(failed("read", from))?;
            if stays_inside(from, &link, tree) {
                return self.replace(meta, to, &mut |new| symlink(&link, new));
            }
            let real = fs::canonicalize(from).map_err(failed("follow", from))?;
            let meta = fs::metadata(&real).map_err(failed("open", from))?;
            if meta.is_dir() && !self.ancestors.contains(&(meta.dev(), meta.ino())) {
                refuse_inside(from, &real, to)?;
            }
            return self.entry(from, &meta, to, (&real, 0));
        }
        if !kind.is_file() {
            return refuse("is not a file, directory or link", from);
        }
        let mut reader = File::open(from).map_err(failed("open", from))?;
        self.replace(meta, to, &mut |new| {
            let mode = meta.mode() & 0o777;
            let writer = OpenOptions::new().write(true).create_new(true).mode(mode).open(new);
            io::copy(&mut reader, &mut writer?).map(drop)
        })
    }

    fn dir(&mut self, from: &Path, meta: &Metadata, to: &Path, tree: Tree<'_>) -> Result<()> {
        let id = (meta.dev(), meta.ino());
        if self.ancestors.contains(&id) {
            return refuse("is a symlink loop", from);
        }
        make_writable(to, meta, self.ancestors.is_empty())?;
        self.ancestors.push(id);
        let names = entries(from);
        for name in names.as_ref().into_iter().flat_map(|names| names.keys()) {
            let child = from.join(name);
            let copied = fs::symlink_metadata(&child)
                .map_err(failed("open", &child))
                .and_then(|meta| self.entry(&child, &meta, &to.join(name), (tree.0, tree.1 + 1)));
            if let Err(error) = copied {
                self.complete = false;
                (self.report)(&error);
            }
        }
        self.ancestors.pop();
        names.map(drop)
    }

    /// Creates a file or link under a temporary name and renames it, so that read-only files and
    /// planted links are replaced and not written to.
    fn replace(&mut self, meta: &Metadata, to: &Path, create: Create<'_>) -> Result<()> {
        match fs::symlink_metadata(to) {
            Ok(old) if old.is_dir() => return refuse("is a directory, not a file", to),
            Ok(old) if (old.dev(), old.ino()) == (meta.dev(), meta.ino()) => {
                return refuse("is its own source", to);
            }
            _ => {}
        }
        self.temporary += 1;
        let new = to.with_file_name(format!(".cp-{}-{}", std::process::id(), self.temporary));
        let _ = fs::remove_file(&new);
        create(&new).and_then(|()| fs::rename(&new, to)).map_err(|error| {
            let _ = fs::remove_file(&new);
            failed("write", to)(error)
        })
    }
}

/// Creates a directory that its owner can write to, or makes an existing one writable. Only the path
/// of the user may be a link to a directory: one below it could lead out of the volume.
fn make_writable(path: &Path, meta: &Metadata, is_top: bool) -> Result<()> {
    let old = if is_top { fs::metadata(path) } else { fs::symlink_metadata(path) };
    match old {
        Ok(old) if !old.is_dir() => refuse("is not a directory", path),
        Ok(old) if old.mode() & 0o700 == 0o700 => Ok(()),
        Ok(old) => fs::set_permissions(path, Permissions::from_mode(old.mode() & 0o7777 | 0o700))
            .map_err(failed("make writable", path)),
        Err(_) => DirBuilder::new()
            .mode(meta.mode() & 0o777 | 0o700)
            .create(path)
            .map_err(failed("create", path)),
    }
}

/// Returns true if a link has the same target in a copy of the tree. A link to another link can leave
/// the tree, so its real path is compared too; a link without a target is the same anywhere.
fn stays_inside(link: &Path, target: &Path, (root, depth): Tree<'_>) -> bool {
    let mut depth = depth.saturating_sub(1);
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    fs::canonicalize(link).map_or(true, |real| real.starts_with(root))
}

fn refuse<T>(problem: &str, path: &Path) -> Result<T> {
    Err(format!("`{}` {problem}", path.display()))
}

fn refuse_inside(source: &Path, root: &Path, target: &Path) -> Result<()> {
    // The working directory has the target of a relative name without a parent.
    let mut ancestors = target.ancestors().map(|path| Path::new(".").join(path));
    let real = ancestors.find_map(|path| fs::canonicalize(path).ok());
    if real.is_some_and(|real| real.starts_with(root)) {
        return refuse("cannot be copied into itself", source);
    }
    Ok(())
}
