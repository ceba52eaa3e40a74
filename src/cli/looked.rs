//! What is known of an image before it is built: its layers, what is in them, and how large it
//! is.

use serde::Serialize;

use super::assemble;
use super::failure::Failure;
use super::plan::plan_spec;
use crate::file::Context;
use crate::rootfs::{Kind, Rootfs};
use crate::spec::Spec;
use crate::store_path::PathInfo;

/// A planned image.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) layers: Vec<LookedLayer>,
}

/// A layer that would be made.
#[derive(Debug, Serialize)]
pub(super) struct LookedLayer {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) paths: Vec<LookedPath>,
}

/// A store path, or one of the image's own files.
#[derive(Debug, Serialize)]
pub(super) struct LookedPath {
    pub(super) path: String,
    pub(super) size: u64,
}

impl Looked {
    /// Plans the image and lays out its own files.
    pub(super) fn new(spec: &Spec) -> Result<Self, Failure> {
        let named = |failure: Failure| failure.during(format!("failed to lay out `{}`", spec.name));
        let (closure, plan) = plan_spec(spec)?;
        let infos = assemble::layer_infos(&plan, &closure);
        let mut layers: Vec<LookedLayer> = plan
            .layers
            .iter()
            .zip(&infos)
            .map(|(layer, infos)| {
                LookedLayer::new(
                    assemble::label(layer.why.group.as_deref(), infos),
                    infos.iter().map(LookedPath::of_store).collect(),
                )
            })
            .collect();
        let rootfs = assemble::own_files(spec).map_err(named)?;
        if !rootfs.entries.is_empty() || layers.is_empty() {
            layers.push(LookedLayer::new("own files".into(), own_files(&rootfs).map_err(named)?));
        }
        Ok(Self { layers })
    }

    /// The bytes of all layers, before they are packed.
    pub(super) fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// The largest paths of all layers, the largest first; links have no size.
    pub(super) fn biggest(&self, count: usize) -> Vec<&LookedPath> {
        let all = self.layers.iter().flat_map(|layer| &layer.paths);
        let mut paths: Vec<&LookedPath> = all.filter(|path| path.size > 0).collect();
        paths.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));
        paths.truncate(count);
        paths
    }
}

impl LookedLayer {
    fn new(name: String, paths: Vec<LookedPath>) -> Self {
        Self { name, size: paths.iter().map(|path| path.size).sum(), paths }
    }
}

impl LookedPath {
    fn of_store(info: &PathInfo) -> Self {
        Self { path: info.path.to_string(), size: info.nar_size }
    }
}

/// Files and links; directories are there for their sake, unless they are empty.
fn own_files(rootfs: &Rootfs) -> Result<Vec<LookedPath>, Failure> {
    let mut files = Vec::new();
    for (path, node) in &rootfs.entries {
        let name = String::from_utf8_lossy(path);
        let (shown, size) = match &node.kind {
            Kind::Directory => continue,
            Kind::Bytes(bytes) => (format!("/{name}"), bytes.len() as u64),
            Kind::Copy(from) => {
                let meta = std::fs::metadata(from).context("read", from)?;
                (format!("/{name}"), meta.len())
            }
            Kind::Symlink(target) => (format!("/{name} -> {}", String::from_utf8_lossy(target)), 0),
        };
        files.push(LookedPath { path: shown, size });
    }
    Ok(files)
}
