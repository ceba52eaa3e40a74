//! Store content through the real binary: every file that Nix registers is stored unchanged, and
//! every other file is an error that names it.

use serde_json::{Value, json};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;

use crate::support::command::{CommandOutput, TestDir, run};

/// Returns every entry of all layers of the built `spec.json` below the store path `a`, one a line.
fn entries(test_dir: &TestDir) -> Vec<String> {
    let mut lines = Vec::new();
    for layer in test_dir.layers("spec.json") {
        for entry in tar::Archive::new(layer).entries().unwrap() {
            lines.extend(line(test_dir, &entry.unwrap()));
        }
    }
    lines
}

fn line(test_dir: &TestDir, entry: &tar::Entry<'_, impl std::io::Read>) -> Option<String> {
    let root = test_dir.store_path("a");
    let below = root.as_os_str().as_bytes()[1..].to_vec();
    let path = entry.path_bytes().into_owned();
    let name = path.strip_prefix(below.as_slice())?.escape_ascii().to_string();
    let name = if name.len() > 1 { name.trim_end_matches('/') } else { &name };
    let header = entry.header();
    assert_eq!(header.mtime().unwrap(), 1, "{name}");
    assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0), "{name}");
    let link = entry.link_name_bytes().map(|link| link.escape_ascii().to_string());
    let what = match header.entry_type() {
        tar::EntryType::Directory => "dir".into(),
        tar::EntryType::Symlink => format!("-> {}", link.unwrap_or_default()),
        tar::EntryType::Regular => format!("{} bytes", entry.size()),
        other => format!("{other:?}"),
    };
    Some(format!("{name} {:04o} {what}", header.mode().unwrap()))
}

fn plain(closure: &[&str], test_dir: &TestDir) {
    test_dir.write_spec(closure, json!({"compression": {"algorithm": "none"}}));
}

#[test]
fn store_path_missing_is_named() {
    let test_dir = TestDir::new();
    plain(&["gone"], &test_dir);
    let path = test_dir.store_path("gone").display().to_string();
    test_dir.assert_build_fails(1, &[&path, "No such file or directory"]);
    test_dir.write_spec(&["gone"], json!({"contents": [path]}));
    test_dir.assert_build_fails(1, &[&path, "No such file or directory"]);
    let source = format!("{path}/etc/app.conf");
    test_dir.write_spec(&["gone"], json!({"files": {"/app.conf": {"source": source}}}));
    test_dir.assert_build_fails(1, &[&source, "No such file or directory"]);
}

#[test]
fn store_symlinks_are_stored_unfollowed() {
    let test_dir = TestDir::new();
    let root = test_dir.store_path("a");
    std::fs::create_dir_all(&root).unwrap();
    let long = "x".repeat(4095);
    for (name, target) in [
        ("absolute", "/etc/shadow"),
        ("dangling", "missing"),
        ("long", &long),
        ("loop", "loop"),
        ("up", "../../.."),
    ] {
        symlink(target, root.join(name)).unwrap();
    }
    plain(&["a"], &test_dir);
    assert_eq!(
        entries(&test_dir),
        [
            "/ 0555 dir".to_owned(),
            "/absolute 0777 -> /etc/shadow".into(),
            "/dangling 0777 -> missing".into(),
            format!("/long 0777 -> {long}"),
            "/loop 0777 -> loop".into(),
            "/up 0777 -> ../../..".into(),
        ]
    );
    std::fs::remove_dir_all(&root).unwrap();
    symlink("/etc/shadow", &root).unwrap();
    assert_eq!(entries(&test_dir), [" 0777 -> /etc/shadow"]);
}

/// Runs cooper to its end while a reader watches the FIFO: opening it would block.
fn run_and_check_not_opened(test_dir: &TestDir, args: &[&str], fifo: &Path) -> CommandOutput {
    use rustix::fs::{Mode, OFlags, open};
    let piped = Stdio::piped;
    let mut child = test_dir.command(args).stdout(piped()).stderr(piped()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        // A FIFO can be opened this way only if another process has it open for reading.
        let opened = open(fifo, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty());
        assert!(opened.is_err(), "`{}` was opened", fifo.display());
        std::thread::yield_now();
    }
    CommandOutput::new(child.wait_with_output().unwrap())
}

#[test]
fn store_fifos_and_sockets_are_refused() {
    let test_dir = TestDir::new();
    test_dir.store_file("a", "x", "");
    let fifo = test_dir.store_path("a").join("fifo");
    let refused = |fields: Value, name: &Path| {
        test_dir.write_spec(&["a"], fields);
        let result =
            run_and_check_not_opened(&test_dir, &["build", "spec.json", "-o", "out.tar"], name);
        result.assert_failure(1, &[&name.display().to_string()]);
        assert!(!test_dir.path("out.tar").exists());
    };
    let source = json!({"files": {"/tree": {"source": test_dir.store_path("a")}}, "includeStorePaths": false});
    run("mkfifo", &[&fifo]);
    refused(json!({}), &fifo);
    refused(source.clone(), &fifo);
    refused(json!({"contents": [test_dir.store_path("a")]}), &fifo);
    std::fs::remove_file(&fifo).unwrap();
    let socket = test_dir.store_path("a").join("s");
    let _listener = UnixListener::bind(&socket).unwrap();
    refused(json!({}), &socket);
    refused(source, &socket);
}

#[test]
fn store_unreadable_file_is_named_for_non_root() {
    let test_dir = TestDir::new();
    let secret = test_dir.store_file("a", "secret", "x");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o000)).unwrap();
    plain(&["a"], &test_dir);
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&secret).unwrap()) == 0;
    if !root {
        return test_dir
            .assert_build_fails(2, &[&secret.display().to_string(), "Permission denied"]);
    }
    assert_eq!(entries(&test_dir), ["/ 0555 dir", "/secret 0444 1 bytes"]);
    // Another user needs a copy of the program in a directory that it can read.
    let program = test_dir.path("cooper");
    std::fs::copy(env!("CARGO_BIN_EXE_cooper"), &program).unwrap();
    std::fs::set_permissions(test_dir.path(""), std::fs::Permissions::from_mode(0o777)).unwrap();
    let output = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["build", "spec.json", "-o", "out.tar", "--cache", "none"])
        .current_dir(test_dir.path(""))
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(&secret.display().to_string()), "{stderr}");
    assert!(!test_dir.path("out.tar").exists());
}

#[test]
fn store_modes_and_hard_links_do_not_matter() {
    let test_dir = TestDir::new();
    test_dir.executable("a", "bin/run", b"1234");
    let file = test_dir.store_file("a", "share/file", "12");
    let mode = |path: &Path, bits| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).unwrap();
    };
    plain(&["a"], &test_dir);
    let expected = [
        "/ 0555 dir",
        "/bin 0555 dir",
        "/bin/run 0555 4 bytes",
        "/share 0555 dir",
        "/share/file 0444 2 bytes",
        "/share/second 0444 2 bytes",
    ];
    let second = test_dir.store_file("a", "share/second", "12");
    assert_eq!(entries(&test_dir), expected);
    std::fs::remove_file(&second).unwrap();
    std::fs::hard_link(&file, &second).unwrap();
    assert_eq!(entries(&test_dir), expected);
    mode(&file, 0o600);
    mode(&test_dir.store_path("a"), 0o700);
    assert_eq!(entries(&test_dir), expected);
}

#[test]
fn store_odd_names_are_kept_and_whiteouts_refused() {
    let test_dir = TestDir::new();
    let root = test_dir.store_path("a");
    std::fs::create_dir_all(&root).unwrap();
    let names: [&[u8]; 10] = [
        b" trailing ",
        b"-dash",
        b"..foo",
        b"A",
        b"a",
        b"back\\slash",
        b"new\nline\ttab=",
        b"not\xffutf8",
        b"e\xcc\x81",
        b"\xc3\xa9",
    ];
    for name in names {
        std::fs::write(root.join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
    }
    plain(&["a"], &test_dir);
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    let lines = sorted.iter().map(|name| format!("/{} 0444 0 bytes", name.escape_ascii()));
    let expected: Vec<String> = std::iter::once("/ 0555 dir".to_owned()).chain(lines).collect();
    assert_eq!(entries(&test_dir), expected);
    let whiteout = test_dir.store_file("a", "dir/.wh.x", "");
    plain(&["a"], &test_dir);
    let result = test_dir.cooper(&["build", "spec.json", "-o", "out.tar"]);
    assert!(matches!(result.code, Some(1 | 2)), "{}", result.stderr);
    assert!(result.stderr.contains(&whiteout.display().to_string()), "{}", result.stderr);
}

#[test]
fn capabilities_become_the_security_xattr() {
    let test_dir = TestDir::new();
    let file = json!({"text": "x", "mode": "0755", "capabilities": ["cap_net_bind_service=ep"]});
    test_dir
        .write_spec(&[], json!({"files": {"/bin/x": file}, "compression": {"algorithm": "none"}}));
    let result = test_dir.cooper(&["build", "spec.json", "--format", "layout", "-o", "layout"]);
    assert_eq!(result.code, Some(0), "{}", result.stderr);
    let mut found = Vec::new();
    for blob in std::fs::read_dir(test_dir.path("layout/blobs/sha256")).unwrap() {
        let file = std::fs::File::open(blob.unwrap().path()).unwrap();
        for entry in tar::Archive::new(file).entries().unwrap().map_while(Result::ok) {
            let mut entry = entry;
            let Ok(Some(records)) = entry.pax_extensions() else { continue };
            let record =
                |r: tar::PaxExtension<'_>| (r.key().unwrap().to_owned(), r.value_bytes().to_vec());
            found.extend(records.map(Result::unwrap).map(record));
        }
    }
    let value = [&[1, 0, 0, 2, 0, 4][..], &[0; 14]].concat();
    assert_eq!(found, [("SCHILY.xattr.security.capability".to_owned(), value)]);
}

#[test]
fn links_out_of_the_store_are_refused() {
    let test_dir = TestDir::new();
    let root = test_dir.store_path("a");
    std::fs::create_dir_all(&root).unwrap();
    symlink("/etc/hostname", root.join("file")).unwrap();
    symlink("/etc", root.join("dir")).unwrap();
    for name in ["file", "dir"] {
        let source = root.join(name);
        test_dir.write_spec(&["a"], json!({"files": {"/x": {"source": source}}}));
        test_dir
            .assert_build_fails(1, &[&source.display().to_string(), "which is not in the store"]);
    }
    test_dir.write_spec(&["a"], json!({"contents": [root], "includeStorePaths": false}));
    test_dir.assert_build_fails(1, &["-a/dir` leads to `/etc`, which is not in the store"]);
}
