//! Images that are built already, as `inspect` and `history` show them: read from wherever they
//! lie.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Global;
use super::failure::Failure;
use super::looked::{Looked, LookedLayer, LookedPath, Step};
use super::place::{self, Place, Reach};
use crate::digest::Digest;
use crate::report::Reporter;
use crate::store_path::StorePath;
use crate::transport::familiar;
use crate::transport::source::tar::Kind;
use crate::transport::source::{Source, StoredImage, check_configs, choose, images};
use crate::validate::{self, Entry, Scan, scan_layers};

/// Whether layers are read, or only what their descriptors say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Documents,
    Layers,
}

/// The images in a place, each once however many tags it has there.
pub(super) fn look(
    global: &Global,
    place: &Place,
    reach: &Reach,
    depth: Depth,
    reporter: &dyn Reporter,
) -> Result<Vec<Looked>, Failure> {
    let source = place::open_filled(place, reach, reporter)?;
    let stored = stored(&*source, place)?;
    let mut scans = BTreeMap::new();
    if depth == Depth::Layers {
        let layers: BTreeMap<Digest, _> = stored
            .iter()
            .flat_map(|image| &image.layers)
            .map(|layer| (layer.descriptor.digest, layer))
            .collect();
        let layers: Vec<_> = layers.into_values().collect();
        scans = scan_layers(&*source, &layers, global.jobs(), reporter);
    }
    let name = source.name();
    stored.iter().map(|image| looked(&name, image, &scans)).collect()
}

fn stored(source: &dyn Source, place: &Place) -> Result<Vec<StoredImage>, Failure> {
    let roots = match place.image() {
        Some(name) => vec![choose(source, Some(name))?],
        None => source.roots()?,
    };
    let mut stored: Vec<StoredImage> = Vec::new();
    for root in &roots {
        for image in images(source, root, None)? {
            let same = |known: &&mut StoredImage| {
                known.manifest.descriptor.digest == image.manifest.descriptor.digest
                    && repository(known) == repository(&image)
            };
            if let Some(known) = stored.iter_mut().find(same) {
                known.names.extend(image.names);
            } else {
                check_configs(&stored, &image)?;
                stored.push(image);
            }
        }
    }
    Ok(stored)
}

fn looked(
    place: &str,
    image: &StoredImage,
    scans: &BTreeMap<Digest, Scan>,
) -> Result<Looked, Failure> {
    let (name, tags) = names(place, image);
    let steps = steps(image);
    let comments: Vec<String> =
        steps.iter().filter(|(layer, _)| layer.is_some()).map(|(_, step)| label(step)).collect();
    let mut layers = Vec::new();
    for (at, layer) in image.layers.iter().enumerate() {
        let digest = layer.descriptor.digest;
        let label = comments.get(at).filter(|comment| !comment.is_empty()).cloned();
        let label = label.unwrap_or_else(|| "a layer without a word about it".into());
        let mut looked = match scans.get(&digest) {
            Some(scan) => LookedLayer::new(label, paths(digest, scan)?),
            None => LookedLayer { size: layer.descriptor.size, ..LookedLayer::new(label, vec![]) },
        };
        looked.digest = Some(digest.to_string());
        looked.blob_size = Some(layer.descriptor.size);
        layers.push(looked);
    }
    Ok(Looked {
        name,
        tags,
        digest: Some(image.manifest.descriptor.digest.to_string()),
        platform: image.platform().to_string(),
        created: created(image),
        config: image.parsed.config.clone(),
        base: None,
        layers,
        history: steps.into_iter().rev().map(|(_, step)| step).collect(),
    })
}

/// The repository and the tags; an image without a name is called by where it lies.
fn names(place: &str, image: &StoredImage) -> (String, Vec<String>) {
    let name = repository(image).unwrap_or(place).to_owned();
    let tags = image.names.iter().filter_map(|name| split(name).1);
    (name, tags.map(str::to_owned).collect())
}

fn repository(image: &StoredImage) -> Option<&str> {
    image.names.first().map(|name| split(name).0)
}

/// A name as Docker shows it, and its tag.
fn split(name: &str) -> (&str, Option<&str>) {
    let name = familiar(name);
    match name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
        Some((name, tag)) => (name, Some(tag)),
        None => (name, None),
    }
}

fn created(image: &StoredImage) -> String {
    let config: Map<String, Value> =
        serde_json::from_slice(&image.config.bytes).unwrap_or_default();
    text(&config, "created")
}

/// The history from the bottom, each line with the number of its layer if it made one. Layers
/// that no line speaks of come last, as they are on top.
fn steps(image: &StoredImage) -> Vec<(Option<usize>, Step)> {
    let mut steps = Vec::new();
    let mut sizes = image.layers.iter().map(|layer| layer.descriptor.size).enumerate();
    for entry in &image.parsed.history {
        let empty = entry.get("empty_layer") == Some(&Value::Bool(true));
        let layer = if empty { None } else { sizes.next() };
        let step = Step {
            created: text(entry, "created"),
            created_by: text(entry, "created_by"),
            size: layer.map_or(0, |(_, size)| size),
            comment: text(entry, "comment"),
        };
        steps.push((layer.map(|(at, _)| at), step));
    }
    steps.extend(sizes.map(|(at, size)| {
        let (created, created_by, comment) = (String::new(), String::new(), String::new());
        (Some(at), Step { created, created_by, size, comment })
    }));
    steps
}

/// What a layer is called: who made it may have said so, and else how.
fn label(step: &Step) -> String {
    let label = if step.comment.is_empty() { &step.created_by } else { &step.comment };
    match label.char_indices().nth(100) {
        Some((end, _)) => format!("{} …", label.get(..end).unwrap_or_default().trim_end()),
        None => label.clone(),
    }
}

fn text(object: &Map<String, Value>, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Store paths with all that is below them, and other files one by one.
fn paths(digest: Digest, scan: &Scan) -> Result<Vec<LookedPath>, Failure> {
    // A part of the paths is not shown as all of them.
    for finding in &scan.findings {
        let failure = match finding.kind {
            validate::Kind::Unread => Failure::environment(&*finding.message),
            validate::Kind::Bytes => Failure::input(&*finding.message),
            validate::Kind::Document | validate::Kind::Path => continue,
        };
        return Err(failure.during(format!("failed to read layer {digest}")));
    }
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    for entry in &scan.entries {
        if let Some(path) = shown(entry) {
            *sizes.entry(path).or_default() += entry.size;
        }
    }
    Ok(sizes.into_iter().map(|(path, size)| LookedPath { path, size }).collect())
}

fn shown(entry: &Entry) -> Option<String> {
    let path = format!("/{}", String::from_utf8_lossy(&entry.path));
    if let Ok((store_path, _)) = StorePath::parse_prefix(&path) {
        return Some(store_path.to_string());
    }
    match entry.kind {
        Kind::Directory => None,
        Kind::Symlink => Some(format!("{path} -> {}", String::from_utf8_lossy(&entry.link))),
        _ => Some(path),
    }
}
