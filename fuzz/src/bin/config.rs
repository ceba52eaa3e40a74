//! Any bytes as an image's config: an error, or one with as many diff ids as layers.
#![no_main]

use cooper::image::Document;
use cooper::transport::source::Config;
use cooper::validate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let config = Document::from_bytes("application/vnd.oci.image.config.v1+json", bytes.to_vec());
    for fault in validate::config_faults(bytes) {
        assert!(fault.contains(" must be "), "{fault}");
    }
    for layers in 0..4 {
        if let Ok(config) = Config::parse(&config, layers) {
            assert_eq!(config.diff_ids.len(), layers);
        }
    }
});
