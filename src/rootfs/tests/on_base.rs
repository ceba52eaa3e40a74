use std::collections::{BTreeMap, BTreeSet};

use super::{Store, listing};
use crate::rootfs::on_base::{Account, BaseFilesystem};
use crate::rootfs::*;

fn spec(fields: &str) -> Spec {
    crate::spec::parse(format!(r#"{{"version":1,"name":"a",{fields}}}"#).as_bytes()).unwrap()
}

fn below() -> BaseFilesystem {
    BaseFilesystem {
        links: BTreeMap::from([(b"bin".to_vec(), b"usr/bin".to_vec())]),
        directories: BTreeMap::from([
            (b"tmp".to_vec(), (0o1777, 0, 0)),
            (b"srv".to_vec(), (0o750, 7, 8)),
            (b"usr/bin".to_vec(), (0o755, 0, 0)),
        ]),
        accounts: BTreeMap::from([(
            b"etc/passwd".to_vec(),
            Account {
                bytes: Ok(b"root:x:0:0::/root:/bin/sh\napp:x:5:5::/:/bin/sh\n".to_vec()),
                escapes: false,
            },
        )]),
    }
}

fn laid(fields: &str) -> Rootfs {
    let spec = spec(fields);
    Rootfs::on_base(&spec, &below()).unwrap()
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
    let error = Rootfs::on_base(&spec, &below()).unwrap_err();
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
        Rootfs::on_base(&spec, &below())
    };
    let error = over(r#""directories":{"/bin":{"mode":"0700"},"/usr/bin":{"uid":9}}"#);
    let error = error.unwrap_err().to_string();
    let both = "directories.\"/bin\" and directories.\"/usr/bin\" are both `/usr/bin`";
    assert!(error.starts_with(both), "{error}");
    let equal = over(r#""directories":{"/bin":{"uid":9},"/usr/bin":{"uid":9}}"#).unwrap();
    assert_eq!(equal.entries[b"usr/bin".as_slice()].uid, 9);
}

/// A base with a merged `/usr`, as Debian's; on it a package with these files.
fn merged(files: &[(&str, &str, &str)], rest: &str) -> Result<Vec<String>, String> {
    let store = Store::new();
    for (name, path, text) in files {
        store.file(name, path, text);
    }
    let names: BTreeSet<&str> = files.iter().map(|(name, ..)| *name).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let spec = store.spec(rest, &names, &names);
    let path = |text: &&str| text.as_bytes().to_vec();
    let links = [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib"), ("var/run", "run")];
    let directories = ["etc", "etc/ssl", "run", "usr", "usr/bin", "usr/lib", "usr/share", "var"];
    let below = BaseFilesystem {
        links: links.iter().map(|(from, to)| (path(from), path(to))).collect(),
        directories: directories.iter().map(|dir| (path(dir), (0o755, 0, 0))).collect(),
        accounts: BTreeMap::new(),
    };
    Rootfs::new(&spec).map_err(|error| error.to_string())?;
    let rootfs = Rootfs::on_base(&spec, &below).map_err(|error| {
        let text = error.to_string();
        text.split('`')
            .map(|part| part.rsplit("aaa-").next().unwrap())
            .collect::<Vec<_>>()
            .join("`")
    })?;
    let mut lines = listing(&rootfs);
    lines.retain(|line| !line.ends_with(" dir"));
    Ok(lines.iter().map(|line| line.replace(" 0777 0:0", "")).collect())
}

#[test]
fn package_directories_that_a_base_makes_one_are_merged() {
    for (files, lines) in [
        (
            &[("p", "bin/a", "a"), ("p", "usr/bin/b", "b")][..],
            &["usr/bin/a -> -p/bin/a", "usr/bin/b -> -p/usr/bin/b"][..],
        ),
        (
            &[("p", "bin/a", "same"), ("q", "usr/bin/a", "same"), ("q", "usr/bin/b", "b")],
            &["usr/bin/a -> -p/bin/a", "usr/bin/b -> -q/usr/bin/b"],
        ),
        (
            &[("p", "lib/x/1", ""), ("p", "lib64/x/2", ""), ("q", "usr/lib/x/3", "")],
            &[
                "usr/lib/x/1 -> -p/lib/x/1",
                "usr/lib/x/2 -> -p/lib64/x/2",
                "usr/lib/x/3 -> -q/usr/lib/x/3",
            ],
        ),
        (
            &[("p", "var/run/x/a", ""), ("p", "run/b", "")],
            &["run/b -> -p/run/b", "run/x -> -p/var/run/x"],
        ),
    ] {
        assert_eq!(merged(files, "").unwrap(), lines, "{files:?}");
    }
}

#[test]
fn package_directory_that_the_base_has_is_not_one_link() {
    let files = [("p", "etc/ssl/cert", ""), ("p", "usr/share/doc/a", ""), ("p", "opt/p/a", "")];
    let lines = [
        "etc/ssl/cert -> -p/etc/ssl/cert",
        "opt/p -> -p/opt/p",
        "usr/share/doc -> -p/usr/share/doc",
    ];
    assert_eq!(merged(&files, "").unwrap(), lines);
}

#[test]
fn two_contents_of_one_name_behind_a_link_are_named() {
    for (files, rest, error) in [
        (
            &[("p", "bin/a", "1"), ("q", "usr/bin/a", "2")][..],
            "",
            "`p/bin/a` and `q/usr/bin/a` are both `/usr/bin/a`",
        ),
        (
            &[("p", "lib/x", "1"), ("p", "lib64/x", "2")],
            "",
            "`p/lib/x` and `p/lib64/x` are both `/usr/lib/x`",
        ),
        (
            &[("p", "lib/x", "1"), ("q", "usr/lib/x/y", "2")],
            "",
            "`p/lib/x` and `q/usr/lib/x` are both `/usr/lib/x`",
        ),
        (
            &[("p", "bin/a", "1")],
            r#","files":{"/usr/bin/a":{"text":"2"}}"#,
            "`p/bin/a` and files.\"/usr/bin/a\" are both `/usr/bin/a`",
        ),
    ] {
        let message = merged(files, rest).unwrap_err();
        assert_eq!(message, format!("{error} by the links of the base; leave one out"));
    }
}

#[test]
fn base_account_file_that_no_runtime_follows_is_written_again() {
    let account = |escapes, bytes: Result<&[u8], &str>| Account {
        bytes: bytes.map(<[u8]>::to_vec).map_err(str::to_owned),
        escapes,
    };
    let on_base = |fields: &str, account: Account| {
        let mut below = below();
        below.accounts.insert(b"etc/passwd".to_vec(), account);
        let rootfs = Rootfs::on_base(&spec(fields), &below)?;
        Ok::<_, RootfsError>(listing(&rootfs))
    };
    let written = on_base(r#""tags":["a"]"#, account(true, Ok(b"a:1\n"))).unwrap();
    assert_eq!(written, ["etc 0755 0:0 dir", r#"etc/passwd 0644 0:0 "a:1\n""#]);
    assert!(on_base(r#""tags":["a"]"#, account(false, Ok(b"a:1\n"))).unwrap().is_empty());
    let own = on_base(r#""files":{"/etc/passwd":{"text":"b"}}"#, account(true, Ok(b"a"))).unwrap();
    assert_eq!(own[1], r#"etc/passwd 0644 0:0 "b""#);
    let unread =
        on_base(r#""users":{"b":{"uid":1,"gid":1}}"#, account(true, Err("is a directory")));
    assert_eq!(
        unread.unwrap_err().to_string(),
        "`users` and `groups` need `/etc/passwd` of the base image, which is a directory"
    );
}
