//! Any bytes as the index of a layout, and as the blobs that it names: an error, or images.
#![no_main]

use cooper::digest::Digest;
use cooper::progress::NullReporter;
use cooper::transport::source::{Layout, Source};
use cooper::validate::{self, Limits};
use cooper_fuzz::temp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Index, then blobs, each after a line feed and a NUL.
    let mut parts = bytes.split(|byte| *byte == 0);
    temp::file("layout/oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    let index = temp::file("layout/index.json", parts.next().unwrap_or_default());
    let blobs: Vec<_> = parts
        .take(4)
        .map(|blob| temp::file(&format!("layout/blobs/sha256/{}", Digest::of(blob).hex()), blob))
        .collect();
    let layout = Layout::open(index.parent().expect("a file is in a directory")).expect("a layout");
    if let Ok(roots) = layout.roots() {
        validate::check(&layout, &roots, Limits::new(1), &NullReporter);
    }
    blobs.iter().for_each(|blob| drop(std::fs::remove_file(blob)));
});
