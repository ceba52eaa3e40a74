//! Any bytes as the record of a cached layer: never an error of the cache, never believed.
#![no_main]

use std::sync::OnceLock;

use cooper::cache::{self, Cache};
use cooper::digest::Digest;
use libfuzzer_sys::fuzz_target;

static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();

/// Inputs that begin with a plus sign get the last line that they need, so that more than it is tried.
fn with_sum(bytes: &[u8]) -> Vec<u8> {
    match bytes.split_first() {
        Some((b'+', body)) => {
            let sum = format!("sum {}\n", Digest::of(body));
            [body, sum.as_bytes()].concat()
        }
        _ => bytes.to_vec(),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let dir = DIR.get_or_init(|| tempfile::tempdir().expect("a temporary folder"));
    let cache = Cache::open(dir.path(), Some(0)).expect("the cache opens");
    let record = cache::folder(dir.path()).join("layers/0");
    std::fs::write(&record, with_sum(bytes)).expect("the record is written");
    let verified = cache.verify(1).expect("the cache is checked");
    // A record that is whole has its own digest in it, and then names a plain layer: no blob
    // is there.
    assert_eq!(verified.whole + verified.damaged.len(), 1);
    cache.gc().expect("the cache is cleaned");
});
