//! Any bytes as the lock of a base image and as a lock of layers: an error or a lock.
#![no_main]

use cooper::base::Lock;
use cooper_fuzz::temp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = temp::file("lock", bytes);
    if let Ok(lock) = Lock::read(&path) {
        let json = cooper::json::to_bytes(&lock).expect("a lock has a JSON");
        assert_eq!(Lock::read(&temp::file("again", &json)).expect("its own JSON is a lock"), lock);
    }
    cooper::cli::is_layers_lock(&path);
});
