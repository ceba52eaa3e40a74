//! Any bytes as the entrypoint of an image, as a program in PATH and as its accounts: the same
//! result in each run.
#![no_main]

use cooper::rootfs::{Kind, Node, Rootfs};
use cooper::{check, spec};
use libfuzzer_sys::fuzz_target;

const SPEC: &[u8] = br#"{"version":1,"name":"a","includeStorePaths":false,"config":{
    "Entrypoint":["/program"],"User":"user:group","Cmd":["a"],"Healthcheck":{"Test":["CMD","b"]}},
    "checks":{"skip":["secrets"]}}"#;

fuzz_target!(|bytes: &[u8]| {
    let spec = spec::parse(SPEC).expect("a spec");
    let mut rootfs = Rootfs::new(&spec).expect("a spec without sources has its files");
    for path in ["program", "etc/passwd", "etc/group", "usr/bin/b"] {
        let kind = Kind::Bytes(bytes.to_vec());
        let node = Node { kind, mode: 0o755, uid: 0, gid: 0, xattrs: Default::default() };
        rootfs.entries.insert(path.into(), node);
    }
    let first = format!("{:?}", check::check(&spec, &rootfs));
    assert_eq!(first, format!("{:?}", check::check(&spec, &rootfs)));
});
