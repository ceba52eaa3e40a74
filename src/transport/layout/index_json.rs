//! What a layout's index.json has, whoever wrote it.
//!
//! What cooper does not replace stays as it is, word for word and with all fields that it does not
//! know (image-spec, considerations.md, "Extensibility"); so does what it moves, but for its name.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::image::{Descriptor, ImageIndex, MEDIA_TYPE_INDEX};
use crate::json;
use crate::json::Parts;
use crate::transport::source::{
    IMAGE_NAME, IndexEntry, REF_NAME, Unread, parse_entry, parse_index,
};

const MANIFESTS: &str = "manifests";

/// The entries of an index, and all else that it has; none at first.
#[derive(Debug, Default)]
pub(in crate::transport) struct IndexJson {
    /// All but the entries; nothing where there is no index yet.
    rest: Option<Parts>,
    manifests: Vec<IndexEntry>,
}

impl IndexJson {
    /// Reads an index.json, or says what is wrong with it.
    pub(in crate::transport) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifests = parse_index(bytes)?;
        let mut rest: Parts = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        rest.remove(MANIFESTS);
        Ok(Self { rest: Some(rest), manifests })
    }

    /// Puts an entry in the place of those of its name, or at the end.
    pub(in crate::transport) fn insert(&mut self, mut entry: Descriptor) {
        let place = self.manifests.iter().position(|old| same_name(old, &entry));
        if entry.words.is_none() {
            // Its own entry from an earlier time says as much, and perhaps more.
            let is_it = |old: &&Descriptor| Descriptor { words: None, ..(*old).clone() } == entry;
            let own = self.manifests.iter().filter_map(IndexEntry::read).find(is_it);
            entry.words = own.and_then(|old| old.words.clone());
        }
        self.manifests.retain(|old| !same_name(old, &entry));
        let place = place.unwrap_or(self.manifests.len());
        self.manifests.insert(place, IndexEntry::Read(entry));
    }

    /// The index.json: canonical, but for what somebody else has said.
    pub(in crate::transport) fn into_bytes(self) -> serde_json::Result<Vec<u8>> {
        index(self.rest, &self.manifests)
    }
}

/// An index.json of nothing but these entries.
pub(in crate::transport) fn index_of(entries: &[Descriptor]) -> serde_json::Result<Vec<u8>> {
    index(None, &entries.iter().cloned().map(IndexEntry::Read).collect::<Vec<_>>())
}

fn index(rest: Option<Parts>, entries: &[IndexEntry]) -> serde_json::Result<Vec<u8>> {
    let new = || {
        let empty = ImageIndex {
            schema_version: 2,
            media_type: MEDIA_TYPE_INDEX.into(),
            manifests: Vec::new(),
            annotations: BTreeMap::new(),
        };
        serde_json::from_str(json::part(&empty)?.get())
    };
    let mut index: Parts = rest.map_or_else(new, Ok)?;
    let entries: Vec<_> = entries.iter().map(words).collect::<Result<_, _>>()?;
    index.insert(MANIFESTS.into(), json::join(&entries)?);
    Ok(json::join(&index)?.get().as_bytes().to_vec())
}

/// An entry in the words in which it was read, but for what is another now.
fn words(entry: &IndexEntry) -> serde_json::Result<Box<RawValue>> {
    let entry = match entry {
        IndexEntry::Read(entry) => entry,
        IndexEntry::Unread(entry) => return RawValue::from_string(entry.words.to_string()),
    };
    let Some(words) = &entry.words else { return json::part(entry) };
    let before = serde_json::to_value(parse_entry(words)?)?;
    changed(words, &before, &serde_json::to_value(entry)?)
}

/// Changes in the words of a value what cooper understood as `before` and is `now` another.
fn changed(words: &str, before: &Value, now: &Value) -> serde_json::Result<Box<RawValue>> {
    if before == now {
        return RawValue::from_string(words.to_owned());
    }
    let (Value::Object(before), Value::Object(now)) = (before, now) else {
        return json::part(now);
    };
    let mut parts: Parts = serde_json::from_str(words)?;
    parts.retain(|field, _| now.contains_key(field) || !before.contains_key(field));
    for (field, now) in now {
        let words = match (before.get(field), parts.get(field)) {
            (Some(before), Some(part)) => changed(part.get(), before, now)?,
            (Some(before), None) if before == now => continue,
            _ => json::part(now)?,
        };
        parts.insert(field.clone(), words);
    }
    json::join(&parts)
}

fn same_name(old: &IndexEntry, new: &Descriptor) -> bool {
    let (annotations, platform, digest) = match old {
        IndexEntry::Read(old) => (&old.annotations, &old.platform, Some(old.digest)),
        IndexEntry::Unread(Unread { annotations, platform, .. }) => (annotations, platform, None),
    };
    match (name(annotations), name(&new.annotations)) {
        // What has no name is the same only by its bytes.
        (None, None) => digest == Some(new.digest),
        (old_name, new_name) => {
            // What names no platform, such as an index, is for all.
            let platforms = platform.as_ref().zip(new.platform.as_ref());
            old_name == new_name && platforms.is_none_or(|(a, b)| a.is_same(b))
        }
    }
}

fn name(annotations: &BTreeMap<String, String>) -> Option<&String> {
    annotations.get(IMAGE_NAME).or_else(|| annotations.get(REF_NAME))
}
