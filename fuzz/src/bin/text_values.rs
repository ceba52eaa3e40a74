//! Any text as a digest, a store path, a name, a tag, a time, a mode, capabilities, a reference or
//! a Docker address: refused, or printed unchanged.
#![no_main]

use cooper::digest::{DiffId, Digest};
use cooper::spec::{Capabilities, ImageName, Mode, Tag, Time};
use cooper::store_path::StorePath;
use cooper::transport::daemon::docker::host;
use cooper::transport::name::reference::Reference;
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
    if let Ok(mode) = text.parse::<Mode>() {
        assert_eq!(u32::from_str_radix(text, 8), Ok(mode.bits()));
        assert!(mode.bits() <= 0o7777);
    }
    if let Ok(capabilities) = Capabilities::new(text.lines().map(str::to_owned).collect()) {
        assert_eq!(capabilities.to_xattr().len(), 20);
    }
    let host = |text: &str| {
        let found = host::find(&|name| (name == "DOCKER_HOST").then(|| text.into()));
        found.ok().map(|endpoint| endpoint.to_string())
    };
    if let Some(shown) = host(text).filter(|_| !text.is_empty()) {
        assert_eq!(host(&shown), Some(shown));
    }
});
