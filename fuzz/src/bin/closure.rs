//! Any bytes as a references graph: an error or a closure without gaps.
#![no_main]

use cooper::closure::Closure;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(closure) = Closure::parse(bytes) {
        let count = closure.nodes().len();
        assert!(closure.nodes().iter().all(|node| node.info.nar_size <= closure.nar_size()));
        for node in closure.nodes() {
            let neighbours = node.references.iter().chain(&node.referrers);
            assert!(neighbours.clone().all(|index| *index < count));
            assert!(closure.get(&node.info.path).is_some());
        }
    }
});
