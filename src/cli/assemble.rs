//! The pipeline from a spec to a finished image.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::GlobalArgs;
use super::args::output_path;
use super::base;
use super::layers_lock;
use super::ui::failure::Failure;
use crate::base::{Base, LoadedBase};
use crate::cache::Cache;
use crate::check;
use crate::closure::Closure;
use crate::image::{self, Image, ImageError};
use crate::layer::{self, Content, EphemeralCache, Request};
use crate::plan::{self, ImagePlan};
use crate::progress;
use crate::progress::Reporter;
use crate::rootfs::Rootfs;
use crate::spec::Spec;
use crate::store_path::PathInfo;

/// The layer of the image's own files.
const OWN_FILES: u32 = 1;

/// Where layers are kept between one call and the next, or only for this one.
pub(super) fn store(
    global: &GlobalArgs,
    reporter: &Arc<dyn Reporter>,
) -> Result<Box<dyn layer::LayerCache>, Failure> {
    match cache(global, reporter)? {
        Some(cache) => Ok(Box::new(cache)),
        None => Ok(Box::new(EphemeralCache::new()?)),
    }
}

/// As [`store`], after all store paths were compared with what is registered.
pub(super) fn verified_store(
    global: &GlobalArgs,
    reporter: &Arc<dyn Reporter>,
) -> Result<Box<dyn layer::LayerCache>, Failure> {
    match cache(global, reporter)? {
        Some(cache) => Ok(Box::new(cache.verified_only())),
        None => Ok(Box::new(EphemeralCache::new()?)),
    }
}

/// Does work that reads layers of a store, and does it again where that fails at a damaged entry of
/// the store: each time at least one entry is removed from it. Work whose bytes have left the process
/// `is_final`.
pub(super) fn healing<T>(
    store: &dyn layer::LayerCache,
    is_final: bool,
    mut work: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    loop {
        match work() {
            Err(failure) if store.has_evicted() => {
                if is_final {
                    return Err(failure.hint("run the command again"));
                }
            }
            done => return done,
        }
    }
}

/// The cache, if there is to be one.
pub(super) fn cache(
    global: &GlobalArgs,
    reporter: &Arc<dyn Reporter>,
) -> Result<Option<Cache>, Failure> {
    let dir = match &global.cache {
        Some(dir) if dir.as_os_str() == "none" => None,
        Some(dir) => Some(dir.clone()),
        None => default_cache(),
    };
    // One that is there is read, where it cannot be written.
    let new = dir.as_deref().filter(|dir| !dir.exists());
    new.map_or(Ok(()), output_path::refuse_store)?;
    let limit = global.cache_size.map(|size| size.0);
    let cache = dir.map(|dir| Cache::open(&dir, limit)).transpose()?;
    Ok(cache.map(|cache| cache.with_reporter(Arc::clone(reporter))))
}

/// The XDG base directory specification's cache folder; none without a home, as in Nix's
/// sandbox, where HOME is a folder that cannot be made.
fn default_cache() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let home = || absolute("HOME").filter(|home| home.is_dir()).map(|home| home.join(".cache"));
    absolute("XDG_CACHE_HOME").or_else(home).map(|dir| dir.join("cooper"))
}

/// Reads every store path that these images can take bytes from, each once.
pub(super) fn verify_store(
    global: &GlobalArgs,
    specs: &[Spec],
    reporter: &dyn Reporter,
) -> Result<(), Failure> {
    let infos: BTreeMap<_, _> =
        specs.iter().flat_map(|spec| &spec.closure).map(|info| (&info.path, info)).collect();
    let infos: Vec<PathInfo> = infos.into_values().cloned().collect();
    layer::verify(&infos, global.jobs(), reporter).map_err(|error| {
        Failure::from(error).hint("`nix-store --repair-path PATH` brings back what Nix built")
    })
}

/// Assembles images one after another, and says how long each took.
pub(super) fn assemble_all(
    global: &GlobalArgs,
    specs: &[Spec],
    store: &dyn layer::LayerCache,
    reporter: &dyn Reporter,
) -> Result<(Vec<Image>, Vec<Duration>), Failure> {
    assemble_and_tell(global, specs, store, reporter, &|_| Ok(()))
}

/// As [`assemble_all`], and tells of each layer while others are still being made.
pub(super) fn assemble_and_tell(
    global: &GlobalArgs,
    specs: &[Spec],
    store: &dyn layer::LayerCache,
    reporter: &dyn Reporter,
    on_layer: &layer::OnLayerDone<'_>,
) -> Result<(Vec<Image>, Vec<Duration>), Failure> {
    let bytes: Vec<u64> = specs.iter().map(stored_bytes).collect();
    let all =
        progress::images(reporter, specs.len(), bytes.iter().copied().fold(0, u64::saturating_add));
    let timed = |((number, spec), bytes): ((usize, &Spec), &u64)| {
        let since = Instant::now();
        let name = match specs.len() {
            1 => spec.name.to_string(),
            count => format!("{} of {count}: {}", number + 1, spec.name),
        };
        let named = |f: Failure| f.during(format!("failed to assemble `{}`", spec.name));
        let whole = all.reporter().group(&name, *bytes);
        let layers = whole.as_deref().unwrap_or(reporter);
        let image = one(global, spec, store, Reporters { reporter, layers }, on_layer);
        image.map(|image| (image, since.elapsed())).map_err(named)
    };
    specs.iter().enumerate().zip(&bytes).map(timed).collect()
}

/// What the layers of store paths will be large, roughly.
fn stored_bytes(spec: &Spec) -> u64 {
    let stored = if spec.include_store_paths { spec.stored() } else { Vec::new() };
    stored.iter().map(|info| info.nar_size).fold(0, u64::saturating_add)
}

/// Who hears of an image's layers, and who of all else.
#[derive(Clone, Copy)]
struct Reporters<'a> {
    reporter: &'a dyn Reporter,
    layers: &'a dyn Reporter,
}

fn one(
    global: &GlobalArgs,
    spec: &Spec,
    store: &dyn layer::LayerCache,
    Reporters { reporter, layers }: Reporters<'_>,
    on_layer: &layer::OnLayerDone<'_>,
) -> Result<Image, Failure> {
    let closure = Closure::new(spec.stored()).map_err(Failure::input)?;
    let base = base::find(spec)?;
    let below = base.as_ref().map_or(0, Base::layer_count);
    let plan = plan_layers(spec, &closure, below)?;
    if let Some(warning) = layers_lock::lock_overhead(spec, &closure, below, &plan)? {
        reporter.warn(&warning);
    }
    let base = base.map(|base| base.read(global.limits(), reporter)).transpose()?;
    let rootfs = Arc::new(checked_files(spec, base.as_ref(), reporter)?);
    let infos = layer_infos(&plan, &closure);
    let requests = requests(spec, &plan, &infos, &rootfs);
    let layers = layer::build_with_callback(&requests, store, global.jobs(), layers, on_layer)?;
    let layers = base.iter().flat_map(|base| base.layers.clone()).chain(layers).collect();
    image::build(spec, base.as_ref().map(|base| &base.lower), layers).map_err(|error| match error {
        ImageError::BaseConfig { .. } | ImageError::TooLarge { .. } => Failure::input(error),
        error => Failure::bug(error),
    })
}

/// The image's own files.
pub(super) fn own_files(spec: &Spec) -> Result<Rootfs, Failure> {
    spec.check_sources().map_err(|error| {
        Failure::input(error).hint("in a flake, write the package itself: \"${pkgs.hello}/bin/x\"")
    })?;
    Ok(Rootfs::new(spec)?)
}

/// The image's own files above its base, once the image has passed its checks.
fn checked_files(
    spec: &Spec,
    base: Option<&LoadedBase>,
    reporter: &dyn Reporter,
) -> Result<Rootfs, Failure> {
    let rootfs = own_files(spec)?;
    for warning in check::check(spec, &rootfs)? {
        reporter.warn(&warning);
    }
    Ok(match base {
        Some(base) => Rootfs::on_base(spec, &base.below)?,
        None => rootfs,
    })
}

/// The plan of an image's store paths above so many layers of a base; empty when they stay out
/// of it.
pub(super) fn plan_layers(
    spec: &Spec,
    closure: &Closure,
    base_layers: usize,
) -> Result<ImagePlan, Failure> {
    if base_layers >= plan::MAX_LAYERS as usize {
        return Err(Failure::input(format!(
            "the base image has {base_layers} layers, and Docker mounts at most {} in all",
            plan::MAX_LAYERS
        ))
        .hint("take a base image with fewer layers"));
    }
    if !spec.include_store_paths {
        return Ok(ImagePlan { layers: Vec::new() });
    }
    plan::plan_image(plan_request(spec, closure, base_layers)).map_err(Failure::input)
}

/// What the planner is asked for a spec.
pub(super) fn plan_request<'a>(
    spec: &'a Spec,
    closure: &'a Closure,
    base_layers: usize,
) -> plan::Request<'a> {
    let below = u32::try_from(base_layers).unwrap_or(u32::MAX).saturating_add(OWN_FILES);
    plan::Request {
        name: spec.name.as_str(),
        closure,
        max_layers: spec.layering.max_layers.saturating_sub(below),
        layering: &spec.layering,
    }
}

/// What the store registers about the paths of each layer, in the plan's order.
pub(super) fn layer_infos(plan: &ImagePlan, closure: &Closure) -> Vec<Vec<PathInfo>> {
    let info = |path| closure.get(path).map(|node| node.info.clone());
    plan.layers.iter().map(|layer| layer.paths.iter().filter_map(info).collect()).collect()
}

pub(super) fn requests<'a>(
    spec: &'a Spec,
    plan: &ImagePlan,
    infos: &'a [Vec<PathInfo>],
    rootfs: &'a Arc<Rootfs>,
) -> Vec<Request<'a>> {
    let request = |name, content| Request {
        name,
        content,
        compression: spec.compression,
        mtime: spec.mtime.seconds(),
    };
    let mut requests: Vec<Request<'a>> = plan
        .layers
        .iter()
        .zip(infos)
        .map(|(layer, infos)| {
            request(label(layer.why.group.as_deref(), infos), Content::StorePaths(infos))
        })
        .collect();
    // An image without store paths still has a layer, so that every runtime takes it.
    if !rootfs.entries.is_empty() || requests.is_empty() {
        requests.push(request("own files".into(), Content::Rootfs(rootfs, &spec.closure)));
    }
    requests
}

/// How people call a layer: its group, or its largest paths.
pub(super) fn label(group: Option<&str>, infos: &[PathInfo]) -> String {
    if let Some(group) = group {
        return group.to_owned();
    }
    let mut largest: Vec<&PathInfo> = infos.iter().collect();
    largest.sort_by_key(|info| std::cmp::Reverse(info.nar_size));
    let names: Vec<&str> = largest.iter().take(2).map(|info| info.path.name()).collect();
    match largest.len() {
        0..=2 => names.join(", "),
        more => format!("{} and {} more", names.join(", "), more - 2),
    }
}
