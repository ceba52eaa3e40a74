//! What is known of an image before it is built: its layers, what is in them, and how large it
//! is. Of one that lies somewhere, `found` says the same.

use serde::Serialize;
use serde_json::{Map, Value};

use super::assemble;
use super::commands::plan::{PlannedImage, plan_spec};
use super::ui::failure::Failure;
use crate::fs::{Context, FileOp};
use crate::image::CREATED_BY;
use crate::json;
use crate::rootfs::{Kind, Rootfs};
use crate::spec::{Spec, Tag};
use crate::store_path::PathInfo;

/// An image that somebody looks at.
#[derive(Debug)]
pub(super) struct ImageSummary {
    pub(super) name: String,
    pub(super) tags: Vec<String>,
    /// Of the manifest, once there is one.
    pub(super) digest: Option<String>,
    pub(super) platform: String,
    pub(super) created: String,
    /// As OCI writes it.
    pub(super) config: Map<String, Value>,
    /// What a spec is put on; of a built image, its layers are the image's own.
    pub(super) base: Option<String>,
    /// Bottom first.
    pub(super) layers: Vec<LayerSummary>,
    /// The top one first.
    pub(super) history: Vec<HistoryStep>,
}

/// A layer, planned or made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LayerSummary {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) paths: Vec<PathSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) blob_size: Option<u64>,
}

/// A store path, or a file that is in none.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PathSummary {
    pub(super) path: String,
    pub(super) size: u64,
}

/// A line of the history.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryStep {
    pub(super) created: String,
    pub(super) created_by: String,
    pub(super) size: u64,
    pub(super) comment: String,
}

impl ImageSummary {
    /// Plans the image and lays out its own files.
    pub(super) fn new(spec: &Spec) -> Result<Self, Failure> {
        let layers = planned(spec)?;
        let created = spec.created.to_string();
        let step = |layer: &LayerSummary| HistoryStep {
            created: created.clone(),
            created_by: CREATED_BY.into(),
            size: layer.size,
            comment: layer.name.clone(),
        };
        let config = json::to_bytes(&spec.config).map_err(Failure::bug)?;
        let base = spec.base.as_ref();
        Ok(Self {
            name: spec.name.as_str().into(),
            tags: spec.tags.iter().map(Tag::to_string).collect(),
            digest: None,
            platform: spec.platform.to_string(),
            history: layers.iter().rev().map(step).collect(),
            config: serde_json::from_slice(&config).map_err(Failure::bug)?,
            base: base.and_then(|base| base.path.clone().or_else(|| base.lock.clone())),
            created,
            layers,
        })
    }

    /// The bytes of all layers, before they are packed.
    pub(super) fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// The largest paths of all layers, the largest first; links have no size.
    pub(super) fn biggest(&self, count: usize) -> Vec<&PathSummary> {
        let all = self.layers.iter().flat_map(|layer| &layer.paths);
        let mut paths: Vec<&PathSummary> = all.filter(|path| path.size > 0).collect();
        paths.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));
        paths.truncate(count);
        paths
    }
}

fn planned(spec: &Spec) -> Result<Vec<LayerSummary>, Failure> {
    let named = |failure: Failure| failure.during(format!("failed to lay out `{}`", spec.name));
    let PlannedImage { closure, plan, .. } = plan_spec(spec)?;
    let infos = assemble::layer_infos(&plan, &closure);
    let mut layers: Vec<LayerSummary> = plan
        .layers
        .iter()
        .zip(&infos)
        .map(|(layer, infos)| {
            LayerSummary::new(
                assemble::label(layer.why.group.as_deref(), infos),
                infos.iter().map(PathSummary::of_store).collect(),
            )
        })
        .collect();
    let rootfs = assemble::own_files(spec).map_err(named)?;
    if !rootfs.entries.is_empty() || layers.is_empty() {
        layers.push(LayerSummary::new("own files".into(), own_files(&rootfs).map_err(named)?));
    }
    Ok(layers)
}

impl LayerSummary {
    pub(super) fn new(name: String, paths: Vec<PathSummary>) -> Self {
        let size = paths.iter().map(|path| path.size).sum();
        Self { name, size, paths, digest: None, blob_size: None }
    }
}

impl PathSummary {
    fn of_store(info: &PathInfo) -> Self {
        Self { path: info.path.to_string(), size: info.nar_size }
    }
}

/// Files and links; directories are there for their sake, unless they are empty.
fn own_files(rootfs: &Rootfs) -> Result<Vec<PathSummary>, Failure> {
    let mut files = Vec::new();
    for (path, node) in &rootfs.entries {
        let name = String::from_utf8_lossy(path);
        let (shown, size) = match &node.kind {
            Kind::Directory => continue,
            Kind::Bytes(bytes) => (format!("/{name}"), bytes.len() as u64),
            Kind::Copy(from) => {
                let meta = std::fs::metadata(from).context(FileOp::Read, from)?;
                (format!("/{name}"), meta.len())
            }
            Kind::Symlink(target) => (format!("/{name} -> {}", String::from_utf8_lossy(target)), 0),
        };
        files.push(PathSummary { path: shown, size });
    }
    Ok(files)
}
