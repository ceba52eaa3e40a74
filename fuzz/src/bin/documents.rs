//! Any bytes as a file that another program wrote for cooper: a derivation's attributes, a tree, a
//! list of owners, Docker's configuration and one of its contexts. An error, or a complete
//! document.
#![no_main]

use cooper::cli::fuzzing;
use cooper::digest::Digest;
use cooper::spec;
use cooper::transport::daemon::docker::host;
use cooper_fuzz::temp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(made) = fuzzing::attrs(bytes) {
        spec::parse(&made).expect("what cooper makes, it reads");
    }
    let file = temp::file("documents/file", bytes);
    fuzzing::owners(&file);
    let mut spec = spec::parse(br#"{"version":1,"name":"a"}"#).expect("a spec");
    fuzzing::tree(&mut spec, &file);
    temp::file("docker/config.json", bytes);
    let meta = format!("docker/contexts/meta/{}/meta.json", Digest::of(b"a").hex());
    let meta = temp::file(&meta, bytes);
    let directory = meta.ancestors().nth(4).expect("Docker's directory");
    for context in ["", "a"] {
        let found = host::find(&|name| match name {
            "DOCKER_CONFIG" => Some(directory.into()),
            "DOCKER_CONTEXT" => Some(context.into()),
            _ => None,
        });
        if let Ok(endpoint) = found {
            let shown = endpoint.to_string();
            let again = host::find(&|name| (name == "DOCKER_HOST").then(|| (&shown).into()));
            assert_eq!(again.map(|endpoint| endpoint.to_string()).ok(), Some(shown));
        }
    }
});
