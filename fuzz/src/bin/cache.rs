//! Any bytes as the record of a cached layer: no error of the cache, and the record is not trusted.
#![no_main]

use std::sync::OnceLock;

use cooper::cache::{self, Cache};
use cooper::digest::Digest;
use libfuzzer_sys::fuzz_target;

static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();

/// Appends the checksum line to inputs that begin with a plus sign, so that the fuzzer gets past
/// it.
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
    let dir = DIR.get_or_init(|| tempfile::tempdir().expect("a temporary directory"));
    let cache = Cache::open(dir.path(), Some(0)).expect("the cache opens");
    let record = cache::folder(dir.path()).join("layers/0");
    std::fs::write(&record, with_sum(bytes)).expect("the record is written");
    let verified = cache.verify(1).expect("the cache is checked");
    // A complete record has its own digest, and then names a plain layer, which has no blob.
    assert_eq!(verified.whole + verified.damaged.len(), 1);
    cache.gc().expect("the cache is cleaned");
});
