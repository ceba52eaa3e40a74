//! The image's own files, as data: links to contents, declared files, directories, symbolic
//! links, users and groups, each with its owner and mode.
//!
//! In comes a spec; out goes a [`Rootfs`], which `layer` writes as one tar. Nothing is executed
//! and nobody needs root: ownership is a number in a tar header.

use std::collections::BTreeMap;
use std::path::PathBuf;

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
