//! What a cache keeps, and what it does when there is no room.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::sandbox::{GZIP, House, NONE, ZSTD, errors, events, mounting, succeeded};

/// The size of all blobs and records.
fn size(house: &House) -> u64 {
    let files = ["layers", "blobs"].map(|below| fs::read_dir(house.cached(below)).unwrap());
    files.into_iter().flatten().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn cache_size_limit_holds_after_building_layers() {
    let house = House::filled(4, 100_000, GZIP);
    succeeded(&house.build(&[], "-", &["--cache-size", "150kB"]).output().unwrap());
    assert!((1..=150_000).contains(&size(&house)), "{}", size(&house));
}

#[test]
fn cache_size_limit_holds_when_nothing_is_built() {
    let house = House::filled(2, 100_000, GZIP);
    succeeded(&house.build(&[], "-", &[]).output().unwrap());
    succeeded(&house.build(&[], "layout", &["--format", "layout"]).output().unwrap());
    let whole = size(&house);
    assert!(whole > 100_000);
    succeeded(&house.build(&[], "-", &["--cache-size", "1MB"]).output().unwrap());
    assert_eq!(size(&house), whole, "there is room");
    let limit = ["--cache-size", "1kB"];
    succeeded(&house.build(&[], "-", &limit).output().unwrap());
    assert!(size(&house) <= 1000, "{}", size(&house));
}

/// The default limit applies only with `--cache-size`; other builds do not measure the cache.
#[test]
fn cache_is_measured_with_cache_size_option_only() {
    let house = House::filled(3, 10_000, GZIP);
    house.expected();
    for unused in ["blobs/unused", "layers/unused"] {
        fs::write(house.cached(unused), "no record").unwrap();
    }
    let calls = house.path("calls");
    let strace = ["strace", "-f", "-qq", "-e", "trace=openat", "-o", calls.to_str().unwrap()];
    // Whether the records were counted, and whether one was read that no layer of the image has.
    let looks = |more: &[&str]| {
        succeeded(&house.build(&strace, "-", more).output().unwrap());
        let calls = fs::read_to_string(&calls).unwrap();
        let layers = house.cached("layers").to_str().unwrap().to_owned();
        assert!(calls.contains(&format!("{layers}/")), "{calls}");
        [format!("{layers}\""), format!("{layers}/unused\"")].map(|name| calls.contains(&name))
    };
    let asked = ["--cache-size", "20GiB"];
    assert_eq!((looks(&[]), looks(&asked)), ([false, false], [true, false]), "there is room");
    // Of no bytes, so that it takes none of a disk.
    let large = house.cached("blobs/large");
    fs::File::create(&large).unwrap().set_len((20 << 30) + 1).unwrap();
    assert_eq!((looks(&[]), large.exists()), ([false, false], true));
    assert_eq!((looks(&asked), large.exists()), ([true, true], false));
}

#[test]
fn cache_evicts_least_recently_used_layer_first() {
    for compression in [GZIP, NONE] {
        let house = House::filled(3, 100_000, compression);
        house.expected();
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let records = || -> Vec<PathBuf> {
            let records = fs::read_dir(house.cached("layers")).unwrap();
            records.map(|record| record.unwrap().path()).collect()
        };
        for record in records() {
            fs::File::open(record).unwrap().set_modified(long_ago).unwrap();
        }
        for number in [0, 2] {
            fs::remove_dir_all(house.store_path(number)).unwrap();
        }
        house.spec(compression);
        house.expected();
        let used = |record: &PathBuf| fs::metadata(record).unwrap().modified().unwrap() > long_ago;
        let kept: Vec<PathBuf> = records().into_iter().filter(used).collect();
        assert_eq!(kept.len(), 1);
        let limit = (size(&house) / 2).to_string();
        succeeded(&house.build(&[], "-", &["--cache-size", &limit]).output().unwrap());
        assert_eq!(records(), kept);
    }
}

#[test]
fn cache_relative_path_works_and_may_be_full() {
    let house = House::filled(3, 100_000, GZIP);
    let cache = house.path("cache");
    fs::create_dir(&cache).unwrap();
    let built = |before: &[&str]| {
        let words = [before, &[env!("CARGO_BIN_EXE_cooper")]].concat();
        let mut command = std::process::Command::new(words[0]);
        command.args(&words[1..]).args(["--json", "build", "spec.json", "-o", "out.tar"]);
        command.args(["--cache", "cache"]).current_dir(house.path(""));
        let output = command.env("TMPDIR", house.path("")).output().unwrap();
        succeeded(&output);
        output
    };
    let full = "mount -t tmpfs -o mode=755,size=64k cooper \"$1\" || exit 9; shift; exec \"$@\"";
    let warnings = events(&built(&mounting(full, &cache)), "warning");
    assert!(warnings.iter().any(|warning| warning.to_string().contains("no room for the cache")));
    built(&[]);
    assert_eq!(fs::read_dir(house.cached("layers")).unwrap().count(), 3);
}

#[test]
fn full_cache_does_not_fail_a_build() {
    let house = House::new();
    house.fill(5, 400_000);
    let cache = house.path("cache");
    let mount = |options: &str| {
        format!("mount -t tmpfs -o mode=755,{options} cooper \"$1\" || exit 9; shift; exec \"$@\"")
    };
    let options = (0..12).map(|number| format!("size={}k", 4 + number * 120));
    let options: Vec<String> =
        options.chain((1..16).map(|number| format!("nr_inodes={number}"))).collect();
    for compression in [GZIP, ZSTD, NONE] {
        house.spec(compression);
        let _ = fs::remove_dir_all(&cache);
        let expected = house.expected();
        let mut full = 0;
        for options in &options {
            let script = mount(options);
            let output = house.build_told("--json", &mounting(&script, &cache), "-", &[]).output();
            let output = output.unwrap();
            succeeded(&output);
            assert!(output.stdout == expected, "{options}");
            let warnings = events(&output, "warning");
            full += warnings.len();
            let text = |warning: &Value| warning["message"].as_str().unwrap().to_owned();
            assert!(warnings.iter().map(text).all(|text| text.contains("`cooper cache gc`")));
        }
        assert!(full > 0, "{compression}");
        assert_eq!(house.leftovers(), [""; 0]);
    }
}

#[test]
fn full_cache_and_full_tmpdir_error_names_both() {
    let house = House::filled(2, 400_000, GZIP);
    let (cache, temps) = (house.path("cache"), house.path("temps"));
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
        let above = house.path("");
        let mut command = house.build(&mounting(&script, &above), "out.tar", &[]);
        let output = command.env("TMPDIR", &temps).output().unwrap();
        let told = errors(&output);
        assert_eq!(output.status.code(), Some(2), "{cache_is} {temps_is}: {told}");
        for words in [&cache, &temps].map(|dir| dir.to_str().unwrap()).iter().chain(&[why]) {
            assert!(told.contains(words), "{cache_is} {temps_is}: {told}");
        }
        let hint = told.lines().find(|line| line.starts_with("hint: ")).unwrap();
        assert!(hint.contains("`TMPDIR`") && hint.contains("`--cache DIR`"), "{hint}");
        assert_eq!(hint.contains(gc), cache_is != "ro", "{hint}");
        assert_eq!(house.leftovers(), ["temps"]);
    }
}
