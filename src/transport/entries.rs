//! What a layout's index.json has, whoever wrote it.
//!
//! What cooper does not replace stays as it is, with all fields that it does not know (image-spec,
//! considerations.md, "Extensibility").

use serde_json::{Map, Value};

use super::layout;
use super::source::{IMAGE_NAME, REF_NAME, parse_index};
use crate::image::{Descriptor, json};

const MANIFESTS: &str = "manifests";

/// The entries of an index, and all else that it has; none at first.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// All but the entries; nothing where there is no index yet.
    rest: Option<Map<String, Value>>,
    manifests: Vec<Entry>,
}

/// What cooper understands of an entry.
#[derive(Debug)]
struct Entry {
    known: Descriptor,
    /// All of it, where it was there before.
    whole: Option<Value>,
}

impl Entries {
    /// Reads an index.json, or says what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let known = parse_index(bytes)?;
        let mut rest: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let manifests = match rest.remove(MANIFESTS) {
            Some(Value::Array(all)) => all,
            _ => Vec::new(),
        };
        let entry = |(known, whole)| Entry { known, whole: Some(whole) };
        let manifests = known.into_iter().zip(manifests).map(entry).collect();
        Ok(Self { rest: Some(rest), manifests })
    }

    /// Puts an entry in the place of those of its name, or at the end.
    pub(super) fn insert(&mut self, known: Descriptor) {
        let place = self.manifests.iter().position(|old| same_name(&old.known, &known));
        // Its own entry from an earlier time says as much, and perhaps more.
        let old = self.manifests.iter().find(|old| old.known == known);
        let whole = old.and_then(|old| old.whole.clone());
        self.manifests.retain(|old| !same_name(&old.known, &known));
        let place = place.unwrap_or(self.manifests.len());
        self.manifests.insert(place, Entry { known, whole });
    }

    /// The index.json, canonical.
    pub(super) fn into_bytes(self) -> serde_json::Result<Vec<u8>> {
        let Some(mut rest) = self.rest else {
            let known = self.manifests.into_iter().map(|entry| entry.known).collect();
            return json::to_bytes(&layout::index_of(known));
        };
        let value = |Entry { known, whole }| whole.map_or_else(|| serde_json::to_value(known), Ok);
        let manifests = self.manifests.into_iter().map(value).collect::<Result<_, _>>()?;
        rest.insert(MANIFESTS.into(), Value::Array(manifests));
        json::to_bytes(&rest)
    }
}

fn same_name(a: &Descriptor, b: &Descriptor) -> bool {
    let name = |d: &Descriptor| {
        d.annotations.get(IMAGE_NAME).or_else(|| d.annotations.get(REF_NAME)).cloned()
    };
    match (name(a), name(b)) {
        // What has no name is the same only by its bytes.
        (None, None) => a.digest == b.digest,
        (a_name, b_name) => {
            // What names no platform, such as an index, is for all.
            let platforms = a.platform.as_ref().zip(b.platform.as_ref());
            a_name == b_name && platforms.is_none_or(|(a, b)| a == b)
        }
    }
}
