//! Layouts as directories: foreign files in them, and what a failed run leaves.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::command::DEFAULT_SIGNALS;
use crate::support::sandbox::{GZIP, NONE, Sandbox, ZSTD, assert_success, run, stderr_text, tree};

const LAYOUT: [&str; 2] = ["--format", "layout"];

fn build(sandbox: &Sandbox, out: &str) {
    assert_success(&sandbox.build(&[], out, &LAYOUT).output().unwrap());
}

fn validate(layout: &Path) {
    run(env!("CARGO_BIN_EXE_cooper"), &[&"validate", &layout]);
}

#[test]
fn layout_foreign_files_with_similar_names_stay() {
    let sandbox = Sandbox::with_store_paths(1, 1000, GZIP);
    build(&sandbox, "layout");
    let (dir, before) = (sandbox.path("layout"), tree(&sandbox.path("layout")));
    let own = [".cooper-notes", "blobs/sha256/.cooper-notes"];
    for name in own {
        fs::write(dir.join(name), "precious").unwrap();
    }
    let directories = [".cooper-cache", ".cooper-dir.tmp"];
    for name in directories {
        fs::create_dir(dir.join(name)).unwrap();
    }
    for name in [".cooper-a1B2c3.tmp", "blobs/sha256/.cooper-a1B2c3.tmp"] {
        fs::write(dir.join(name), "half a blob").unwrap();
    }
    build(&sandbox, "layout");
    assert_eq!(tree(&dir).len(), before.len() + own.len() + directories.len());
    assert!(own.iter().all(|name| fs::read(dir.join(name)).unwrap() == b"precious"));
    // A directory with one of these is not empty.
    for name in directories {
        fs::create_dir_all(sandbox.path("other").join(name)).unwrap();
        let output = sandbox.build(&[], "other", &LAYOUT).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        fs::remove_dir_all(sandbox.path("other")).unwrap();
    }
}

#[test]
fn layout_damaged_documents_are_repaired() {
    let sandbox = Sandbox::with_store_paths(2, 1000, GZIP);
    build(&sandbox, "layout");
    let before = tree(&sandbox.path("layout"));
    let mut damaged = 0;
    for blob in fs::read_dir(sandbox.path("layout/blobs/sha256")).unwrap() {
        let path = blob.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if bytes[0] == b'{' {
            bytes[20] ^= 1;
            fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 2);
    build(&sandbox, "layout");
    assert_eq!(tree(&sandbox.path("layout")), before);
}

#[test]
fn layout_failed_build_restores_foreign_layout() {
    let sandbox = Sandbox::with_store_paths(1, 1000, GZIP);
    build(&sandbox, "layout");
    let before = tree(&sandbox.path("layout"));
    sandbox.add_store_paths(3, 1000);
    for compression in [NONE, ZSTD, GZIP] {
        sandbox.write_spec(compression);
        fs::remove_dir_all(sandbox.store_path(2)).unwrap();
        for out in ["layout", "new/and/nested"] {
            let output = sandbox.build(&[], out, &LAYOUT).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{}", stderr_text(&output));
            assert_eq!(tree(&sandbox.path("layout")), before, "{compression}");
            assert!(!sandbox.path("new").exists());
        }
        sandbox.add_store_paths(3, 1000);
    }
    // The last step fails as well: no space for another image in the index.
    let index = sandbox.path("layout/index.json");
    let mut entries: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    entries["manifests"][0]["annotations"]["long"] = "x".repeat((4 << 20) - 500).into();
    fs::write(&index, entries.to_string()).unwrap();
    let before = tree(&sandbox.path("layout"));
    let spec = fs::read_to_string(sandbox.write_spec(GZIP)).unwrap();
    fs::write(sandbox.path("spec.json"), spec.replace("\"test\"", "\"other\"")).unwrap();
    let output = sandbox.build(&[], "layout", &LAYOUT).output().unwrap();
    assert!(stderr_text(&output).contains("name another folder"), "{}", stderr_text(&output));
    assert_eq!(tree(&sandbox.path("layout")), before);
}

#[test]
fn layout_signal_during_build_restores_the_layout() {
    for (out, signal, number) in
        [("layout", "-INT", 2), ("layout", "-TERM", 15), ("new/nested", "-HUP", 1)]
    {
        let sandbox = Sandbox::with_store_paths(1, 1000, GZIP);
        build(&sandbox, "layout");
        let before = tree(&sandbox.path("layout"));
        sandbox.add_store_paths(2, 50_000);
        fs::write(sandbox.store_path(1).join("large"), vec![b'x'; 400_000_000]).unwrap();
        sandbox.write_spec(ZSTD);
        let mut child =
            sandbox.build(&DEFAULT_SIGNALS, out, &["--jobs", "2", "--format", "layout"]);
        let mut child = child.spawn().unwrap();
        let blobs = sandbox.path(out).join("blobs/sha256");
        let count = || fs::read_dir(&blobs).map_or(0, Iterator::count);
        let already = if out == "layout" { count() } else { 0 };
        while count() <= already {
            assert!(child.try_wait().unwrap().is_none(), "it was done before the signal");
            std::thread::sleep(Duration::from_millis(1));
        }
        run("kill", &[&signal, &child.id().to_string()]);
        assert_eq!(child.wait().unwrap().code(), Some(128 + number), "{signal}");
        assert_eq!(tree(&sandbox.path("layout")), before, "{signal}");
        assert_eq!(sandbox.leftovers(), ["layout"], "{signal}");
    }
}

#[test]
fn layout_signal_at_start_or_end_restores_the_layout() {
    let sandbox = Sandbox::with_store_paths(1, 1000, GZIP);
    sandbox.expected_archive();
    let named = ["-e", "inject=rename,renameat,renameat2:delay_enter=300000"];
    let strace = ["strace", "-D", "-f", "-qq", "-e", "trace=rename,renameat,renameat2"];
    let strace = [&strace[..], &named, &["-o", "/dev/null"]].concat();
    // The number of blobs when a temporary file waits for its rename.
    for (blobs, directory) in [(0, ""), (0, "blobs/sha256"), (1, "blobs/sha256"), (3, "")] {
        let dir = sandbox.path("new/nested");
        let count = |directory: &str, is_waiting: bool| {
            let files = fs::read_dir(dir.join(directory)).into_iter().flatten().flatten();
            let names = files.map(|file| file.file_name().into_string().unwrap());
            names.filter(|name| name.starts_with('.') == is_waiting).count()
        };
        let mut child = sandbox.build(&strace, "new/nested", &LAYOUT).spawn().unwrap();
        while count("blobs/sha256", false) != blobs || count(directory, true) == 0 {
            assert!(child.try_wait().unwrap().is_none(), "it was done before the signal");
        }
        run("kill", &[&"-TERM", &child.id().to_string()]);
        assert_eq!(child.wait().unwrap().code(), Some(128 + 15), "{blobs} {directory}");
        assert_eq!(sandbox.leftovers(), [""; 0], "{blobs} {directory}");
    }
}

#[test]
fn layout_symlinks_are_never_written_through() {
    let sandbox = Sandbox::with_store_paths(1, 1000, GZIP);
    let (dir, other_dir) = (sandbox.path("layout"), sandbox.path("other"));
    fs::create_dir(&other_dir).unwrap();
    for link in ["blobs", "blobs/sha256"] {
        build(&sandbox, "layout");
        fs::remove_dir_all(dir.join(link)).unwrap();
        symlink(&other_dir, dir.join(link)).unwrap();
        let output = sandbox.build(&[], "layout", &LAYOUT).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr_text(&output));
        assert!(
            stderr_text(&output).contains(&format!("`{link}` is a link")),
            "{}",
            stderr_text(&output)
        );
        assert_eq!(fs::read_dir(&other_dir).unwrap().count(), 0);
        fs::remove_dir_all(&dir).unwrap();
    }
    build(&sandbox, "layout");
    let before = tree(&dir);
    let pipe = other_dir.join("pipe");
    run("mkfifo", &[&pipe]);
    let blobs = fs::read_dir(dir.join("blobs/sha256")).unwrap().map(|blob| blob.unwrap().path());
    for path in blobs.chain([dir.join("oci-layout")]) {
        fs::remove_file(&path).unwrap();
        symlink(&pipe, &path).unwrap();
        let mut command = Command::new("timeout");
        command.arg("60").arg(env!("CARGO_BIN_EXE_cooper")).arg("--cache");
        command
            .arg(sandbox.path("cache"))
            .args(["--quiet", "build"])
            .arg(sandbox.path("spec.json"));
        command.arg("-o").arg(&dir).args(LAYOUT);
        let output = command.output().unwrap();
        if path.ends_with("oci-layout") {
            assert!(
                stderr_text(&output).contains("it is no regular file"),
                "{}",
                stderr_text(&output)
            );
        } else {
            assert_success(&output);
            assert_eq!(tree(&dir), before);
        }
    }
}

#[test]
fn layout_file_system_without_chmod_or_fsync_works() {
    let sandbox = Sandbox::with_store_paths(2, 1000, GZIP);
    for inject in [
        "inject=fchmod,chmod,fchmodat:error=EPERM",
        "inject=fsync,fdatasync:error=EINVAL",
        "inject=fsync,fdatasync:error=EOPNOTSUPP",
    ] {
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", inject];
        assert_success(&sandbox.build(&strace, "out.tar", &[]).output().unwrap());
        assert_success(&sandbox.build(&strace, "layout", &LAYOUT).output().unwrap());
        validate(&sandbox.path("out.tar"));
        validate(&sandbox.path("layout"));
        fs::remove_dir_all(sandbox.path("layout")).unwrap();
        fs::remove_dir_all(sandbox.path("cache")).unwrap();
    }
}

#[test]
fn file_size_limit_is_a_reported_error() {
    let sandbox = Sandbox::with_store_paths(1, 500_000, GZIP);
    for (out, format) in [("out.tar", "archive"), ("layout", "layout")] {
        for compression in [GZIP, NONE] {
            sandbox.write_spec(compression);
            let more = ["--format", format];
            let output =
                sandbox.build(&["prlimit", "--fsize=100000"], out, &more).output().unwrap();
            assert!(!output.status.success());
            assert!(stderr_text(&output).contains("File too large"), "{}", stderr_text(&output));
            assert_eq!(output.status.code(), Some(2), "{}", stderr_text(&output));
            assert_eq!(sandbox.leftovers(), [""; 0]);
        }
    }
}
