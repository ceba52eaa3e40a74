//! Any bytes as an index.json of another program, to which an image is added: an error, or every
//! earlier entry and the image.
#![no_main]

use cooper::digest::Digest;
use cooper::image::{Descriptor, MEDIA_TYPE_MANIFEST};
use cooper::transport::fuzzing::add_to_index;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

const NAME: &str = "fuzzed-by-cooper";

/// Returns none if a value cannot be represented, for example a number outside the range of a
/// double.
fn parts(bytes: &[u8]) -> Option<(Map<String, Value>, Vec<Value>)> {
    let Value::Object(mut index) = serde_json::from_slice(bytes).ok()? else { panic!("no object") };
    match index.remove("manifests") {
        Some(Value::Array(manifests)) => Some((index, manifests)),
        // Go writes `null` for an empty list.
        Some(Value::Null) => Some((index, Vec::new())),
        _ => panic!("no list"),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut image = Descriptor::new(MEDIA_TYPE_MANIFEST, Digest::of(b"a"), 1);
    image.annotations.insert("org.opencontainers.image.ref.name".into(), NAME.into());
    let Ok(added) = add_to_index(bytes, image.clone()) else { return };
    let Some((rest_before, before)) = parts(bytes) else { return };
    let (rest, mut entries) = parts(&added).expect("what was there");
    assert_eq!(rest, rest_before);
    let is_named = |entry: &Value| entry.to_string().contains(NAME);
    let others: Vec<&Value> = before.iter().filter(|entry| !is_named(entry)).collect();
    assert!(entries.iter().any(is_named));
    entries.retain(|entry| !is_named(entry));
    assert_eq!(entries.iter().collect::<Vec<_>>(), others);
    let again = add_to_index(&added, image).expect("it is an index");
    assert_eq!(parts(&again), parts(&added));
});
