//! Any text as a digest, a store path, a name, a tag, a time or a reference: refused, or printed
//! as it was.
#![no_main]

use cooper::digest::{DiffId, Digest};
use cooper::spec::{ImageName, Tag, Time};
use cooper::store_path::StorePath;
use cooper::transport::reference::Reference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
        assert_eq!(digest.hex().len(), 64);
    }
    if let Ok(diff_id) = text.parse::<DiffId>() {
        assert_eq!(diff_id.to_string(), text);
    }
    if let Ok(path) = text.parse::<StorePath>() {
        assert_eq!(path.to_string(), text);
        assert_eq!(format!("{}/{}", path.store_dir(), path.base_name()), text);
    }
    if let Ok((path, rest)) = StorePath::parse_prefix(text) {
        assert_eq!(format!("{path}{rest}"), text);
    }
    if let Ok(name) = text.parse::<ImageName>() {
        assert_eq!(name.to_string(), text);
    }
    if let Ok(tag) = text.parse::<Tag>() {
        assert_eq!(tag.to_string(), text);
    }
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse::<Reference>().as_ref(), Ok(&reference));
    }
    if let Ok(time) = text.parse::<Time>() {
        assert_eq!(time.to_string().parse::<Time>(), Ok(time));
    }
});
