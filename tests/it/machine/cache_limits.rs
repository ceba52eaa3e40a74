//! The size limit of the cache, and caches without free space.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::sandbox::{
    GZIP, NONE, Sandbox, ZSTD, assert_success, events, stderr_text, with_mount,
};

/// Returns the size of all blobs and records.
fn size(sandbox: &Sandbox) -> u64 {
    let files = ["layers", "blobs"].map(|below| fs::read_dir(sandbox.cache_path(below)).unwrap());
    files.into_iter().flatten().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn cache_size_limit_holds_after_building_layers() {
    let sandbox = Sandbox::with_store_paths(4, 100_000, GZIP);
    assert_success(&sandbox.build(&[], "-", &["--cache-size", "150kB"]).output().unwrap());
    assert!((1..=150_000).contains(&size(&sandbox)), "{}", size(&sandbox));
}

#[test]
fn cache_size_limit_holds_when_nothing_is_built() {
    let sandbox = Sandbox::with_store_paths(2, 100_000, GZIP);
    assert_success(&sandbox.build(&[], "-", &[]).output().unwrap());
    assert_success(&sandbox.build(&[], "layout", &["--format", "layout"]).output().unwrap());
    let whole = size(&sandbox);
    assert!(whole > 100_000);
    assert_success(&sandbox.build(&[], "-", &["--cache-size", "1MB"]).output().unwrap());
    assert_eq!(size(&sandbox), whole, "below the limit");
    let limit = ["--cache-size", "1kB"];
    assert_success(&sandbox.build(&[], "-", &limit).output().unwrap());
    assert!(size(&sandbox) <= 1000, "{}", size(&sandbox));
}

/// The default limit applies only with `--cache-size`; other builds do not measure the cache.
#[test]
fn cache_is_measured_with_cache_size_option_only() {
    let sandbox = Sandbox::with_store_paths(3, 10_000, GZIP);
    sandbox.expected_archive();
    for unused in ["blobs/unused", "layers/unused"] {
        fs::write(sandbox.cache_path(unused), "no record").unwrap();
    }
    let calls = sandbox.path("calls");
    let strace = ["strace", "-f", "-qq", "-e", "trace=openat", "-o", calls.to_str().unwrap()];
    // Returns whether the records were counted, and whether a record of another image was read.
    let looks = |more: &[&str]| {
        assert_success(&sandbox.build(&strace, "-", more).output().unwrap());
        let calls = fs::read_to_string(&calls).unwrap();
        let layers = sandbox.cache_path("layers").to_str().unwrap().to_owned();
        assert!(calls.contains(&format!("{layers}/")), "{calls}");
        [format!("{layers}\""), format!("{layers}/unused\"")].map(|name| calls.contains(&name))
    };
    let asked = ["--cache-size", "20GiB"];
    assert_eq!((looks(&[]), looks(&asked)), ([false, false], [true, false]), "below the limit");
    // A sparse file takes no space on the disk.
    let large = sandbox.cache_path("blobs/large");
    fs::File::create(&large).unwrap().set_len((20 << 30) + 1).unwrap();
    assert_eq!((looks(&[]), large.exists()), ([false, false], true));
    assert_eq!((looks(&asked), large.exists()), ([true, true], false));
}

#[test]
fn cache_evicts_least_recently_used_layer_first() {
    for compression in [GZIP, NONE] {
        let sandbox = Sandbox::with_store_paths(3, 100_000, compression);
        sandbox.expected_archive();
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let records = || -> Vec<PathBuf> {
            let records = fs::read_dir(sandbox.cache_path("layers")).unwrap();
            records.map(|record| record.unwrap().path()).collect()
        };
        for record in records() {
            fs::File::open(record).unwrap().set_modified(long_ago).unwrap();
        }
        for number in [0, 2] {
            fs::remove_dir_all(sandbox.store_path(number)).unwrap();
        }
        sandbox.write_spec(compression);
        sandbox.expected_archive();
        let used = |record: &PathBuf| fs::metadata(record).unwrap().modified().unwrap() > long_ago;
        let kept: Vec<PathBuf> = records().into_iter().filter(used).collect();
        assert_eq!(kept.len(), 1);
        let limit = (size(&sandbox) / 2).to_string();
        assert_success(&sandbox.build(&[], "-", &["--cache-size", &limit]).output().unwrap());
        assert_eq!(records(), kept);
    }
}

#[test]
fn cache_relative_path_works_and_may_be_full() {
    let sandbox = Sandbox::with_store_paths(3, 100_000, GZIP);
    let cache = sandbox.path("cache");
    fs::create_dir(&cache).unwrap();
    let built = |before: &[&str]| {
        let words = [before, &[env!("CARGO_BIN_EXE_cooper")]].concat();
        let mut command = std::process::Command::new(words[0]);
        command.args(&words[1..]).args(["--json", "build", "spec.json", "-o", "out.tar"]);
        command.args(["--cache", "cache"]).current_dir(sandbox.path(""));
        let output = command.env("TMPDIR", sandbox.path("")).output().unwrap();
        assert_success(&output);
        output
    };
    let full = "mount -t tmpfs -o mode=755,size=64k cooper \"$1\" || exit 9; shift; exec \"$@\"";
    let warnings = events(&built(&with_mount(full, &cache)), "warning");
    assert!(
        warnings.iter().any(|warning| warning.to_string().contains("no space left for the cache"))
    );
    built(&[]);
    assert_eq!(fs::read_dir(sandbox.cache_path("layers")).unwrap().count(), 3);
}

#[test]
fn full_cache_does_not_fail_a_build() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(5, 400_000);
    let cache = sandbox.path("cache");
    let mount = |options: &str| {
        format!("mount -t tmpfs -o mode=755,{options} cooper \"$1\" || exit 9; shift; exec \"$@\"")
    };
    let options = (0..12).map(|number| format!("size={}k", 4 + number * 120));
    let options: Vec<String> =
        options.chain((1..16).map(|number| format!("nr_inodes={number}"))).collect();
    for compression in [GZIP, ZSTD, NONE] {
        sandbox.write_spec(compression);
        let _ = fs::remove_dir_all(&cache);
        let expected = sandbox.expected_archive();
        let mut full = 0;
        for options in &options {
            let script = mount(options);
            let output =
                sandbox.build_with("--json", &with_mount(&script, &cache), "-", &[]).output();
            let output = output.unwrap();
            assert_success(&output);
            assert!(output.stdout == expected, "{options}");
            let warnings = events(&output, "warning");
            full += warnings.len();
            let text = |warning: &Value| warning["message"].as_str().unwrap().to_owned();
            assert!(warnings.iter().map(text).all(|text| text.contains("`cooper cache gc`")));
        }
        assert!(full > 0, "{compression}");
        assert_eq!(sandbox.leftovers(), [""; 0]);
    }
}

#[test]
fn full_cache_and_full_tmpdir_error_names_both() {
    let sandbox = Sandbox::with_store_paths(2, 400_000, GZIP);
    let (cache, temps) = (sandbox.path("cache"), sandbox.path("temps"));
    for dir in [&cache, &temps] {
        fs::create_dir(dir).unwrap();
    }
    let gc = "`cooper cache gc`";
    for (cache_is, temps_is, why) in [
        ("size=64k", "size=64k", "which has no room"),
        ("nr_inodes=1", "size=64k", "which has no room"),
        ("size=64k", "nr_inodes=1", "which has no room"),
        ("size=64k", "nr_inodes=2", "which has no room"),
        ("size=64k", "ro", "which has no room"),
        ("ro", "size=64k", "which cannot be written"),
    ] {
        let script = format!(
            "mount -t tmpfs -o mode=755,{cache_is} cooper \"$1/cache\" || exit 9
            mount -t tmpfs -o mode=755,{temps_is} cooper \"$1/temps\" || exit 9
            shift; exec \"$@\""
        );
        let above = sandbox.path("");
        let mut command = sandbox.build(&with_mount(&script, &above), "out.tar", &[]);
        let output = command.env("TMPDIR", &temps).output().unwrap();
        let messages = stderr_text(&output);
        assert_eq!(output.status.code(), Some(2), "{cache_is} {temps_is}: {messages}");
        for words in [&cache, &temps].map(|dir| dir.to_str().unwrap()).iter().chain(&[why]) {
            assert!(messages.contains(words), "{cache_is} {temps_is}: {messages}");
        }
        let hint = messages.lines().find(|line| line.starts_with("hint: ")).unwrap();
        assert!(hint.contains("`TMPDIR`") && hint.contains("`--cache DIR`"), "{hint}");
        assert_eq!(hint.contains(gc), cache_is != "ro", "{hint}");
        assert_eq!(sandbox.leftovers(), ["temps"]);
    }
}
