//! A layout as a folder: what else may lie there, and what a run that fails leaves of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::sandbox::{GZIP, House, NONE, ZSTD, errors, run, succeeded, tree};

const LAYOUT: [&str; 2] = ["--format", "layout"];

fn build(house: &House, out: &str) {
    succeeded(&house.build(&[], out, &LAYOUT).output().unwrap());
}

fn validate(layout: &Path) {
    run(env!("CARGO_BIN_EXE_cooper"), &[&"validate", &layout]);
}

#[test]
fn layout_foreign_files_with_similar_names_stay() {
    let house = House::filled(1, 1000, GZIP);
    build(&house, "layout");
    let (dir, before) = (house.path("layout"), tree(&house.path("layout")));
    let own = [".cooper-notes", "blobs/sha256/.cooper-notes"];
    for name in own {
        fs::write(dir.join(name), "precious").unwrap();
    }
    let folders = [".cooper-cache", ".cooper-folder.tmp"];
    for name in folders {
        fs::create_dir(dir.join(name)).unwrap();
    }
    for name in [".cooper-a1B2c3.tmp", "blobs/sha256/.cooper-a1B2c3.tmp"] {
        fs::write(dir.join(name), "half a blob").unwrap();
    }
    build(&house, "layout");
    assert_eq!(tree(&dir).len(), before.len() + own.len() + folders.len());
    assert!(own.iter().all(|name| fs::read(dir.join(name)).unwrap() == b"precious"));
    // Nor is a folder empty that has some.
    for name in folders {
        fs::create_dir_all(house.path("other").join(name)).unwrap();
        let output = house.build(&[], "other", &LAYOUT).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        fs::remove_dir_all(house.path("other")).unwrap();
    }
}

#[test]
fn layout_damaged_documents_are_repaired() {
    let house = House::filled(2, 1000, GZIP);
    build(&house, "layout");
    let before = tree(&house.path("layout"));
    let mut damaged = 0;
    for blob in fs::read_dir(house.path("layout/blobs/sha256")).unwrap() {
        let path = blob.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if bytes[0] == b'{' {
            bytes[20] ^= 1;
            fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 2);
    build(&house, "layout");
    assert_eq!(tree(&house.path("layout")), before);
}

#[test]
fn layout_failed_build_restores_foreign_layout() {
    let house = House::filled(1, 1000, GZIP);
    build(&house, "layout");
    let before = tree(&house.path("layout"));
    house.fill(3, 1000);
    for compression in [NONE, ZSTD, GZIP] {
        house.spec(compression);
        fs::remove_dir_all(house.store_path(2)).unwrap();
        for out in ["layout", "new/and/nested"] {
            let output = house.build(&[], out, &LAYOUT).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
            assert_eq!(tree(&house.path("layout")), before, "{compression}");
            assert!(!house.path("new").exists());
        }
        house.fill(3, 1000);
    }
    // When the last of it fails, too: an index that has no room for another image.
    let index = house.path("layout/index.json");
    let mut entries: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    entries["manifests"][0]["annotations"]["long"] = "x".repeat((4 << 20) - 500).into();
    fs::write(&index, entries.to_string()).unwrap();
    let before = tree(&house.path("layout"));
    let spec = fs::read_to_string(house.spec(GZIP)).unwrap();
    fs::write(house.path("spec.json"), spec.replace("\"test\"", "\"other\"")).unwrap();
    let output = house.build(&[], "layout", &LAYOUT).output().unwrap();
    assert!(errors(&output).contains("name another folder"), "{}", errors(&output));
    assert_eq!(tree(&house.path("layout")), before);
}

#[test]
fn layout_signal_during_build_restores_the_layout() {
    for (out, signal, number) in
        [("layout", "-INT", 2), ("layout", "-TERM", 15), ("new/nested", "-HUP", 1)]
    {
        let house = House::filled(1, 1000, GZIP);
        build(&house, "layout");
        let before = tree(&house.path("layout"));
        house.fill(2, 50_000);
        fs::write(house.store_path(1).join("large"), vec![b'x'; 400_000_000]).unwrap();
        house.spec(ZSTD);
        let mut child = house.build(&[], out, &["--jobs", "2", "--format", "layout"]);
        let mut child = child.spawn().unwrap();
        let blobs = house.path(out).join("blobs/sha256");
        let count = || fs::read_dir(&blobs).map_or(0, Iterator::count);
        let already = if out == "layout" { count() } else { 0 };
        while count() <= already {
            assert!(child.try_wait().unwrap().is_none(), "it was done before the signal");
            std::thread::sleep(Duration::from_millis(1));
        }
        run("kill", &[&signal, &child.id().to_string()]);
        assert_eq!(child.wait().unwrap().code(), Some(128 + number), "{signal}");
        assert_eq!(tree(&house.path("layout")), before, "{signal}");
        assert_eq!(house.leftovers(), ["layout"], "{signal}");
    }
}

#[test]
fn layout_signal_at_start_or_end_restores_the_layout() {
    let house = House::filled(1, 1000, GZIP);
    house.expected();
    let named = ["-e", "inject=rename,renameat,renameat2:delay_enter=300000"];
    let strace = ["strace", "-D", "-f", "-qq", "-e", "trace=rename,renameat,renameat2"];
    let strace = [&strace[..], &named, &["-o", "/dev/null"]].concat();
    // How many blobs have their names when a file in that folder is waiting for its own.
    for (blobs, folder) in [(0, ""), (0, "blobs/sha256"), (1, "blobs/sha256"), (3, "")] {
        let dir = house.path("new/nested");
        let count = |folder: &str, is_waiting: bool| {
            let files = fs::read_dir(dir.join(folder)).into_iter().flatten().flatten();
            let names = files.map(|file| file.file_name().into_string().unwrap());
            names.filter(|name| name.starts_with('.') == is_waiting).count()
        };
        let mut child = house.build(&strace, "new/nested", &LAYOUT).spawn().unwrap();
        while count("blobs/sha256", false) != blobs || count(folder, true) == 0 {
            assert!(child.try_wait().unwrap().is_none(), "it was done before the signal");
        }
        run("kill", &[&"-TERM", &child.id().to_string()]);
        assert_eq!(child.wait().unwrap().code(), Some(128 + 15), "{blobs} {folder}");
        assert_eq!(house.leftovers(), [""; 0], "{blobs} {folder}");
    }
}

#[test]
fn layout_symlinks_are_never_written_through() {
    let house = House::filled(1, 1000, GZIP);
    let (dir, elsewhere) = (house.path("layout"), house.path("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    for link in ["blobs", "blobs/sha256"] {
        build(&house, "layout");
        fs::remove_dir_all(dir.join(link)).unwrap();
        symlink(&elsewhere, dir.join(link)).unwrap();
        let output = house.build(&[], "layout", &LAYOUT).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
        assert!(errors(&output).contains(&format!("`{link}` is a link")), "{}", errors(&output));
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        fs::remove_dir_all(&dir).unwrap();
    }
    build(&house, "layout");
    let before = tree(&dir);
    let pipe = elsewhere.join("pipe");
    run("mkfifo", &[&pipe]);
    let blobs = fs::read_dir(dir.join("blobs/sha256")).unwrap().map(|blob| blob.unwrap().path());
    for path in blobs.chain([dir.join("oci-layout")]) {
        fs::remove_file(&path).unwrap();
        symlink(&pipe, &path).unwrap();
        let mut command = Command::new("timeout");
        command.arg("60").arg(env!("CARGO_BIN_EXE_cooper")).arg("--cache");
        command.arg(house.path("cache")).args(["--quiet", "build"]).arg(house.path("spec.json"));
        command.arg("-o").arg(&dir).args(LAYOUT);
        let output = command.output().unwrap();
        if path.ends_with("oci-layout") {
            assert!(errors(&output).contains("it is no regular file"), "{}", errors(&output));
        } else {
            succeeded(&output);
            assert_eq!(tree(&dir), before);
        }
    }
}

#[test]
fn layout_file_system_without_chmod_or_fsync_works() {
    let house = House::filled(2, 1000, GZIP);
    for inject in [
        "inject=fchmod,chmod,fchmodat:error=EPERM",
        "inject=fsync,fdatasync:error=EINVAL",
        "inject=fsync,fdatasync:error=EOPNOTSUPP",
    ] {
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", inject];
        succeeded(&house.build(&strace, "out.tar", &[]).output().unwrap());
        succeeded(&house.build(&strace, "layout", &LAYOUT).output().unwrap());
        validate(&house.path("out.tar"));
        validate(&house.path("layout"));
        fs::remove_dir_all(house.path("layout")).unwrap();
        fs::remove_dir_all(house.path("cache")).unwrap();
    }
}

#[test]
fn file_size_limit_is_a_reported_error() {
    let house = House::filled(1, 500_000, GZIP);
    for (out, format) in [("out.tar", "archive"), ("layout", "layout")] {
        for compression in [GZIP, NONE] {
            house.spec(compression);
            let more = ["--format", format];
            let output = house.build(&["prlimit", "--fsize=100000"], out, &more).output().unwrap();
            assert!(!output.status.success());
            assert!(errors(&output).contains("File too large"), "{}", errors(&output));
            assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
            assert_eq!(house.leftovers(), [""; 0]);
        }
    }
}
