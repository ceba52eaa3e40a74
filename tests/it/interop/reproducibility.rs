//! The same digest on every machine, for every user and with every store.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::command::{TestDir, run};

/// An image with all content whose bytes could depend on the machine.
fn image() -> TestDir {
    let test_dir = TestDir::new();
    for name in ["app-1.0", "lib-2.0", "data-3.0"] {
        test_dir.store_file(name, "share/second", "the same bytes in each");
        test_dir.store_file(name, "share/ünï-İı", name);
        test_dir.executable(name, "bin/run", b"#!/bin/run\n");
    }
    let fields = json!({
        "contents": [test_dir.store_path("app-1.0")],
        "files": {"/etc/app.conf": {"text": "a = 1\n", "uid": 7}},
        "directories": {"/tmp": {"mode": "1777"}},
        "users": {"app": {"uid": 65532, "gid": 65532}},
        "config": {"Env": ["B=2", "A=1"], "Labels": {"z": "1", "a": "2", "m": "3"}},
        "annotations": {"one": "1", "two": "2"},
    });
    test_dir.write_spec(&["app-1.0", "lib-2.0", "data-3.0"], fields);
    test_dir
}

/// Returns the archive that a shell script writes to standard output; `cooper` is the binary.
fn archive(test_dir: &TestDir, line: &str) -> Vec<u8> {
    let line = line.replace("cooper", env!("CARGO_BIN_EXE_cooper"));
    let output =
        Command::new("sh").args(["-c", &line]).current_dir(test_dir.path("")).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

const PLAIN: &str = "cooper build spec.json -o - --cache none";

#[test]
fn environment_does_not_change_the_bytes() {
    let test_dir = image();
    let first = archive(&test_dir, PLAIN);
    assert!(first.len() > 10_000, "the archive is there");
    for line in [
        "umask 000; cooper build spec.json -o - --cache none",
        "umask 077; cooper build spec.json -o - --cache none",
        "TZ=Asia/Kathmandu cooper build spec.json -o - --cache none",
        "LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8 cooper build spec.json -o - --cache none",
        "cooper build spec.json -o - --cache none --jobs 1",
        "cooper build spec.json -o - --cache none --jobs 7",
        "env -i cooper build spec.json -o -",
        "faketime '2038-02-01 00:00:00' cooper build spec.json -o - --cache none",
        "faketime '1970-01-01 00:00:00' cooper build spec.json -o - --cache none",
        "faketime '2242-12-01 00:00:00' cooper build spec.json -o - --cache none",
        "XDG_CACHE_HOME=$PWD/cache cooper build spec.json -o -",
        "XDG_CACHE_HOME=$PWD/cache cooper build spec.json -o -",
        "cooper build spec.json -o file --cache none --quiet; cat file",
    ] {
        assert!(archive(&test_dir, line) == first, "other bytes from: {line}");
    }
}

#[test]
fn file_times_do_not_change_the_bytes() {
    let test_dir = image();
    let first = archive(&test_dir, PLAIN);
    let cached = "XDG_CACHE_HOME=$PWD/cache cooper build spec.json -o -";
    // Before 1970, in 1970, and above 31 and 33 bits.
    for time in ["@-1.5", "@0", "@2147483648", "@8612352000.5"] {
        archive(
            &test_dir,
            &format!("find store -exec touch --no-dereference --date={time} {{}} +"),
        );
        assert!(archive(&test_dir, PLAIN) == first, "{time}");
        assert!(archive(&test_dir, cached) == first, "{time}");
    }
}

/// `qemu64` has no extension after SSE3: no SHA, AVX, BMI or CRC. `max` has every extension of
/// qemu, which may be more than the machine has.
#[test]
#[cfg(target_arch = "x86_64")]
fn cpu_extensions_do_not_change_the_bytes() {
    let test_dir = image();
    test_dir.store_file("data-3.0", "share/members", crate::support::fixture::noise(1, 1_500_000));
    test_dir.store_file("data-3.0", "share/soft", "compresses well ".repeat(100_000));
    let spec: serde_json::Value =
        serde_json::from_slice(&std::fs::read(test_dir.path("spec.json")).unwrap()).unwrap();
    for algorithm in ["none", "gzip", "zstd"] {
        let mut spec = spec.clone();
        spec["compression"] = json!({"algorithm": algorithm});
        test_dir.write("spec.json", spec.to_string());
        let first = archive(&test_dir, PLAIN);
        for cpu in ["qemu64", "max"] {
            let line = format!("qemu-x86_64-static -cpu {cpu} {PLAIN}");
            assert!(archive(&test_dir, &line) == first, "{algorithm}: other bytes on {cpu}");
        }
    }
}

#[test]
fn optimised_store_does_not_change_the_bytes() {
    let test_dir = image();
    let first = archive(&test_dir, PLAIN);
    let second = test_dir.store_path("app-1.0").join("share/second");
    for name in ["lib-2.0", "data-3.0"] {
        let other = test_dir.store_path(name).join("share/second");
        std::fs::remove_file(&other).unwrap();
        std::fs::hard_link(&second, &other).unwrap();
    }
    run("touch", &[Path::new("--date=2001-02-03"), &second]);
    run("chmod", &[Path::new("0664"), &second]);
    assert!(archive(&test_dir, PLAIN) == first);
}

#[test]
fn tag_does_not_change_the_digest() {
    let test_dir = image();
    let digest = |tag: &str| {
        let json = test_dir.stdout_of(&[
            "build",
            "spec.json",
            "-o",
            "x.tar",
            "--tag",
            tag,
            "--json",
            "--quiet",
        ]);
        serde_json::from_str::<serde_json::Value>(&json).unwrap()[0]["digest"].clone()
    };
    assert_eq!(digest("v1"), digest("v2"));
}
