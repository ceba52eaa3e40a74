//! Any bytes as the record of a cached layer: never an error of the cache, never believed.
#![no_main]

use std::sync::OnceLock;

use cooper::cache::Cache;
use libfuzzer_sys::fuzz_target;

static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let dir = DIR.get_or_init(|| tempfile::tempdir().expect("a temporary folder"));
    let cache = Cache::open(dir.path(), 0).expect("the cache opens");
    let record = dir.path().join("v1/layers/0");
    std::fs::write(&record, bytes).expect("the record is written");
    let verified = cache.verify().expect("the cache is checked");
    // A record that is whole has its own digest in it, and then names a plain layer: no blob
    // is there.
    assert_eq!(verified.whole + verified.damaged.len(), 1);
    cache.gc().expect("the cache is cleaned");
});
