//! Any bytes as a spec: an error or a spec that its own JSON gives back.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(spec) = cooper::spec::parse(bytes) {
        let json = cooper::json::to_bytes(&spec).expect("a spec has a JSON");
        let again = cooper::spec::parse(&json).expect("a spec's own JSON is a spec");
        assert_eq!(cooper::json::to_bytes(&again).expect("as above"), json);
    }
});
