//! Any bytes as a file of logins and as the files with Docker's address: no panic, and a key
//! matches only the registry that it names.
#![no_main]

use cooper::transport::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::logins(bytes);
    fuzzing::helper(bytes);
    for key in fuzzing::login_keys(bytes, "r.example:5000", "team/app") {
        assert!(key.contains("r.example:5000"), "{key}");
    }
    for key in fuzzing::login_keys(bytes, "docker.io", "library/app") {
        assert!(key.contains("docker.io"), "{key}");
    }
});
