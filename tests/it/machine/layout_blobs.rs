//! What a layout has in common with the cache.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cooper::digest::Digest;

use crate::support::sandbox::{GZIP, House, Lives, ZSTD, errors, run, succeeded};

const LAYOUT: [&str; 2] = ["--format", "layout"];
/// As a file system is that cannot make clones, whatever is below the tests.
const NO_CLONES: [&str; 6] = ["strace", "-f", "-qq", "-e", "inject=ioctl:error=EOPNOTSUPP", "-e"];

/// Builds a layout of links, with what is traced in the file `trace`.
fn build(house: &House, out: &str, traced: &str) {
    let (trace, traced) = (house.path("trace"), format!("trace=ioctl,{traced}"));
    let before = [&NO_CLONES[..], &[&traced, "-y", "-o", trace.to_str().unwrap()]].concat();
    succeeded(&house.build(&before, out, &LAYOUT).output().unwrap());
}

/// The layers' blobs in a layout or a cache, by their names.
fn blobs(dir: &Path) -> BTreeMap<String, PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

fn cached(house: &House) -> BTreeMap<String, PathBuf> {
    blobs(&house.cached("blobs"))
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

/// Whether each of the cache's blobs is the same file in the layout.
fn are_same(house: &House, layout: &str) -> Vec<bool> {
    let blobs = blobs(&house.path(layout).join("blobs/sha256"));
    cached(house).iter().map(|(name, path)| inode(path) == inode(&blobs[name])).collect()
}

fn validate(layout: &Path) {
    run(env!("CARGO_BIN_EXE_cooper"), &[&"validate", &layout]);
}

#[test]
fn layout_blob_is_a_hard_link_with_mode_0644() {
    let house = House::new();
    house.fill(3, 100_000);
    for compression in [GZIP, ZSTD] {
        house.spec(compression);
        let trace = house.path("trace").to_str().unwrap().to_owned();
        let before = [&NO_CLONES[..], &["trace=ioctl", "-o", &trace]].concat();
        let umask = ["sh", "-c", "umask 077; exec \"$0\" \"$@\""];
        let before = [&umask[..], &before].concat();
        succeeded(&house.build(&before, "layout", &LAYOUT).output().unwrap());
        assert!(are_same(&house, "layout").iter().all(|same| *same));
        for path in blobs(&house.path("layout/blobs/sha256")).values() {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o644, "{path:?}");
        }
        validate(&house.path("layout"));
        fs::remove_dir_all(house.path("cache")).unwrap();
        validate(&house.path("layout"));
        fs::remove_dir_all(house.path("layout")).unwrap();
    }
}

#[test]
fn layout_blob_tries_reflink_before_hard_link() {
    let house = House::filled(1, 1000, GZIP);
    build(&house, "layout", "linkat");
    let trace = fs::read_to_string(house.path("trace")).unwrap();
    let at = |what: &str| trace.find(what).unwrap_or_else(|| panic!("{what}: {trace}"));
    assert!(at("FICLONE") < at("linkat"), "{trace}");
}

#[test]
fn layout_of_cached_layers_reads_no_store_or_blob_bytes() {
    let house = House::filled(4, 200_000, GZIP);
    build(&house, "layout", "ioctl");
    for out in ["layout", "other"] {
        // What goes with a layout are names of the cache's files.
        fs::remove_dir_all(house.path("layout")).unwrap();
        build(&house, out, "openat,read,pread64,readv,copy_file_range,sendfile,mmap");
        let trace = fs::read_to_string(house.path("trace")).unwrap();
        assert!(trace.contains("spec.json"), "the trace shows what is read");
        let store = house.path("store");
        let read = trace.lines().filter(|line| {
            line.contains(store.to_str().unwrap())
                || line.contains("/blobs/") && !line.contains("openat") && !line.contains("ioctl")
        });
        assert_eq!(read.collect::<Vec<_>>(), [""; 0]);
        assert_eq!(are_same(&house, out), [true; 4]);
        let _ = fs::rename(house.path("other"), house.path("layout"));
    }
    validate(&house.path("layout"));
}

#[test]
fn layout_blob_is_copied_across_file_systems() {
    let house = House::filled(2, 100_000, GZIP);
    let shm = tempfile::tempdir_in("/dev/shm").unwrap();
    let layout = shm.path().join("layout");
    assert_ne!(
        fs::metadata(shm.path()).unwrap().dev(),
        fs::metadata(house.path("")).unwrap().dev()
    );
    let copies = || -> Vec<PathBuf> {
        let copied = |name: &String| layout.join("blobs/sha256").join(name);
        cached(&house).keys().map(copied).collect()
    };
    // What has just been made, and what was found.
    for _ in 0..2 {
        succeeded(&house.build(&[], layout.to_str().unwrap(), &LAYOUT).output().unwrap());
        assert!(cached(&house).values().all(|path| fs::metadata(path).unwrap().nlink() == 1));
        validate(&layout);
        // Once, as long as nobody writes to it.
        let before: Vec<u64> = copies().iter().map(|path| inode(path)).collect();
        succeeded(&house.build(&[], layout.to_str().unwrap(), &LAYOUT).output().unwrap());
        assert_eq!(copies().iter().map(|path| inode(path)).collect::<Vec<_>>(), before);
        for copy in copies() {
            let file = fs::File::options().write(true).open(copy).unwrap();
            file.write_at(&[0], 50).unwrap();
        }
        succeeded(&house.build(&[], layout.to_str().unwrap(), &LAYOUT).output().unwrap());
        validate(&layout);
        fs::remove_dir_all(&layout).unwrap();
    }
}

#[test]
fn layout_blob_with_unsafe_permissions_is_copied() {
    let house = House::filled(2, 100_000, GZIP);
    build(&house, "layout", "ioctl");
    let mut changes = vec![["chmod", "664"], ["chmod", "646"]];
    if rustix::process::geteuid().is_root() {
        changes.push(["chown", "65534"]);
    }
    for [program, to] in changes {
        // By the layout's names of the cache's files, as who looks after layouts would.
        for name in cached(&house).keys() {
            run(program, &[&to, &house.path("layout/blobs/sha256").join(name)]);
        }
        build(&house, "other", "ioctl");
        assert_eq!(are_same(&house, "other"), [false; 2]);
        for path in blobs(&house.path("other/blobs/sha256")).values() {
            let meta = fs::metadata(path).unwrap();
            assert_eq!((meta.mode() & 0o7777, meta.nlink()), (0o644, 1));
            assert_eq!(meta.uid(), rustix::process::geteuid().as_raw());
        }
        validate(&house.path("other"));
        fs::remove_dir_all(house.path("other")).unwrap();
        for path in cached(&house).values() {
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
    let house = House::filled(2, 100_000, GZIP);
    for damage in damages {
        build(&house, "one", "ioctl");
        build(&house, "two", "ioctl");
        // By a layout's name of the cache's file.
        let (name, _) = cached(&house).pop_first().unwrap();
        damage(&house.path("one/blobs/sha256").join(&name));
        // The first finds the cache damaged, the second finds it mended.
        for out in ["two", "one"] {
            build(&house, out, "ioctl");
            validate(&house.path(out));
            assert_eq!(are_same(&house, out), [true; 2]);
        }
    }
}

#[test]
fn layout_damaged_blob_with_future_mtime_is_rebuilt() {
    let house = House::filled(2, 100_000, GZIP);
    build(&house, "layout", "ioctl");
    let (name, _) = cached(&house).pop_first().unwrap();
    let blob = house.path("layout/blobs/sha256").join(name);
    let file = fs::File::options().write(true).open(&blob).unwrap();
    file.write_at(&[0], 50).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(300_000_000)).unwrap();
    build(&house, "layout", "ioctl");
    validate(&house.path("layout"));
    // One that is right stays as it is, whatever its time.
    let file = fs::File::options().write(true).open(&blob).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    build(&house, "layout", "ioctl");
    validate(&house.path("layout"));
    assert_eq!(are_same(&house, "layout"), [true; 2]);
}

#[test]
fn layout_blob_with_failed_fsync_is_rebuilt() {
    let house = House::filled(3, 100_000, GZIP);
    house.expected();
    // So that the first file that is synced is a blob.
    fs::create_dir(house.path("layout")).unwrap();
    fs::write(house.path("layout/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let inject = ["trace=ioctl,fsync", "-e", "inject=fsync:error=EIO", "-o", "/dev/null"];
    let before = [&NO_CLONES[..], &inject].concat();
    let output = house.build(&before, "layout", &LAYOUT).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    assert!(errors(&output).contains("failed to sync"), "{}", errors(&output));
    assert!(cached(&house).len() < 3);
    build(&house, "layout", "ioctl");
    assert_eq!(are_same(&house, "layout"), [true; 3]);
    validate(&house.path("layout"));
}

#[test]
fn layout_full_disk_at_any_call_recovers() {
    let house = House::filled(2, 100_000, GZIP);
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
            let output = house.build(&before.concat(), "layout", &LAYOUT).output().unwrap();
            let done = output.status.success();
            assert!(done || output.status.code() == Some(2), "{}", errors(&output));
            if !done {
                // Whether a name is durable is asked when it is there already.
                let is_named = house.path("layout/index.json").exists();
                assert!(is_named || !house.path("layout").exists(), "{failure} {call}");
                build(&house, "layout", "ioctl");
            }
            validate(&house.path("layout"));
            let names = blobs(&house.path("layout/blobs/sha256")).into_keys();
            assert!(names.into_iter().all(|name| !name.starts_with('.')), "{failure} {call}");
            fs::remove_dir_all(house.path("layout")).unwrap();
            fs::remove_dir_all(house.path("cache")).unwrap();
            if done && call > 8 {
                break;
            }
        }
    }
}

#[test]
fn layout_kill_at_any_time_keeps_layout_and_cache_whole() {
    let house = House::filled(4, 300_000, GZIP);
    let (mut killed, mut lives) = (0, Lives::new());
    for number in 0..20 {
        let mut child = house.build(&[], "layout", &LAYOUT).spawn().unwrap();
        std::thread::sleep(lives.next(Duration::from_millis(100)));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        succeeded(&house.build(&[], "layout", &LAYOUT).output().unwrap());
        validate(&house.path("layout"));
        let names = blobs(&house.path("layout/blobs/sha256")).into_keys();
        assert!(names.into_iter().all(|name| !name.starts_with('.')), "kill {number}");
        for (name, path) in cached(&house) {
            assert_eq!(Digest::of(&fs::read(path).unwrap()).hex(), name, "kill {number}");
        }
        fs::remove_dir_all(house.path("layout")).unwrap();
        // Every other one finds the layers made.
        if number % 2 == 0 {
            fs::remove_dir_all(house.path("cache")).unwrap();
        }
    }
    assert!(killed > 0, "every run was done before it was killed");
}
