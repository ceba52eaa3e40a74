#[cfg(test)]
mod on_base;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

const HASH: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A folder that holds store paths, and the spec over them.
pub(super) struct Store(tempfile::TempDir);

impl Store {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn file(&self, name: &str, path: &str, text: &str) -> String {
        let root = self.0.path().join(format!("{HASH}-{name}"));
        let full = root.join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        crate::fs::write_atomically(&full, text.as_bytes()).unwrap();
        root.to_str().unwrap().to_owned()
    }

    /// A spec whose closure is these store paths.
    pub(super) fn spec(&self, rest: &str, contents: &[&str], closure: &[&str]) -> Spec {
        let path = |name: &&str| self.0.path().join(format!("{HASH}-{name}"));
        let info = |name| {
            let path = path(name);
            format!(r#"{{"path":{path:?},"narHash":"sha256:0","narSize":1}}"#)
        };
        let contents: Vec<_> = contents.iter().map(path).collect();
        let closure: Vec<_> = closure.iter().map(info).collect();
        let closure = closure.join(",");
        let json = format!(
            r#"{{"version":1,"name":"a","contents":{contents:?},"closure":[{closure}]{rest}}}"#
        );
        crate::spec::parse(json.as_bytes()).unwrap()
    }

    fn rootfs(rest: &str, contents: &[&String]) -> Result<Rootfs, RootfsError> {
        let json = format!(r#"{{"version":1,"name":"a","contents":{contents:?}{rest}}}"#);
        Rootfs::new(&crate::spec::parse(json.as_bytes()).unwrap())
    }
}

pub(super) fn listing(rootfs: &Rootfs) -> Vec<String> {
    let line = |(path, node): (&Vec<u8>, &Node)| {
        let what = match &node.kind {
            Kind::Directory => "dir".to_owned(),
            Kind::Bytes(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
            Kind::Copy(_) => "copy".to_owned(),
            Kind::Symlink(target) => {
                let target = String::from_utf8_lossy(target).into_owned();
                format!("-> {}", target.rsplit_once(HASH).map_or(target.as_str(), |(_, t)| t))
            }
        };
        format!(
            "{} {:04o} {}:{} {what}",
            String::from_utf8_lossy(path),
            node.mode,
            node.uid,
            node.gid
        )
    };
    rootfs.entries.iter().map(line).collect()
}

#[test]
fn a_directory_of_one_content_is_one_link_and_a_shared_one_is_real() {
    let store = Store::new();
    let a = store.file("a", "bin/a", "a");
    store.file("a", "share/doc/a/x", "x");
    let b = store.file("b", "bin/b", "b");
    store.file("b", "nix-support/setup-hook", "");
    let rootfs = Store::rootfs("", &[&a, &b]).unwrap();
    assert_eq!(
        listing(&rootfs),
        [
            "bin 0755 0:0 dir",
            "bin/a 0777 0:0 -> -a/bin/a",
            "bin/b 0777 0:0 -> -b/bin/b",
            "share 0755 0:0 dir",
            "share/doc 0777 0:0 -> -a/share/doc",
        ]
    );
}

#[test]
fn a_declared_file_makes_the_directories_above_it_real() {
    let store = Store::new();
    let a = store.file("a", "etc/ssl/certs/ca", "a");
    store.file("a", "etc/ssl-extra/x", "a");
    let rootfs =
        Store::rootfs(r#","files":{"/etc/ssl/own":{"text":"t","uid":7,"mode":"0600"}}"#, &[&a]);
    assert_eq!(
        listing(&rootfs.unwrap()),
        [
            "etc 0755 0:0 dir",
            "etc/ssl 0755 0:0 dir",
            "etc/ssl/certs 0777 0:0 -> -a/etc/ssl/certs",
            "etc/ssl/own 0600 7:0 \"t\"",
            "etc/ssl-extra 0777 0:0 -> -a/etc/ssl-extra",
        ]
        .map(str::to_owned)
        .into_iter()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
}

#[test]
fn users_directories_and_links_become_entries_with_their_owners() {
    let rest = r#","users":{"app":{"uid":65532,"gid":65532}},"groups":{"app":{"gid":65532,"members":["app"]}},
        "directories":{"/tmp":{"mode":"1777"},"/var/lib/app":{"uid":65532,"gid":65532,"mode":"0700"}},
        "symlinks":{"/bin/sh":"/bin/busybox"}"#;
    assert_eq!(
        listing(&Store::rootfs(rest, &[]).unwrap()),
        [
            "bin 0755 0:0 dir",
            "bin/sh 0777 0:0 -> /bin/busybox",
            "etc 0755 0:0 dir",
            "etc/group 0644 0:0 \"app:x:65532:app\\n\"",
            "etc/passwd 0644 0:0 \"app:x:65532:65532::/:/sbin/nologin\\n\"",
            "tmp 1777 0:0 dir",
            "var 0755 0:0 dir",
            "var/lib 0755 0:0 dir",
            "var/lib/app 0700 65532:65532 dir",
        ]
    );
}

#[test]
fn one_path_from_two_sources_is_an_error_that_names_both_unless_they_are_equal() {
    // faults 16 and 17
    let store = Store::new();
    let a = store.file("a", "bin/x", "one");
    let b = store.file("b", "bin/x", "two");
    let same = store.file("c", "bin/x", "one");
    let dir = store.file("d", "bin/x/y", "");
    let error =
        |rest: &str, contents: &[&String]| Store::rootfs(rest, contents).unwrap_err().to_string();
    assert!(error("", &[&a, &b]).contains("-a/bin/x` and from"));
    assert!(error("", &[&a, &dir]).contains("-d/bin/x`"));
    let ends = |rest: &str, end: &str| assert!(error(rest, &[&a]).ends_with(end));
    ends(r#","files":{"/bin/x":{"text":""}}"#, r#"-a/bin/x` and from files."/bin/x""#);
    ends(r#","files":{"/bin/x/y":{"text":""}}"#, r#"-a/bin/x` and from files."/bin/x/y""#);
    let both = r#","files":{"/y":{"text":""},"/y/z":{"text":""}}"#;
    ends(both, r#"`/y` comes from files."/y" and from files."/y/z""#);
    assert!(Store::rootfs("", &[&a, &same, &a]).is_ok());
}

#[test]
fn without_store_paths_contents_are_copied() {
    let store = Store::new();
    let a = store.file("a", "bin/x", "one");
    let full = std::path::Path::new(&a).join("bin/x");
    std::fs::set_permissions(&full, std::fs::Permissions::from_mode(0o555)).unwrap();
    symlink("x", full.with_file_name("y")).unwrap();
    let rootfs = Store::rootfs(r#","includeStorePaths":false"#, &[&a]).unwrap();
    assert_eq!(
        listing(&rootfs),
        ["bin 0755 0:0 dir", "bin/x 0755 0:0 copy", "bin/y 0777 0:0 -> x"]
    );
}

#[test]
fn links_that_lead_back_up_are_not_walked_in_circles() {
    let store = Store::new();
    let contents = ["a", "b"].map(|name| store.file(name, &format!("bin/{name}"), ""));
    for root in &contents {
        // Followed, each of them has both again, forty levels deep.
        for (link, target) in [("X11", "."), ("up", "..")] {
            symlink(target, std::path::Path::new(root).join("bin").join(link)).unwrap();
        }
    }
    let [a, b] = &contents;
    let copied = Store::rootfs(r#","includeStorePaths":false"#, &[a]).unwrap();
    let links = ["bin/X11 0777 0:0 -> .", "bin/up 0777 0:0 -> .."];
    let dir = "bin 0755 0:0 dir";
    assert_eq!(listing(&copied), [dir, links[0], "bin/a 0644 0:0 copy", links[1]]);
    let linked = listing(&Store::rootfs("", &[a, b]).unwrap());
    let own = ["bin/a 0777 0:0 -> -a/bin/a", "bin/b 0777 0:0 -> -b/bin/b"];
    assert_eq!(linked, [dir, links[0], own[0], own[1], links[1]]);
}

#[test]
fn a_source_that_is_a_directory_is_copied_whole_and_a_fifo_is_refused() {
    // fault 26
    let store = Store::new();
    let a = store.file("a", "p/deep/x", "one");
    let rest = format!(r#","files":{{"/plugin":{{"source":"{a}/p","uid":1}}}}"#);
    assert_eq!(
        listing(&Store::rootfs(&rest, &[]).unwrap()),
        ["plugin 0755 1:0 dir", "plugin/deep 0755 1:0 dir", "plugin/deep/x 0644 1:0 copy"]
    );
    let fifo = std::path::Path::new(&a).join("p/deep/fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let error = Store::rootfs(&rest, &[]).unwrap_err().to_string();
    assert!(error.contains("deep/fifo`, which is not a file"), "{error}");
}

#[test]
fn a_content_that_is_a_file_is_refused_with_what_to_do() {
    let store = Store::new();
    let path = store.0.path().join(format!("{HASH}-file"));
    crate::fs::write_atomically(&path, b"").unwrap();
    let error = Store::rootfs("", &[&path.to_str().unwrap().to_owned()]).unwrap_err();
    assert!(error.to_string().contains("name it in `files`"));
}

#[test]
fn capabilities_become_the_attribute_that_the_kernel_reads() {
    let rest = r#","files":{"/bin/x":{"text":"","mode":"0755","capabilities":["cap_net_raw=ep"]}}"#;
    let rootfs = Store::rootfs(rest, &[]).unwrap();
    let value = &rootfs.get(Path::new("bin/x")).unwrap().xattrs["security.capability"];
    assert_eq!(value[..], [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let store = Store::new();
    let tree = store.file("a", "x", "");
    let rest =
        format!(r#","files":{{"/t":{{"source":"{tree}","capabilities":["cap_net_raw=ep"]}}}}"#);
    let error = Store::rootfs(&rest, &[]).unwrap_err().to_string();
    assert!(error.contains("leave out `capabilities`"), "{error}");
}

#[test]
fn links_that_lead_out_of_the_store_are_never_read_through() {
    let store = Store::new();
    let a = store.file("a", "p/x", "one");
    symlink("/etc/hostname", Path::new(&a).join("file")).unwrap();
    symlink("/etc", Path::new(&a).join("dir")).unwrap();
    for source in ["file", "dir"] {
        let rest = format!(r#","files":{{"/x":{{"source":"{a}/{source}"}}}}"#);
        let error = Store::rootfs(&rest, &[]).unwrap_err().to_string();
        assert!(error.contains("which is not in the store"), "{error}");
    }
    // A directory that is linked as a whole is not read; copied, it would be.
    let copied = r#","includeStorePaths":false"#;
    let error = Store::rootfs(copied, &[&a]).unwrap_err().to_string();
    assert!(error.contains("-a/dir` leads to `/etc`"), "{error}");
}
