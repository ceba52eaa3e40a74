//! Any bytes as an archive: an error, or images that are validated without a panic.
#![no_main]

use cooper::progress::NullReporter;
use cooper::transport::source::{Archive, Source};
use cooper::validate::{self, Limits};
use cooper_fuzz::{tar, temp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = temp::file("archive", &tar::with_checksums(bytes));
    let Ok(archive) = Archive::open(&path) else { return };
    if let Ok(roots) = archive.roots() {
        validate::check(&archive, &roots, Limits::new(1), &NullReporter);
    }
});
