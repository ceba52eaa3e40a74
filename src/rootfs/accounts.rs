//! The account files, which a runtime opens itself before a container starts.
//!
//! containerd 2.2.0, Docker 29 and Fargate open `/etc/passwd` and `/etc/group` below the image's
//! root directory, and fail at an absolute link (Go's `os.Root` refuses it). So the image has a
//! regular file there, or a link that such a program can follow.

use super::image::{Image, Resolved, Walk};
use super::{Kind, Node, Rootfs, RootfsError};
use crate::spec::Spec;

/// Paths without the leading slash.
pub(super) const FILES: [&str; 2] = ["etc/passwd", "etc/group"];

/// Replaces links among these paths that a runtime cannot follow: by a regular file with the bytes
/// at the end of the link, or by a relative link where the image has no such file.
pub(super) fn replace_links(
    rootfs: &mut Rootfs,
    spec: &Spec,
    paths: impl IntoIterator<Item = Vec<u8>>,
) -> Result<(), RootfsError> {
    for path in paths {
        let Some(Node { kind: Kind::Symlink(target), .. }) = rootfs.entries.get(&path) else {
            continue;
        };
        let target = target.clone();
        let Walk { found, escapes, .. } = Image::with_closure(spec, rootfs).walk(&path)?;
        let node = match found {
            Resolved::File(content) if escapes => Node::new(content.into_kind(), 0o644),
            _ if target.starts_with(b"/") => {
                Node::new(Kind::Symlink(relative(&path, &target)), 0o777)
            }
            _ => continue,
        };
        rootfs.entries.insert(path, node);
    }
    Ok(())
}

/// The target of a link at `path` that leads to the same place without a leading slash.
fn relative(path: &[u8], target: &[u8]) -> Vec<u8> {
    let depth = path.split(|byte| *byte == b'/').count().saturating_sub(1);
    let below = target.iter().position(|byte| *byte != b'/').unwrap_or(target.len());
    let mut relative = b"../".repeat(depth);
    relative.extend_from_slice(target.get(below..).unwrap_or_default());
    match relative.is_empty() {
        true => b".".to_vec(),
        false => relative,
    }
}

/// The base's lines, but for those whose name is used again, then the image's own.
pub(super) fn merge(theirs: &[u8], own: &[u8]) -> Vec<u8> {
    let lines = |text: &'_ [u8]| -> Vec<Vec<u8>> {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(<[u8]>::to_vec).collect()
    };
    let own = lines(own);
    let names: std::collections::BTreeSet<&[u8]> = own.iter().map(|line| name(line)).collect();
    let mut all: Vec<u8> = Vec::new();
    let kept = lines(theirs).into_iter().filter(|line| !names.contains(name(line)));
    for line in kept.chain(own.iter().cloned()) {
        all.extend(line);
        all.push(b'\n');
    }
    all
}

fn name(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == b':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::rootfs::tests::{Store, listing};

    /// The lines of `/etc/passwd` and `/etc/group`.
    fn accounts(spec: &Spec) -> Vec<String> {
        let rootfs = Rootfs::new(spec).unwrap();
        let mut lines = listing(&rootfs);
        lines.retain(|line| FILES.iter().any(|path| line.starts_with(path)));
        lines
    }

    #[test]
    fn account_file_behind_absolute_links_is_regular() {
        let store = Store::new();
        let nss = store.file("nss", "etc/passwd", "root:x:0:0::/:/bin/sh\n");
        let group = store.file("group", "etc/group", "root:x:0:\n");
        symlink(format!("{group}/etc/group"), format!("{nss}/etc/group")).unwrap();
        let closure = ["nss", "group"];
        let copies = ["etc/group 0644 0:0 copy", "etc/passwd 0644 0:0 copy"];
        for (rest, contents) in [
            (String::new(), &["nss"][..]),
            (r#","includeStorePaths":false"#.into(), &["nss"]),
            (
                format!(
                    r#","symlinks":{{"/etc/passwd":"{nss}/etc/passwd","/etc/group":"//{group}/etc/group"}}"#
                ),
                &[],
            ),
            (
                format!(
                    r#","symlinks":{{"/etc/passwd":"/x/passwd","/etc/group":"../x/group","/x":"{nss}/etc"}}"#
                ),
                &[],
            ),
        ] {
            assert_eq!(accounts(&store.spec(&rest, contents, &closure)), copies, "{rest}");
        }
        let spec = store.spec("", &["nss"], &closure);
        let node = Rootfs::new(&spec).unwrap().entries[b"etc/group".as_slice()].clone();
        assert_eq!(node.kind, Kind::Copy(format!("{group}/etc/group").into()));
    }

    #[test]
    fn account_file_behind_own_links_is_regular_or_relative() {
        let store = Store::new();
        for (links, file, line) in [
            (r#""/etc/passwd":"/srv/p""#, "/srv/p", r#"etc/passwd 0644 0:0 "x""#),
            (r#""/etc/passwd":"a","/etc/a":"/srv/p""#, "/srv/p", r#"etc/passwd 0644 0:0 "x""#),
            (r#""/etc/passwd":"../../srv/p""#, "/srv/p", r#"etc/passwd 0644 0:0 "x""#),
            (r#""/etc/passwd":"../srv/p""#, "/srv/p", "etc/passwd 0777 0:0 -> ../srv/p"),
            (r#""/etc/passwd":"/run/p""#, "/srv/p", "etc/passwd 0777 0:0 -> ../run/p"),
            (r#""/etc/passwd":"run""#, "/srv/p", "etc/passwd 0777 0:0 -> run"),
        ] {
            let rest = format!(
                r#","symlinks":{{{links}}},"files":{{"{file}":{{"text":"x","mode":"0600"}}}}"#
            );
            assert_eq!(accounts(&store.spec(&rest, &[], &[])), [line], "{links}");
        }
    }

    #[test]
    fn merge_replaces_accounts_of_the_same_name() {
        assert_eq!(merge(b"a:1\nb:1\n\nc:1", b"b:2\nd:2\n"), b"a:1\nc:1\nb:2\nd:2\n");
        assert_eq!(merge(b"", b"b:2\n"), b"b:2\n");
    }
}
