//! Any bytes as a response of a registry, token server, credential helper or daemon, and as a file
//! of logins: no panic, and messages stay short.
#![no_main]

use std::time::Duration;

use cooper::transport::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::challenge(bytes);
    fuzzing::docker_progress(bytes);
    fuzzing::docker_image(bytes);
    fuzzing::podman_image(bytes);
    fuzzing::logins(bytes);
    fuzzing::token(bytes);
    fuzzing::helper(bytes);
    assert!(fuzzing::pause(bytes) <= Duration::from_secs(60));
    let words = fuzzing::error_words(bytes);
    assert!(words.chars().count() <= 1000 && !words.chars().any(char::is_control), "{words}");
});
