//! The older half of an archive: Docker's `manifest.json`, as `docker save` and dockerTools
//! write it.
//!
//! Such an archive has configs and layers and no OCI manifests. A manifest is made for each
//! image, the same from the same bytes; layers pass through as they lie there.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};

use serde::Deserialize;

use super::{FileRange, Members};
use crate::digest::{Digest, Hasher};
use crate::image::{Descriptor, Document, ImageManifest, MEDIA_TYPE_CONFIG, MEDIA_TYPE_MANIFEST};
use crate::transport::source::encoding::{MAGIC_LENGTH, Magic};
use crate::transport::source::{CONFIG_LIMIT, CONFIGS_LIMIT, SourceError, name_annotations};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// The images of a `manifest.json`.
#[derive(Debug)]
pub(in crate::transport::source) struct DockerImages {
    roots: Vec<Descriptor>,
    documents: BTreeMap<Digest, Vec<u8>>,
    layers: BTreeMap<Digest, String>,
}

impl DockerImages {
    /// Reads the list, the configs and, for their digests, the layers.
    pub(in crate::transport::source) fn read(members: &Members) -> Result<Self, SourceError> {
        let bytes = members.small("manifest.json", "a docker archive")?;
        // Go writes `null` for an empty list.
        let entries: Option<Vec<Entry>> = serde_json::from_slice(&bytes)
            .map_err(|e| members.unusable(format!("its manifest.json is unusable: {e}")))?;
        let mut images =
            Self { roots: Vec::new(), documents: BTreeMap::new(), layers: BTreeMap::new() };
        let mut known = Known::default();
        for (at, entry) in entries.unwrap_or_default().into_iter().enumerate() {
            images.add(members, at, entry, &mut known)?;
        }
        Ok(images)
    }

    pub(in crate::transport::source) fn roots(&self) -> &[Descriptor] {
        &self.roots
    }

    pub(in crate::transport::source) fn open(
        &self,
        members: &Members,
        digest: Digest,
    ) -> Result<Option<Box<dyn Read + Send>>, SourceError> {
        if let Some(bytes) = self.documents.get(&digest) {
            return Ok(Some(Box::new(Cursor::new(bytes.clone()))));
        }
        let Some(name) = self.layers.get(&digest) else { return Ok(None) };
        Ok(members.open(name)?.map(|section| Box::new(section) as Box<_>))
    }

    fn add(
        &mut self,
        members: &Members,
        at: usize,
        entry: Entry,
        known: &mut Known,
    ) -> Result<(), SourceError> {
        let config = self.config(members, &entry.config, at, known)?;
        let mut layers = Vec::new();
        for (number, name) in entry.layers.unwrap_or_default().into_iter().enumerate() {
            let field = format!("[{at}].Layers[{number}]");
            let descriptor = layer(members, &name, &field, &mut known.layers)?;
            self.layers.insert(descriptor.digest, name);
            layers.push(descriptor);
        }
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: MEDIA_TYPE_MANIFEST.into(),
            config,
            layers,
            annotations: BTreeMap::new(),
        };
        let manifest = Document::new(MEDIA_TYPE_MANIFEST, &manifest)
            .map_err(|e| members.unusable(format!("its manifest has no json: {e}")))?;
        let root = |annotations| Descriptor { annotations, ..manifest.descriptor.clone() };
        match entry.repo_tags.unwrap_or_default().as_slice() {
            [] => self.roots.push(root(BTreeMap::new())),
            tags => self.roots.extend(tags.iter().map(|tag| root(name_annotations(tag)))),
        }
        self.documents.insert(manifest.descriptor.digest, manifest.bytes);
        Ok(())
    }

    fn config(
        &mut self,
        members: &Members,
        name: &str,
        at: usize,
        known: &mut Known,
    ) -> Result<Descriptor, SourceError> {
        let place = members.open(name)?.map(|section| section.place());
        if let Some(known) = place.and_then(|place| known.configs.get(&place)) {
            return Ok(known.clone());
        }
        let bytes =
            members.document(name, &format!("manifest.json in [{at}].Config"), CONFIG_LIMIT)?;
        known.config_bytes = known.config_bytes.saturating_add(bytes.len() as u64);
        if known.config_bytes > CONFIGS_LIMIT {
            return Err(members.unusable("its configs have more bytes than cooper keeps"));
        }
        let Document { descriptor, bytes } = Document::from_bytes(MEDIA_TYPE_CONFIG, bytes);
        self.documents.insert(descriptor.digest, bytes);
        known.configs.extend(place.map(|place| (place, descriptor.clone())));
        Ok(descriptor)
    }
}

/// Files that were looked at, by their place in the archive: one may have many names.
#[derive(Default)]
struct Known {
    config_bytes: u64,
    configs: BTreeMap<u64, Descriptor>,
    layers: BTreeMap<u64, Descriptor>,
}

/// Names a layer's file as it lies there.
fn layer(
    members: &Members,
    name: &str,
    field: &str,
    known: &mut BTreeMap<u64, Descriptor>,
) -> Result<Descriptor, SourceError> {
    let unusable =
        |why| members.unusable(format!("its manifest.json's {field}: the layer `{name}` {why}"));
    let section = members.open(name)?.ok_or_else(|| unusable("is not in it".into()))?;
    let place = section.place();
    if let Some(known) = known.get(&place) {
        return Ok(known.clone());
    }
    let mut start = Vec::new();
    let failed = |error: io::Error| unusable(format!("cannot be read: {error}"));
    section.clone().take(MAGIC_LENGTH as u64).read_to_end(&mut start).map_err(failed)?;
    let encoding = match Magic::of(&start) {
        Magic::Layer(encoding) => encoding,
        other => {
            let name = other.name();
            return Err(unusable(format!("is compressed with {name}, which layers are not")));
        }
    };
    let size = section.len();
    let digest = match name.strip_prefix("blobs/sha256/").map(|hex| format!("sha256:{hex}").parse())
    {
        // Who reads it compares.
        Some(Ok(digest)) => digest,
        _ => hashed(section).map_err(failed)?,
    };
    let descriptor = Descriptor::new(encoding.media_type(), digest, size);
    known.insert(place, descriptor.clone());
    Ok(descriptor)
}

fn hashed(mut section: FileRange) -> io::Result<Digest> {
    let size = section.len();
    let mut hasher = Hasher::new();
    io::copy(&mut section, &mut hasher)?;
    let hashed = hasher.finish();
    match hashed.size == size {
        true => Ok(hashed.digest()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
