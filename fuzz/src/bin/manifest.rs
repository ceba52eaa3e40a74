//! Any bytes as an index or a manifest, under each media type: an error or what it names.
#![no_main]

use cooper::image::Document;
use cooper::transport::source::read_manifest;
use libfuzzer_sys::fuzz_target;

const TYPES: [&str; 5] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "",
];

fuzz_target!(|bytes: &[u8]| {
    for media_type in TYPES {
        let document = Document::from_bytes(media_type, bytes.to_vec());
        // A second read gives the same result.
        let first = format!("{:?}", read_manifest(&document));
        assert_eq!(first, format!("{:?}", read_manifest(&document)));
    }
});
