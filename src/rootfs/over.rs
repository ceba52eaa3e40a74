//! The image's own files above a base image.
//!
//! A layer's directory entry decides owner and mode of the directory, and a directory over a
//! symbolic link hides what the link led to. So what nobody declared takes the base's owner and
//! mode (its `/tmp` stays 1777), and what would lie below a link of the base (Debian's `/bin` is
//! one to `usr/bin`) is put where the link leads. Accounts are added to the base's, by name.

use std::collections::BTreeMap;

use super::{Kind, Node, Rootfs, RootfsError, Tree};
use crate::spec::Spec;

/// What a base has that matters to the files above it. Paths are without leading slash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Below {
    /// Symbolic links to directories, each with where it leads in the end.
    pub links: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Directories with mode, owner and group.
    pub directories: BTreeMap<Vec<u8>, (u32, u32, u32)>,
    /// The bytes of `etc/passwd` and `etc/group`.
    pub files: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Rootfs {
    /// Moves and completes the entries so that they fit what is below.
    pub fn over(self, below: &Below, spec: &Spec) -> Result<Self, RootfsError> {
        // The declared directories by where they are in the end.
        let mut declared: BTreeMap<Vec<u8>, Node> = BTreeMap::new();
        let mut tree = Tree::default();
        for (path, mut node) in self.entries {
            let name = super::shown(&path);
            let origin = origin(spec, &name);
            if node.kind == Kind::Directory {
                let is_declared = spec.directories.contains_key(&name);
                let target = below.links.get(&path).cloned();
                if target.is_some() && !is_declared {
                    continue;
                }
                let path = target.unwrap_or_else(|| moved(path, below));
                if is_declared {
                    let known = declared.insert(path.clone(), node.clone());
                    if known.is_some_and(|known| known != node)
                        && let Some((_, first)) = tree.entries.get(&path)
                    {
                        return Err(both(super::collision(&path, first.clone(), origin)));
                    }
                } else if declared.contains_key(&path) {
                    continue;
                } else {
                    adopt(&path, &mut node, below);
                }
                tree.insert(path, node, origin).map_err(both)?;
                continue;
            }
            let path = moved(path, below);
            if let (Kind::Bytes(own), Some(theirs)) = (&node.kind, below.files.get(&path))
                && !spec.files.contains_key(&name)
            {
                node.kind = Kind::Bytes(accounts(theirs, own));
            }
            tree.insert(path, node, origin).map_err(both)?;
        }
        // Parents that were added on the way have owners and modes of the base, too.
        let entries = tree.entries.into_iter().map(|(path, (mut node, _))| {
            if node.kind == Kind::Directory && !declared.contains_key(&path) && is_plain(&node) {
                adopt(&path, &mut node, below);
            }
            (path, node)
        });
        Ok(Self { entries: entries.collect() })
    }
}

/// What an error calls an entry: the field that declares it, if one does.
fn origin(spec: &Spec, name: &str) -> String {
    let fields = [
        ("files", spec.files.contains_key(name)),
        ("directories", spec.directories.contains_key(name)),
        ("symlinks", spec.symlinks.contains_key(name)),
    ];
    match fields.into_iter().find(|(_, declares)| *declares) {
        Some((field, _)) => super::declared::field(field, name),
        None => format!("the image's own `{name}`"),
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

fn is_plain(node: &Node) -> bool {
    (node.mode, node.uid, node.gid) == (0o755, 0, 0)
}

fn adopt(path: &[u8], node: &mut Node, below: &Below) {
    if let Some((mode, uid, gid)) = below.directories.get(path) {
        (node.mode, node.uid, node.gid) = (*mode, *uid, *gid);
    }
}

/// A path with the links of the base above it followed.
fn moved(path: Vec<u8>, below: &Below) -> Vec<u8> {
    let parents = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    for at in parents {
        let (parent, rest) = path.split_at(at);
        if let Some(target) = below.links.get(parent) {
            return moved([target.as_slice(), rest].concat(), below);
        }
    }
    path
}

/// The base's lines, but for those whose name is used again, then the image's own.
fn accounts(theirs: &[u8], own: &[u8]) -> Vec<u8> {
    fn name(line: &[u8]) -> &[u8] {
        line.split(|byte| *byte == b':').next().unwrap_or_default()
    }
    let lines = |text: &'_ [u8]| -> Vec<Vec<u8>> {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(<[u8]>::to_vec).collect()
    };
    let own_lines = lines(own);
    let kept =
        lines(theirs).into_iter().filter(|line| own_lines.iter().all(|o| name(o) != name(line)));
    let mut all: Vec<u8> = Vec::new();
    for line in kept.chain(own_lines.clone()) {
        all.extend(line);
        all.push(b'\n');
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(fields: &str) -> Spec {
        crate::spec::parse(format!(r#"{{"version":1,"name":"a",{fields}}}"#).as_bytes()).unwrap()
    }

    fn below() -> Below {
        Below {
            links: BTreeMap::from([(b"bin".to_vec(), b"usr/bin".to_vec())]),
            directories: BTreeMap::from([
                (b"tmp".to_vec(), (0o1777, 0, 0)),
                (b"srv".to_vec(), (0o750, 7, 8)),
                (b"usr/bin".to_vec(), (0o755, 0, 0)),
            ]),
            files: BTreeMap::from([(
                b"etc/passwd".to_vec(),
                b"root:x:0:0::/root:/bin/sh\napp:x:5:5::/:/bin/sh\n".to_vec(),
            )]),
        }
    }

    fn laid(fields: &str) -> Rootfs {
        let spec = spec(fields);
        Rootfs::new(&spec).unwrap().over(&below(), &spec).unwrap()
    }

    #[test]
    fn files_go_where_the_bases_links_lead() {
        let rootfs = laid(r#""files":{"/bin/app":{"text":"x"}}"#);
        let paths: Vec<_> = rootfs.entries.keys().map(|p| String::from_utf8_lossy(p)).collect();
        assert_eq!(paths, ["usr", "usr/bin", "usr/bin/app"]);
    }

    #[test]
    fn directories_keep_the_bases_owner_and_mode_unless_they_are_declared() {
        let rootfs = laid(
            r#""files":{"/tmp/a":{"text":"x"},"/srv/a":{"text":"x"}},
               "directories":{"/srv":{"mode":"0700","uid":9}}"#,
        );
        let tmp = &rootfs.entries[b"tmp".as_slice()];
        assert_eq!(tmp.mode, 0o1777);
        let srv = &rootfs.entries[b"srv".as_slice()];
        assert_eq!((srv.mode, srv.uid, srv.gid), (0o700, 9, 0));
    }

    #[test]
    fn a_directory_declared_where_the_base_has_a_link_is_the_one_that_it_leads_to() {
        let rootfs = laid(
            r#""directories":{"/bin":{"mode":"0700","uid":9},"/bin/own":{"mode":"0711"}},
               "files":{"/usr/bin/app":{"text":"x"}}"#,
        );
        assert!(!rootfs.entries.contains_key(b"bin".as_slice()));
        let bin = &rootfs.entries[b"usr/bin".as_slice()];
        assert_eq!((bin.mode, bin.uid), (0o700, 9));
        assert_eq!(rootfs.entries[b"usr/bin/own".as_slice()].mode, 0o711);
    }

    #[test]
    fn accounts_are_added_to_the_bases_by_name() {
        let rootfs = laid(r#""users":{"app":{"uid":9,"gid":9}}"#);
        let Kind::Bytes(passwd) = &rootfs.entries[b"etc/passwd".as_slice()].kind else { panic!() };
        assert_eq!(
            String::from_utf8_lossy(passwd),
            "root:x:0:0::/root:/bin/sh\napp:x:9:9::/:/sbin/nologin\n"
        );
    }

    #[test]
    fn two_files_that_meet_behind_a_link_are_an_error() {
        let spec = spec(r#""files":{"/bin/app":{"text":"x"},"/usr/bin/app":{"text":"y"}}"#);
        let error = Rootfs::new(&spec).unwrap().over(&below(), &spec).unwrap_err();
        assert_eq!(
            error.to_string(),
            "files.\"/bin/app\" and files.\"/usr/bin/app\" are both `/usr/bin/app` by the links of \
             the base; leave one out"
        );
    }

    #[test]
    fn two_directories_that_meet_behind_a_link_are_an_error_unless_they_are_equal() {
        let over = |fields: &str| {
            let spec = spec(fields);
            Rootfs::new(&spec).unwrap().over(&below(), &spec)
        };
        let error = over(r#""directories":{"/bin":{"mode":"0700"},"/usr/bin":{"uid":9}}"#);
        let error = error.unwrap_err().to_string();
        let both = "directories.\"/bin\" and directories.\"/usr/bin\" are both `/usr/bin`";
        assert!(error.starts_with(both), "{error}");
        let equal = over(r#""directories":{"/bin":{"uid":9},"/usr/bin":{"uid":9}}"#).unwrap();
        assert_eq!(equal.entries[b"usr/bin".as_slice()].uid, 9);
    }
}
