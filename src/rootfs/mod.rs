//! The image's own files as data: links to contents, declared files, directories, symbolic links,
//! users and groups, each with owner and mode.
//!
//! A spec becomes a [`Rootfs`], which `layer` writes as one tar. Nothing is executed, and root is not
//! needed: ownership is a number in a tar header.
//!
//! Contents are linked into `/` as by Nix's `buildEnv`. A directory that only one of them provides
//! becomes one link. A directory is real, and its children are linked one by one, if several of
//! them provide it, if it contains a declared entry, or if it is directly below `/`. Declared and
//! linked entries must not have the same path, except as directories.

mod accounts;
mod contents;
mod declared;
pub(crate) mod image;
mod on_base;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::fs::{FileError, FileOp};
use crate::spec::Spec;
use crate::store_path::StorePath;

pub use on_base::{Account, BaseFilesystem};

/// Why the image's own files cannot be what the spec says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootfsError {
    /// The store could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Two sources for one path.
    #[error("`{path}` comes from {first} and from {second}")]
    Collision {
        /// The path in the image.
        path: String,
        /// Who has it first.
        first: String,
        /// Who has it again.
        second: String,
    },
    /// Two sources for one path, which is one only above this base.
    #[error("{first} and {second} are both `{path}` by the links of the base; leave one out")]
    BehindLinks {
        /// The path in the image.
        path: String,
        /// Who has it first.
        first: String,
        /// Who has it again.
        second: String,
    },
    /// One of `contents` is no directory, so there is nothing to link.
    #[error("`{0}` in contents is a file; name it in `files` with the path that it should get")]
    ContentIsFile(PathBuf),
    /// A source that no image can carry.
    #[error("files.\"{path}\" has the source `{origin}`, which is not a file, directory or link")]
    Special {
        /// The path in the image.
        path: String,
        /// The source.
        origin: PathBuf,
    },
    /// A link in the store to a file of the machine.
    #[error("`{origin}` leads to `{target}`, which is not in the store; no image can hold it")]
    OutsideStore {
        /// The path that was named.
        origin: PathBuf,
        /// Where its links lead.
        target: PathBuf,
    },
    /// Capabilities belong to one program.
    #[error("files.\"{0}\" has a directory as its source; leave out `capabilities`")]
    CapabilitiesOfTree(String),
    /// The base has accounts that cannot be read, and the image adds some.
    #[error("`users` and `groups` need `/{path}` of the base image, which {why}")]
    BaseAccounts {
        /// The path in the image, without the leading slash.
        path: String,
        /// The reason.
        why: String,
    },
    /// One mode for a whole tree would make its directories or its files useless.
    #[error("files.\"{0}\" has a directory as its source; leave out `mode`")]
    ModeOfTree(String),
}

/// All entries of the image's own layer, by path without the leading slash, ordered by bytes.
/// Every parent directory is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rootfs {
    /// The entries.
    pub entries: BTreeMap<Vec<u8>, Node>,
}

/// One entry of a [`Rootfs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The twelve permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Extended attributes by name, such as `security.capability`.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file, its bytes here.
    Bytes(Vec<u8>),
    /// A regular file, its bytes in the store.
    Copy(PathBuf),
    /// A symbolic link and its target, as it stands in the link.
    Symlink(Vec<u8>),
}

impl Node {
    fn new(kind: Kind, mode: u32) -> Self {
        Self { kind, mode, uid: 0, gid: 0, xattrs: BTreeMap::new() }
    }
}

impl Rootfs {
    /// Lays out the image's own files; reads the store to see what `contents` hold.
    pub fn new(spec: &Spec) -> Result<Self, RootfsError> {
        let declared = declared::entries(spec)?;
        let mut tree = Tree::default();
        contents::add(&mut tree, spec, &declared, None)?;
        for (path, (node, origin)) in declared {
            tree.insert(path, node, origin)?;
        }
        tree.leaves_store_alone(spec)?;
        let mut rootfs = tree.into_rootfs();
        accounts::replace_links(&mut rootfs, spec, accounts::FILES.map(Into::into))?;
        Ok(rootfs)
    }

    /// Looks a path up, without the leading slash and without following links.
    pub fn get(&self, path: &Path) -> Option<&Node> {
        use std::os::unix::ffi::OsStrExt;
        self.entries.get(path.as_os_str().as_bytes())
    }
}

/// Who put an entry there, as an error names it.
type Origin = String;

/// Entries that are still being laid out.
#[derive(Debug, Default)]
struct Tree {
    entries: BTreeMap<Vec<u8>, (Node, Origin)>,
}

impl Tree {
    /// Adds an entry and the parents that it lacks. Directories may meet; the later one decides
    /// owner and mode.
    fn insert(&mut self, path: Vec<u8>, node: Node, origin: Origin) -> Result<(), RootfsError> {
        self.add_parents(&path, &origin)?;
        match self.entries.get(&path) {
            Some((known, first)) if !both_directories(known, &node) => {
                Err(collision(&path, first.clone(), origin))
            }
            _ => {
                self.entries.insert(path, (node, origin));
                Ok(())
            }
        }
    }

    /// Refuses what would hide or change a store path of the image, whose layers lie below.
    fn leaves_store_alone(&self, spec: &Spec) -> Result<(), RootfsError> {
        let stored = if spec.include_store_paths { spec.stored() } else { Vec::new() };
        let stored: BTreeSet<&str> = stored.iter().map(|info| info.path.as_str()).collect();
        // From the end, so that what was declared comes before the folders that it needs.
        for (path, (node, origin)) in self.entries.iter().rev() {
            let path = shown(path);
            let below = format!("{path}/");
            let hidden = stored.range(below.as_str()..).next();
            let hidden = hidden.filter(|s| node.kind != Kind::Directory && s.starts_with(&below));
            let root = StorePath::parse_prefix(&path).ok().map(|(root, _)| root);
            let changed = root.as_ref().and_then(|root| stored.get(root.as_str()));
            if let Some(store_path) = changed.or(hidden) {
                let second = format!("the image's store path `{store_path}`");
                return Err(RootfsError::Collision { path, first: origin.clone(), second });
            }
        }
        Ok(())
    }

    /// Adds the directories above a path that are missing. Those above an existing one exist.
    fn add_parents(&mut self, path: &[u8], origin: &Origin) -> Result<(), RootfsError> {
        let mut missing = Vec::new();
        for (at, _) in path.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/') {
            let parent = path.get(..at).unwrap_or_default();
            match self.entries.get(parent) {
                Some((node, first)) if node.kind != Kind::Directory => {
                    return Err(collision(parent, first.clone(), origin.clone()));
                }
                Some(_) => break,
                None => missing.push(parent.to_vec()),
            }
        }
        for parent in missing {
            self.entries.insert(parent, (Node::new(Kind::Directory, 0o755), origin.clone()));
        }
        Ok(())
    }

    fn into_rootfs(self) -> Rootfs {
        let entries = self.entries.into_iter().map(|(path, (node, _))| (path, node));
        Rootfs { entries: entries.collect() }
    }
}

/// Refuses a path whose links lead out of the store: what is outside differs from machine to
/// machine, and is nobody's to publish.
fn check_in_store(origin: &Path) -> Result<(), RootfsError> {
    use crate::fs::Context;
    let text = origin.to_string_lossy();
    let Ok((root, _)) = StorePath::parse_prefix(&text) else {
        return Err(RootfsError::OutsideStore { origin: origin.into(), target: origin.into() });
    };
    let target = std::fs::canonicalize(origin).context(FileOp::Read, origin)?;
    // The store itself may be reached through a link.
    let store = std::fs::canonicalize(root.store_dir()).context(FileOp::Read, root.store_dir())?;
    match target.starts_with(&store) {
        true => Ok(()),
        false => Err(RootfsError::OutsideStore { origin: origin.into(), target }),
    }
}

fn both_directories(a: &Node, b: &Node) -> bool {
    a.kind == Kind::Directory && b.kind == Kind::Directory
}

fn collision(path: &[u8], first: Origin, second: Origin) -> RootfsError {
    RootfsError::Collision { path: shown(path), first, second }
}

/// A path in the image as people read it.
fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

#[cfg(test)]
mod tests;
