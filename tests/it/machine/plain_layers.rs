//! Plain layers that another process has hashed: only the file stamps of their store paths are
//! compared, and a changed stamp leads to a new hash.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::support::sandbox::{NONE, Sandbox, assert_success, noise, stderr_text};

/// Returns two layers, one that ends in a file and one in a link, and the archive of both.
fn sandbox() -> (Sandbox, Vec<u8>) {
    let sandbox = Sandbox::new();
    for number in [0, 1] {
        let dir = sandbox.store_path(number);
        fs::create_dir_all(dir.join("a-dir")).unwrap();
        fs::write(dir.join("b-empty"), b"").unwrap();
        fs::write(dir.join("c-small"), noise(number, 10)).unwrap();
        fs::write(large(&sandbox, number), noise(number, 3_000_000)).unwrap();
    }
    symlink("b-empty", sandbox.store_path(1).join("e-link")).unwrap();
    sandbox.write_spec(NONE);
    let expected = sandbox.expected_archive();
    (sandbox, expected)
}

fn large(sandbox: &Sandbox, number: usize) -> PathBuf {
    sandbox.store_path(number).join("d-large")
}

/// Builds in a new process. Returns its exit code, its output, and the layers whose large file was
/// spliced into the pipe without being hashed.
fn rebuild(sandbox: &Sandbox) -> (Option<i32>, std::process::Output, [bool; 2]) {
    let calls = sandbox.path("calls");
    let strace = ["strace", "-f", "-qq", "-y", "-e", "trace=splice", "-o"];
    let strace = [&strace[..], &[calls.to_str().unwrap()]].concat();
    let output = sandbox.build(&strace, "-", &[]).output().unwrap();
    let calls = fs::read_to_string(calls).unwrap();
    let unread = [0, 1].map(|number| calls.contains(large(sandbox, number).to_str().unwrap()));
    (output.status.code(), output, unread)
}

#[test]
fn plain_layer_hashed_by_other_process_is_not_rehashed() {
    let (sandbox, expected) = sandbox();
    let (_, output, unread) = rebuild(&sandbox);
    assert_success(&output);
    assert!(output.stdout == expected);
    assert_eq!(unread, [true, true]);
    assert_success(&sandbox.build(&[], "out.tar", &[]).output().unwrap());
    assert!(fs::read(sandbox.path("out.tar")).unwrap() == expected);
}

/// The stamp of a file changed, and its content did not.
#[test]
fn plain_layer_with_changed_stamp_is_rehashed() {
    let changes: [fn(&Path); 3] = [
        |file| {
            let mode = file.metadata().unwrap().permissions();
            fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
            fs::set_permissions(file, mode).unwrap();
        },
        |file| fs::hard_link(file, file.with_file_name("../../link")).unwrap(),
        |file| {
            let copy = file.with_file_name("../../copy");
            fs::copy(file, &copy).unwrap();
            fs::rename(copy, file).unwrap();
        },
    ];
    for (number, change) in changes.iter().enumerate() {
        let (sandbox, expected) = sandbox();
        change(&large(&sandbox, 1));
        let (_, output, unread) = rebuild(&sandbox);
        assert_success(&output);
        assert!(output.stdout == expected, "{number}");
        assert_eq!(unread, [true, false], "{number}");
        let (_, output, unread) = rebuild(&sandbox);
        assert!(output.stdout == expected, "{number}");
        assert_eq!(unread, [true, true], "{number}: once is enough");
    }
}

#[test]
fn plain_layer_with_changed_content_is_an_error() {
    type Change = (fn(&Path), &'static str);
    let changes: [Change; 4] = [
        (
            |file| {
                let before = file.metadata().unwrap().modified().unwrap();
                let file = File::options().write(true).open(file).unwrap();
                file.write_all_at(b"other", 1_000_000).unwrap();
                file.set_modified(before).unwrap();
            },
            "changed after they were read",
        ),
        (|file| fs::write(file.with_file_name("c-small"), b"0123456789").unwrap(), "changed"),
        (|file| fs::write(file.with_file_name("f-new"), b"").unwrap(), "changed"),
        (|file| fs::remove_dir_all(file.parent().unwrap()).unwrap(), "failed to read"),
    ];
    for (change, message) in changes {
        let (sandbox, _) = sandbox();
        change(&large(&sandbox, 1));
        let (code, output, unread) = rebuild(&sandbox);
        assert_eq!(code, Some(2), "{}", stderr_text(&output));
        assert!(stderr_text(&output).contains(message), "{}", stderr_text(&output));
        assert!(!unread[1], "the record is not trusted");
    }
}

#[test]
fn plain_layer_in_layout_reads_no_store_files() {
    let (sandbox, _) = sandbox();
    let layout = ["--format", "layout"];
    assert_success(&sandbox.build(&[], "layout", &layout).output().unwrap());
    let calls = sandbox.path("calls");
    let strace = ["strace", "-f", "-qq", "-e", "trace=openat,statx", "-o"];
    let strace = [&strace[..], &[calls.to_str().unwrap()]].concat();
    assert_success(&sandbox.build(&strace, "layout", &layout).output().unwrap());
    let calls = fs::read_to_string(calls).unwrap();
    assert!(calls.contains("index.json"), "{calls}");
    assert!(!calls.contains("d-large"), "{calls}");
}
