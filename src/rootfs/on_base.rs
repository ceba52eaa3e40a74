//! The image's own files above a base image.
//!
//! A layer's directory entry decides owner and mode of the directory, and a directory over a
//! symbolic link hides what the link led to. So what nobody declared takes the base's owner and
//! mode (its `/tmp` stays 1777), and what would lie below a link of the base (Debian's `/bin` is
//! one to `usr/bin`) is put where the link leads. A directory of `contents` that the base has too is
//! never one link, which would hide the base's: their files come into it one by one. Accounts are
//! added to the base's, by name.

use std::collections::{BTreeMap, BTreeSet};

use super::contents::same_file;
use super::declared::{self, Entries};
use super::{Kind, Node, Rootfs, RootfsError, Tree, accounts, shown};
use crate::spec::Spec;

/// What a base has that matters to the files above it. Paths are without leading slash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaseFilesystem {
    /// Symbolic links to directories, each with where it leads in the end.
    pub links: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Directories with mode, owner and group.
    pub directories: BTreeMap<Vec<u8>, (u32, u32, u32)>,
    /// The account files that programs of the base find at `etc/passwd` and `etc/group`.
    pub accounts: BTreeMap<Vec<u8>, Account>,
}

/// An account file of a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The bytes, or the reason why they are not known.
    pub bytes: Result<Vec<u8>, String>,
    /// True if it is a link that a runtime cannot follow.
    pub escapes: bool,
}

impl Rootfs {
    /// Does the same as [`Rootfs::new`], with entries that fit what is below. Callers have called `new`
    /// with the spec before: two sources of one path meet here only by the base's links.
    pub fn on_base(spec: &Spec, below: &BaseFilesystem) -> Result<Self, RootfsError> {
        let mut places = Places { below, known: BTreeMap::new() };
        let account_files = accounts::FILES.map(|path| (path, places.of(path.as_bytes())));
        let declared = Declared::new(spec, &mut places)?;
        let mut tree = Tree::default();
        super::contents::add(&mut tree, spec, &declared.entries, Some(below)).map_err(both)?;
        for (path, (node, origin)) in declared.entries {
            tree.insert(path, node, origin).map_err(both)?;
        }
        for (path, place) in &account_files {
            if let Some(Account { bytes: Ok(bytes), escapes: true }) =
                below.accounts.get(path.as_bytes())
                && !tree.entries.contains_key(place)
            {
                let node = Node::new(Kind::Bytes(bytes.clone()), 0o644);
                // A file or link of the image's own hides the base's directory.
                let _ = tree.insert(place.clone(), node, format!("the base's `/{path}`"));
            }
        }
        // Directories that the spec does not declare have owners and modes of the base.
        for (path, (node, _)) in &mut tree.entries {
            if is_dir(node) && !declared.directories.contains(path) {
                adopt(path, node, below);
            }
        }
        tree.leaves_store_alone(spec)?;
        let mut rootfs = tree.into_rootfs();
        accounts::replace_links(&mut rootfs, spec, account_files.map(|(_, place)| place))?;
        Ok(rootfs)
    }
}

/// The declared entries, by where they are in the end.
struct Declared {
    entries: Entries,
    /// Those of `directories`.
    directories: BTreeSet<Vec<u8>>,
}

impl Declared {
    fn new(spec: &Spec, places: &mut Places<'_>) -> Result<Self, RootfsError> {
        let mut all = Self { entries: Entries::new(), directories: BTreeSet::new() };
        for (path, (mut node, origin)) in declared::entries(spec)? {
            let name = shown(&path);
            if is_dir(&node) {
                let is_declared = spec.directories.contains_key(&name);
                let place = places.of_dir(&path);
                // The directory that a link of the base leads to stays as it is.
                let is_behind_link = place != places.of(&path);
                if !is_declared && (is_behind_link || all.directories.contains(&place)) {
                    continue;
                }
                let is_first = !is_declared || all.directories.insert(place.clone());
                if !is_first || all.entries.get(&place).is_some_and(|(known, _)| !is_dir(known)) {
                    all.refuse_other(&place, &node, &origin)?;
                }
                all.entries.insert(place, (node, origin));
                continue;
            }
            let place = places.of(&path);
            if let Some(account) = places.below.accounts.get(&path)
                && !spec.files.contains_key(&name)
                && let Kind::Bytes(own) = &node.kind
            {
                let theirs = account.bytes.as_ref().map_err(|why| RootfsError::BaseAccounts {
                    path: String::from_utf8_lossy(&path).into_owned(),
                    why: why.clone(),
                })?;
                node.kind = Kind::Bytes(accounts::merge(theirs, own));
            }
            all.refuse_other(&place, &node, &origin)?;
            all.entries.entry(place).or_insert((node, origin));
        }
        Ok(all)
    }

    /// Two entries for one place have to be the same.
    fn refuse_other(&self, place: &[u8], node: &Node, origin: &str) -> Result<(), RootfsError> {
        match self.entries.get(place) {
            Some((known, first)) if !is_same(known, node) => {
                Err(both(super::collision(place, first.clone(), origin.to_owned())))
            }
            _ => Ok(()),
        }
    }
}

fn is_dir(node: &Node) -> bool {
    node.kind == Kind::Directory
}

fn is_same(a: &Node, b: &Node) -> bool {
    let with_kind_of_b = Node { kind: b.kind.clone(), ..a.clone() };
    match (&a.kind, &b.kind) {
        (Kind::Copy(from), Kind::Copy(other)) => with_kind_of_b == *b && same_file(from, other),
        _ => a == b,
    }
}

/// What has paths of its own meets only by the base's links.
fn both(error: RootfsError) -> RootfsError {
    match error {
        RootfsError::Collision { path, first, second } => {
            RootfsError::BehindLinks { path, first, second }
        }
        error => error,
    }
}

fn adopt(path: &[u8], node: &mut Node, below: &BaseFilesystem) {
    if let Some((mode, uid, gid)) = below.directories.get(path) {
        (node.mode, node.uid, node.gid) = (*mode, *uid, *gid);
    }
}

/// Follows the links of the base, to where paths are in the end.
struct Places<'a> {
    below: &'a BaseFilesystem,
    /// Directories that were asked for.
    known: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Places<'_> {
    /// The links above a path followed.
    fn of(&mut self, path: &[u8]) -> Vec<u8> {
        let Some(slash) = path.iter().rposition(|byte| *byte == b'/') else { return path.into() };
        let (parent, name) = path.split_at(slash);
        let place = self.of_dir(parent);
        if place == parent { path.into() } else { [&place, name].concat() }
    }

    /// Does the same as [`Places::of`], with the path itself followed.
    fn of_dir(&mut self, path: &[u8]) -> Vec<u8> {
        if let Some(known) = self.known.get(path) {
            return known.clone();
        }
        let place = self.of(path);
        let place = self.below.links.get(&place).cloned().unwrap_or(place);
        self.known.insert(path.into(), place.clone());
        place
    }
}
