//! Any bytes as what registries, token servers, credential helpers and daemons answer, and as a
//! file of logins: never a panic, and what is shown of it stays short.
#![no_main]

use std::time::Duration;

use cooper::transport::fuzzed;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzed::challenge(bytes);
    fuzzed::docker_progress(bytes);
    fuzzed::docker_image(bytes);
    fuzzed::podman_image(bytes);
    fuzzed::logins(bytes);
    fuzzed::token(bytes);
    fuzzed::helper(bytes);
    assert!(fuzzed::pause(bytes) <= Duration::from_secs(60));
    let words = fuzzed::error_words(bytes);
    assert!(words.chars().count() <= 1000 && !words.chars().any(char::is_control), "{words}");
});
