//! What can go wrong in a copy; every message names its path.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why something was not copied.
#[derive(Debug)]
pub enum CopyError {
    /// The system refused; the text says what was being done to the path.
    Io(&'static str, PathBuf, io::Error),
    /// A directory was named without `-r`.
    NeedsRecursive(PathBuf),
    /// A directory was to replace something else.
    DirectoryOverOther(PathBuf),
    /// Something else was to replace a directory.
    OtherOverDirectory(PathBuf),
    /// Several sources, or a name with a trailing slash, need a directory to go into.
    NoSuchDirectory(PathBuf),
    /// Source and destination are one file.
    SameFile(PathBuf, PathBuf),
    /// The destination lies inside of the source.
    IntoItself(PathBuf, PathBuf),
    /// A pipe, socket or device: reading it could block for good.
    Special(PathBuf),
    /// A link leads back to a directory that is being copied.
    Loop(PathBuf),
    /// A link out of the tree, whose contents were wanted, leads nowhere.
    Dangling(PathBuf, PathBuf),
    /// Parts failed, so the new directory was taken away again instead of being left in pieces.
    NotCreated(PathBuf),
}

impl CopyError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io(doing, path.to_owned(), error)
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(doing, path, _) => write!(f, "cannot {doing} `{}`", path.display()),
            Self::NeedsRecursive(path) => {
                write!(f, "`{}` is a directory; add -r to copy it", path.display())
            }
            Self::DirectoryOverOther(path) => {
                write!(f, "cannot put a directory in the place of `{}`", path.display())
            }
            Self::OtherOverDirectory(path) => {
                write!(f, "cannot replace the directory `{}` by a file", path.display())
            }
            Self::NoSuchDirectory(path) => write!(f, "`{}` is no directory", path.display()),
            Self::SameFile(from, to) => {
                write!(f, "`{}` and `{}` are the same file", from.display(), to.display())
            }
            Self::IntoItself(from, to) => {
                write!(f, "cannot copy `{}` into itself, `{}`", from.display(), to.display())
            }
            Self::Special(path) => write!(
                f,
                "`{}` is neither a file nor a directory nor a link, and is not copied",
                path.display()
            ),
            Self::Loop(path) => {
                write!(f, "the link `{}` leads back into the tree above it", path.display())
            }
            Self::Dangling(link, target) => write!(
                f,
                "the link `{}` leads to `{}`, which is not there",
                link.display(),
                target.display()
            ),
            Self::NotCreated(path) => {
                write!(f, "`{}` was not created, as parts of it failed", path.display())
            }
        }
    }
}

impl std::error::Error for CopyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, _, error) => Some(error),
            _ => None,
        }
    }
}
