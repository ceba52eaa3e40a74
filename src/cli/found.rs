//! Images that are built already, as `inspect` and `history` show them: read from wherever they
//! lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::GlobalArgs;
use super::args::location;
use super::args::location::{ConnectOptions, ImageLocation};
use super::looked::{HistoryStep, ImageSummary, LayerSummary, PathSummary};
use super::ui::failure::Failure;
use crate::digest::Digest;
use crate::progress::Reporter;
use crate::store_path::StorePath;
use crate::transport::familiar;
use crate::transport::source::tar::Kind;
use crate::transport::source::{ResolvedImage, Source, all_images, choose};
use crate::validate::{self, OutOfMemory, Scan, Workspace, scan_layers};

/// Memory of a path, without its text.
const LISTED_COST: u64 = 64;

/// The paths of layers.
type Contents = BTreeMap<Digest, Vec<PathSummary>>;

/// Whether layers are read, or only what their descriptors say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Documents,
    Layers,
}

/// The images in a place, each once however many tags it has there.
pub(super) fn look(
    global: &GlobalArgs,
    place: &ImageLocation,
    reach: &ConnectOptions,
    depth: Depth,
    reporter: &dyn Reporter,
) -> Result<Vec<ImageSummary>, Failure> {
    let source = location::open_filled(place, reach, reporter)?;
    let stored = stored(&*source, place, reporter)?;
    let mut contents = Contents::default();
    let workspace = Arc::new(Workspace::new(global.limits()));
    if depth == Depth::Layers {
        let layers: BTreeMap<Digest, _> = stored
            .iter()
            .flat_map(|image| &image.layers)
            .filter(|layer| layer.encoding.is_some())
            .map(|layer| (layer.descriptor.digest, layer))
            .collect();
        let layers: Vec<_> = layers.into_values().collect();
        scan_layers(&workspace, &*source, &layers, reporter, |at, scan| {
            let Some(layer) = layers.get(at) else { return Ok(()) };
            let digest = layer.descriptor.digest;
            contents.insert(digest, paths(&workspace, digest, &scan)?);
            Ok::<_, Failure>(())
        })?;
    }
    let name = source.name();
    stored.iter().map(|image| looked(&name, image, &contents, &workspace)).collect()
}

fn stored(
    source: &dyn Source,
    place: &ImageLocation,
    reporter: &dyn Reporter,
) -> Result<Vec<ResolvedImage>, Failure> {
    let roots = match place.image() {
        Some(name) => vec![choose(source, Some(name))?],
        None => source.roots()?,
    };
    let is_known = |stored: &mut [ResolvedImage], image: &ResolvedImage| {
        let same = |known: &&mut ResolvedImage| {
            known.manifest.descriptor.digest == image.manifest.descriptor.digest
                && known.platform() == image.platform()
                && repository(known) == repository(image)
        };
        let known = stored.iter_mut().find(same);
        known.map(|known| known.names.extend(image.names.iter().cloned())).is_some()
    };
    Ok(all_images(source, &roots, reporter, is_known)?)
}

fn looked(
    place: &str,
    image: &ResolvedImage,
    contents: &Contents,
    workspace: &Workspace,
) -> Result<ImageSummary, Failure> {
    let (name, tags) = names(place, image);
    let steps = steps(image);
    let comments: Vec<String> =
        steps.iter().filter(|(layer, _)| layer.is_some()).map(|(_, step)| label(step)).collect();
    let mut layers = Vec::new();
    for (at, layer) in image.layers.iter().enumerate() {
        let digest = layer.descriptor.digest;
        let label = comments.get(at).filter(|comment| !comment.is_empty()).cloned();
        let label = label.unwrap_or_else(|| "a layer without a word about it".into());
        let mut looked = match contents.get(&digest) {
            Some(paths) => {
                let cost = paths.iter().map(|path| LISTED_COST + path.path.len() as u64).sum();
                workspace.take(cost).map_err(|error| too_many(digest, error))?;
                LayerSummary::new(label, paths.clone())
            }
            None => {
                LayerSummary { size: layer.descriptor.size, ..LayerSummary::new(label, vec![]) }
            }
        };
        looked.digest = Some(digest.to_string());
        looked.blob_size = Some(layer.descriptor.size);
        layers.push(looked);
    }
    Ok(ImageSummary {
        name,
        tags,
        digest: Some(image.manifest.descriptor.digest.to_string()),
        platform: image.label(),
        created: created(image),
        config: image.parsed.config.clone(),
        base: None,
        layers,
        history: steps.into_iter().rev().map(|(_, step)| step).collect(),
    })
}

/// The repository and the tags; an image without a name is called by where it lies.
fn names(place: &str, image: &ResolvedImage) -> (String, Vec<String>) {
    let name = repository(image).unwrap_or(place).to_owned();
    let tags = image.names.iter().filter_map(|name| split(name).1);
    (name, tags.map(str::to_owned).collect())
}

fn repository(image: &ResolvedImage) -> Option<&str> {
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

fn created(image: &ResolvedImage) -> String {
    let config: Map<String, Value> =
        serde_json::from_slice(&image.config.bytes).unwrap_or_default();
    text(&config, "created")
}

/// The history from the bottom, each line with the number of its layer if it made one. Layers
/// that no line speaks of come last, as they are on top.
fn steps(image: &ResolvedImage) -> Vec<(Option<usize>, HistoryStep)> {
    let mut steps = Vec::new();
    let mut sizes = image.layers.iter().map(|layer| layer.descriptor.size).enumerate();
    for entry in &image.parsed.history {
        let empty = entry.get("empty_layer") == Some(&Value::Bool(true));
        let layer = if empty { None } else { sizes.next() };
        let step = HistoryStep {
            created: text(entry, "created"),
            created_by: text(entry, "created_by"),
            size: layer.map_or(0, |(_, size)| size),
            comment: text(entry, "comment"),
        };
        steps.push((layer.map(|(at, _)| at), step));
    }
    steps.extend(sizes.map(|(at, size)| {
        let (created, created_by, comment) = (String::new(), String::new(), String::new());
        (Some(at), HistoryStep { created, created_by, size, comment })
    }));
    steps
}

/// What a layer is called: who made it may have said so, and else how.
fn label(step: &HistoryStep) -> String {
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
fn paths(workspace: &Workspace, digest: Digest, scan: &Scan) -> Result<Vec<PathSummary>, Failure> {
    use validate::Kind as Found;
    let is_complete = |kind| !matches!(kind, Found::Bytes | Found::Unread | Found::Limit);
    if let Some(finding) = scan.findings.iter().find(|finding| !is_complete(finding.kind)) {
        let message = &*finding.message;
        let failure = match finding.kind {
            Found::Unread => Failure::environment(message),
            _ => Failure::input(message),
        };
        return Err(failure.during(format!("failed to read layer {digest}")));
    }
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    let mut full = None;
    scan.each_entry(|path, kind, link, size| {
        let Some(path) = shown(path, kind, link) else { return };
        if let Some(sum) = sizes.get_mut(&path) {
            *sum = sum.saturating_add(size);
        } else if let Err(error) = workspace.take(LISTED_COST + path.len() as u64) {
            full = Some(error);
        } else {
            sizes.insert(path, size);
        }
    });
    match full {
        Some(error) => Err(too_many(digest, error)),
        None => Ok(sizes.into_iter().map(|(path, size)| PathSummary { path, size }).collect()),
    }
}

fn too_many(digest: Digest, error: OutOfMemory) -> Failure {
    Failure::input(error).during(format!("failed to list the files of layer {digest}"))
}

fn shown(path: &[u8], kind: Kind, link: &[u8]) -> Option<String> {
    let path = format!("/{}", String::from_utf8_lossy(path));
    if let Ok((store_path, _)) = StorePath::parse_prefix(&path) {
        return Some(store_path.to_string());
    }
    match kind {
        Kind::Directory => None,
        Kind::Symlink => Some(format!("{path} -> {}", String::from_utf8_lossy(link))),
        _ => Some(path),
    }
}
