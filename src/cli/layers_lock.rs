//! `layers.lock.json`: which packages lie together, from one version to the next.
//!
//! A flake reads the file into `layering.lock` of its specs, so that every verb and every machine
//! plans by the same one; `cooper plan` writes it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::assemble;
use super::ui::failure::Failure;
use super::ui::{output, table};
use crate::closure::Closure;
use crate::fs;
use crate::plan::ImagePlan;
use crate::spec::Spec;

/// The one version of the file that this cooper reads.
const VERSION: u64 = 1;
/// A name for each package of the largest sets.
const LIMIT: u64 = 64 << 20;
/// A kept plan may cost so many hundredths of a fresh one before cooper says so.
const MAX_LOCK_OVERHEAD_PERCENT: u128 = 115;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayersLock {
    version: u64,
    images: BTreeMap<String, Vec<Vec<String>>>,
}

/// A door for a fuzz target: whether a file is a lock.
#[cfg(fuzzing)]
pub fn is_layers_lock(path: &Path) -> bool {
    LayersLock::read(path).is_ok()
}

impl LayersLock {
    pub(super) fn empty() -> Self {
        Self { version: VERSION, images: BTreeMap::new() }
    }

    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let during = |failure: Failure| {
            failure
                .during(format!("failed to read the lock `{}`", path.display()))
                .hint("`cooper plan SPEC --repack --write-lock=FILE` writes a new one")
        };
        let bytes = fs::read(path, LIMIT)?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let lock: Self =
            serde_path_to_error::deserialize(&mut json).map_err(|e| during(Failure::input(e)))?;
        json.end().map_err(|e| during(Failure::input(e)))?;
        match lock.version {
            VERSION => Ok(lock),
            other => {
                let message = format!("version {other} is not known; this cooper reads {VERSION}");
                Err(during(Failure::input(message)))
            }
        }
    }

    /// Gives a spec the layers that the lock has for its image.
    pub(super) fn apply(&self, spec: &mut Spec) {
        if let Some(layers) = self.images.get(spec.name.as_str()) {
            spec.layering.lock.clone_from(layers);
        }
    }

    pub(super) fn insert(&mut self, spec: &Spec, layers: Vec<Vec<String>>) {
        self.images.insert(spec.name.to_string(), layers);
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        output::document(path, output::json(self)?.as_str().as_bytes())
    }
}

/// Keeps other processes from changing the file while this one reads and writes it. The directory
/// is locked, because a write replaces the file.
pub(super) fn lock(path: &Path) -> Result<Option<File>, Failure> {
    if output::is_stdout(path) {
        return Ok(None);
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A directory that is not there is reported by the write.
    let Ok(file) = File::open(dir) else { return Ok(None) };
    fs::lock(&file, path, fs::LockMode::Exclusive)?;
    Ok(Some(file))
}

/// What to tell people when keeping has become dear; nothing while it is worth it.
pub(super) fn lock_overhead(
    spec: &Spec,
    closure: &Closure,
    base_layers: usize,
    kept: &ImagePlan,
) -> Result<Option<String>, Failure> {
    if spec.layering.lock.is_empty() {
        return Ok(None);
    }
    let mut fresh = spec.clone();
    fresh.layering.lock.clear();
    let least = assemble::plan_layers(&fresh, closure, base_layers)?.expected().max(1);
    let hundredths = kept.expected().saturating_mul(100) / least;
    Ok((hundredths > MAX_LOCK_OVERHEAD_PERCENT).then(|| {
        let size: u64 = kept.layers.iter().map(|layer| layer.nar_size).sum();
        format!(
            "the kept layers of `{}` ({}) move {} % more bytes than fresh ones would; \
             `cooper plan SPEC --repack --write-lock` starts over",
            spec.name,
            table::bytes(size),
            hundredths - 100
        )
    }))
}
