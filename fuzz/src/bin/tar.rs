//! Any bytes as a foreign tar: an error, or entries whose sizes add up to no more than there is.
#![no_main]

use std::io::Cursor;

use cooper::transport::source::tar::TarReader;
use cooper_fuzz::tar;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let bytes = tar::with_checksums(bytes);
    let (mut streamed, mut sought) = (0, 0);
    let mut reader = TarReader::streaming(&bytes[..]);
    let stream = loop {
        match reader.next_entry() {
            Ok(Some(_)) => streamed += 1,
            Ok(None) => break true,
            Err(_) => break false,
        }
        assert!(streamed <= bytes.len() / 512, "more entries than headers");
    };
    let mut reader = TarReader::seeking(Cursor::new(&bytes));
    let seek = loop {
        match reader.next_entry() {
            Ok(Some(_)) => sought += 1,
            Ok(None) => break true,
            Err(_) => break false,
        }
        assert!(sought <= bytes.len() / 512, "more entries than headers");
    };
    // A reader of the content detects a truncation that a reader which skips it does not.
    if stream {
        assert_eq!((seek, sought), (true, streamed));
    }
});
