//! Blobs that a layout shares with the cache.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cooper::digest::Digest;

use crate::support::sandbox::{GZIP, KillTimes, Sandbox, ZSTD, assert_success, run, stderr_text};

const LAYOUT: [&str; 2] = ["--format", "layout"];
/// Simulates a file system without reflinks.
const NO_CLONES: [&str; 6] = ["strace", "-f", "-qq", "-e", "inject=ioctl:error=EOPNOTSUPP", "-e"];

/// Builds a layout of hard links and writes the system calls into the file `trace`.
fn build(sandbox: &Sandbox, out: &str, traced: &str) {
    let (trace, traced) = (sandbox.path("trace"), format!("trace=ioctl,{traced}"));
    let before = [&NO_CLONES[..], &[&traced, "-y", "-o", trace.to_str().unwrap()]].concat();
    assert_success(&sandbox.build(&before, out, &LAYOUT).output().unwrap());
}

/// Returns the blobs in a directory by their names.
fn blobs(dir: &Path) -> BTreeMap<String, PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

fn cached_blobs(sandbox: &Sandbox) -> BTreeMap<String, PathBuf> {
    blobs(&sandbox.cache_path("blobs"))
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

/// Returns for each blob of the cache whether the layout has the same file.
fn hard_linked(sandbox: &Sandbox, layout: &str) -> Vec<bool> {
    let blobs = blobs(&sandbox.path(layout).join("blobs/sha256"));
    cached_blobs(sandbox).iter().map(|(name, path)| inode(path) == inode(&blobs[name])).collect()
}

fn validate(layout: &Path) {
    run(env!("CARGO_BIN_EXE_cooper"), &[&"validate", &layout]);
}

#[test]
fn layout_blob_is_a_hard_link_with_mode_0644() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(3, 100_000);
    for compression in [GZIP, ZSTD] {
        sandbox.write_spec(compression);
        let trace = sandbox.path("trace").to_str().unwrap().to_owned();
        let before = [&NO_CLONES[..], &["trace=ioctl", "-o", &trace]].concat();
        let umask = ["sh", "-c", "umask 077; exec \"$0\" \"$@\""];
        let before = [&umask[..], &before].concat();
        assert_success(&sandbox.build(&before, "layout", &LAYOUT).output().unwrap());
        assert!(hard_linked(&sandbox, "layout").iter().all(|same| *same));
        for path in blobs(&sandbox.path("layout/blobs/sha256")).values() {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o644, "{path:?}");
        }
        validate(&sandbox.path("layout"));
        fs::remove_dir_all(sandbox.path("cache")).unwrap();
        validate(&sandbox.path("layout"));
        fs::remove_dir_all(sandbox.path("layout")).unwrap();
    }
}

#[test]
fn layout_blob_tries_reflink_before_hard_link() {
    let sandbox = Sandbox::with_store_paths(1, 1000, GZIP);
    build(&sandbox, "layout", "linkat");
    let trace = fs::read_to_string(sandbox.path("trace")).unwrap();
    let at = |what: &str| trace.find(what).unwrap_or_else(|| panic!("{what}: {trace}"));
    assert!(at("FICLONE") < at("linkat"), "{trace}");
}

#[test]
fn layout_of_cached_layers_reads_no_store_or_blob_bytes() {
    let sandbox = Sandbox::with_store_paths(4, 200_000, GZIP);
    build(&sandbox, "layout", "ioctl");
    for out in ["layout", "other"] {
        // Removing a layout removes names of the cache's files.
        fs::remove_dir_all(sandbox.path("layout")).unwrap();
        build(&sandbox, out, "openat,read,pread64,readv,copy_file_range,sendfile,mmap");
        let trace = fs::read_to_string(sandbox.path("trace")).unwrap();
        assert!(trace.contains("spec.json"), "the trace shows what is read");
        let store = sandbox.path("store");
        let read = trace.lines().filter(|line| {
            line.contains(store.to_str().unwrap())
                || line.contains("/blobs/") && !line.contains("openat") && !line.contains("ioctl")
        });
        assert_eq!(read.collect::<Vec<_>>(), [""; 0]);
        assert_eq!(hard_linked(&sandbox, out), [true; 4]);
        let _ = fs::rename(sandbox.path("other"), sandbox.path("layout"));
    }
    validate(&sandbox.path("layout"));
}

#[test]
fn layout_blob_is_copied_across_file_systems() {
    let sandbox = Sandbox::with_store_paths(2, 100_000, GZIP);
    let shm = tempfile::tempdir_in("/dev/shm").unwrap();
    let layout = shm.path().join("layout");
    assert_ne!(
        fs::metadata(shm.path()).unwrap().dev(),
        fs::metadata(sandbox.path("")).unwrap().dev()
    );
    let copies = || -> Vec<PathBuf> {
        let copied = |name: &String| layout.join("blobs/sha256").join(name);
        cached_blobs(&sandbox).keys().map(copied).collect()
    };
    // The first round builds the layers, and the second one finds them in the cache.
    for _ in 0..2 {
        assert_success(&sandbox.build(&[], layout.to_str().unwrap(), &LAYOUT).output().unwrap());
        assert!(
            cached_blobs(&sandbox).values().all(|path| fs::metadata(path).unwrap().nlink() == 1)
        );
        validate(&layout);
        // A blob is copied again only after a write to it.
        let before: Vec<u64> = copies().iter().map(|path| inode(path)).collect();
        assert_success(&sandbox.build(&[], layout.to_str().unwrap(), &LAYOUT).output().unwrap());
        assert_eq!(copies().iter().map(|path| inode(path)).collect::<Vec<_>>(), before);
        for copy in copies() {
            let file = fs::File::options().write(true).open(copy).unwrap();
            file.write_at(&[0], 50).unwrap();
        }
        assert_success(&sandbox.build(&[], layout.to_str().unwrap(), &LAYOUT).output().unwrap());
        validate(&layout);
        fs::remove_dir_all(&layout).unwrap();
    }
}

#[test]
fn layout_blob_with_unsafe_permissions_is_copied() {
    let sandbox = Sandbox::with_store_paths(2, 100_000, GZIP);
    build(&sandbox, "layout", "ioctl");
    let mut changes = vec![["chmod", "664"], ["chmod", "646"]];
    if rustix::process::geteuid().is_root() {
        changes.push(["chown", "65534"]);
    }
    for [program, to] in changes {
        // The change goes through the hard link in the layout.
        for name in cached_blobs(&sandbox).keys() {
            run(program, &[&to, &sandbox.path("layout/blobs/sha256").join(name)]);
        }
        build(&sandbox, "other", "ioctl");
        assert_eq!(hard_linked(&sandbox, "other"), [false; 2]);
        for path in blobs(&sandbox.path("other/blobs/sha256")).values() {
            let meta = fs::metadata(path).unwrap();
            assert_eq!((meta.mode() & 0o7777, meta.nlink()), (0o644, 1));
            assert_eq!(meta.uid(), rustix::process::geteuid().as_raw());
        }
        validate(&sandbox.path("other"));
        fs::remove_dir_all(sandbox.path("other")).unwrap();
        for path in cached_blobs(&sandbox).values() {
            run("chmod", &[&"644", path]);
        }
    }
}

/// The blob is rebuilt in the cache and in each layout that is built.
#[test]
fn layout_overwritten_blob_is_rebuilt() {
    let damages: [fn(&Path); 3] = [
        |blob| {
            fs::File::options().write(true).open(blob).unwrap().write_at(&[0], 50).unwrap();
        },
        |blob| fs::File::options().write(true).open(blob).unwrap().set_len(60).unwrap(),
        |blob| fs::write(blob, "").unwrap(),
    ];
    let sandbox = Sandbox::with_store_paths(2, 100_000, GZIP);
    for damage in damages {
        build(&sandbox, "one", "ioctl");
        build(&sandbox, "two", "ioctl");
        // The damage goes through the hard link in a layout.
        let (name, _) = cached_blobs(&sandbox).pop_first().unwrap();
        damage(&sandbox.path("one/blobs/sha256").join(&name));
        // The first build finds the damaged cache, and the second one the repaired cache.
        for out in ["two", "one"] {
            build(&sandbox, out, "ioctl");
            validate(&sandbox.path(out));
            assert_eq!(hard_linked(&sandbox, out), [true; 2]);
        }
    }
}

#[test]
fn layout_damaged_blob_with_future_mtime_is_rebuilt() {
    let sandbox = Sandbox::with_store_paths(2, 100_000, GZIP);
    build(&sandbox, "layout", "ioctl");
    let (name, _) = cached_blobs(&sandbox).pop_first().unwrap();
    let blob = sandbox.path("layout/blobs/sha256").join(name);
    let file = fs::File::options().write(true).open(&blob).unwrap();
    file.write_at(&[0], 50).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(300_000_000)).unwrap();
    build(&sandbox, "layout", "ioctl");
    validate(&sandbox.path("layout"));
    // A correct blob stays, whatever its modification time is.
    let file = fs::File::options().write(true).open(&blob).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    build(&sandbox, "layout", "ioctl");
    validate(&sandbox.path("layout"));
    assert_eq!(hard_linked(&sandbox, "layout"), [true; 2]);
}

#[test]
fn layout_blob_with_failed_fsync_is_rebuilt() {
    let sandbox = Sandbox::with_store_paths(3, 100_000, GZIP);
    sandbox.expected_archive();
    // With this file in place, the first file that is synced is a blob.
    fs::create_dir(sandbox.path("layout")).unwrap();
    fs::write(sandbox.path("layout/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let inject = ["trace=ioctl,fsync", "-e", "inject=fsync:error=EIO", "-o", "/dev/null"];
    let before = [&NO_CLONES[..], &inject].concat();
    let output = sandbox.build(&before, "layout", &LAYOUT).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr_text(&output));
    assert!(stderr_text(&output).contains("failed to sync"), "{}", stderr_text(&output));
    assert!(cached_blobs(&sandbox).len() < 3);
    build(&sandbox, "layout", "ioctl");
    assert_eq!(hard_linked(&sandbox, "layout"), [true; 3]);
    validate(&sandbox.path("layout"));
}

#[test]
fn layout_full_disk_at_any_call_recovers() {
    let sandbox = Sandbox::with_store_paths(2, 100_000, GZIP);
    for (failure, on) in [
        ("write,copy_file_range,splice:error=ENOSPC", "+"),
        ("write,copy_file_range,splice:error=ENOSPC", ""),
        ("fsync:error=EIO", ""),
        ("link,linkat:error=EMLINK", ""),
        ("rename,renameat,renameat2:error=ENOSPC", ""),
    ] {
        for call in 1..100 {
            let inject = format!("inject={failure}:when={call}{on}");
            let before = [&NO_CLONES[..], &["trace=all", "-e", &inject, "-o", "/dev/null"]];
            let output = sandbox.build(&before.concat(), "layout", &LAYOUT).output().unwrap();
            let done = output.status.success();
            assert!(done || output.status.code() == Some(2), "{}", stderr_text(&output));
            if !done {
                // The directory is synced after the rename, so the name may exist.
                let is_named = sandbox.path("layout/index.json").exists();
                assert!(is_named || !sandbox.path("layout").exists(), "{failure} {call}");
                build(&sandbox, "layout", "ioctl");
            }
            validate(&sandbox.path("layout"));
            let names = blobs(&sandbox.path("layout/blobs/sha256")).into_keys();
            assert!(names.into_iter().all(|name| !name.starts_with('.')), "{failure} {call}");
            fs::remove_dir_all(sandbox.path("layout")).unwrap();
            fs::remove_dir_all(sandbox.path("cache")).unwrap();
            if done && call > 8 {
                break;
            }
        }
    }
}

#[test]
fn layout_kill_at_any_time_keeps_layout_and_cache_whole() {
    let sandbox = Sandbox::with_store_paths(4, 300_000, GZIP);
    let (mut killed, mut kill_times) = (0, KillTimes::new());
    for number in 0..20 {
        let mut child = sandbox.build(&[], "layout", &LAYOUT).spawn().unwrap();
        std::thread::sleep(kill_times.next(Duration::from_millis(100)));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        assert_success(&sandbox.build(&[], "layout", &LAYOUT).output().unwrap());
        validate(&sandbox.path("layout"));
        let names = blobs(&sandbox.path("layout/blobs/sha256")).into_keys();
        assert!(names.into_iter().all(|name| !name.starts_with('.')), "kill {number}");
        for (name, path) in cached_blobs(&sandbox) {
            assert_eq!(Digest::of(&fs::read(path).unwrap()).hex(), name, "kill {number}");
        }
        fs::remove_dir_all(sandbox.path("layout")).unwrap();
        // Every second run finds the layers in the cache.
        if number % 2 == 0 {
            fs::remove_dir_all(sandbox.path("cache")).unwrap();
        }
    }
    assert!(killed > 0, "every run was done before it was killed");
}
