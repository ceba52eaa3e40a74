//! Any bytes as a compressed archive, in each compression: an error, or at most the allowed number
//! of bytes.
#![no_main]

use cooper::transport::fuzzing::unpack;
use libfuzzer_sys::fuzz_target;

const MAX_OUTPUT: u64 = 1 << 22;
const MAGIC: [&[u8]; 5] = [
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"\x50\x2a\x4d\x18",
    b"\xfd7zXZ\0",
    b"BZh1\x31\x41\x59\x26\x53\x59",
];

fuzz_target!(|bytes: &[u8]| {
    assert!(unpack(bytes, MAX_OUTPUT).is_none_or(|count| count <= MAX_OUTPUT));
    // Without the magic number, no input gets past the first bytes.
    if let Some((kind, rest)) = bytes.split_first() {
        let magic = MAGIC[usize::from(*kind) % MAGIC.len()];
        unpack(&[magic, rest].concat(), MAX_OUTPUT);
    }
});
