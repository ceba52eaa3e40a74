//! From a spec to a finished image: the way of the data, room by room.

use std::path::PathBuf;

use super::Global;
use super::failure::Failure;
use crate::cache::{self, Cache};
use crate::check;
use crate::closure::Closure;
use crate::image::{self, Image};
use crate::layer::{self, Content, Request, TempStore};
use crate::plan::{self, ImagePlan};
use crate::report::Reporter;
use crate::rootfs::Rootfs;
use crate::spec::Spec;
use crate::store_path::PathInfo;

/// The layer of the image's own files.
const OWN_FILES: u32 = 1;

/// Where layers are kept between one call and the next, or only for this one.
pub(super) fn store(global: &Global) -> Result<Box<dyn layer::Store>, Failure> {
    match cache(global)? {
        Some(cache) => Ok(Box::new(cache)),
        None => Ok(Box::new(TempStore::new()?)),
    }
}

/// The cache, if there is to be one.
pub(super) fn cache(global: &Global) -> Result<Option<Cache>, Failure> {
    let dir = match &global.cache {
        Some(dir) if dir.as_os_str() == "none" => None,
        Some(dir) => Some(dir.clone()),
        None => default_cache(),
    };
    let limit = global.cache_size.map_or(cache::DEFAULT_LIMIT, |size| size.0);
    Ok(dir.map(|dir| Cache::open(&dir, limit)).transpose()?)
}

/// The XDG base directory specification's cache folder; none without a home, as in Nix's
/// sandbox, where HOME is a folder that cannot be made.
fn default_cache() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let home = || absolute("HOME").filter(|home| home.is_dir()).map(|home| home.join(".cache"));
    absolute("XDG_CACHE_HOME").or_else(home).map(|dir| dir.join("cooper"))
}

/// Assembles one image.
pub(super) fn assemble(
    global: &Global,
    spec: &Spec,
    store: &dyn layer::Store,
    reporter: &dyn Reporter,
) -> Result<Image, Failure> {
    let named = |failure: Failure| failure.during(format!("failed to assemble `{}`", spec.name));
    if spec.base.is_some() {
        // An image without the base that was asked for would be a wrong one.
        let error = "`base` is set, and this cooper cannot put an image on another one";
        return Err(named(
            Failure::input(error).hint("leave out `base` (`fromImage` in dockerTools)"),
        ));
    }
    let jobs = usize::from(global.jobs.unwrap_or_default());
    let closure = Closure::new(spec.stored()).map_err(|e| named(Failure::input(e)))?;
    let plan = plan_layers(spec, &closure).map_err(named)?;
    let rootfs = checked_files(spec, reporter).map_err(named)?;
    let infos = layer_infos(&plan, &closure);
    let requests = requests(spec, &plan, &infos, &rootfs);
    let layers =
        layer::build(&requests, store, jobs, reporter).map_err(|e| named(Failure::from(e)))?;
    image::build(spec, layers).map_err(|e| named(Failure::bug(e)))
}

/// The image's own files.
pub(super) fn own_files(spec: &Spec) -> Result<Rootfs, Failure> {
    spec.check_sources().map_err(|error| {
        Failure::input(error).hint("in a flake, write the package itself: \"${pkgs.hello}/bin/x\"")
    })?;
    Ok(Rootfs::new(spec)?)
}

/// The image's own files, once the image has passed its checks.
fn checked_files(spec: &Spec, reporter: &dyn Reporter) -> Result<Rootfs, Failure> {
    let rootfs = own_files(spec)?;
    for warning in check::check(spec, &rootfs)? {
        reporter.warn(&warning);
    }
    Ok(rootfs)
}

/// The plan of an image's store paths; empty when they stay out of it.
pub(super) fn plan_layers(spec: &Spec, closure: &Closure) -> Result<ImagePlan, Failure> {
    if !spec.include_store_paths {
        return Ok(ImagePlan { layers: Vec::new() });
    }
    plan::plan_image(plan_request(spec, closure)).map_err(Failure::input)
}

/// What the planner is asked for a spec.
pub(super) fn plan_request<'a>(spec: &'a Spec, closure: &'a Closure) -> plan::Request<'a> {
    plan::Request {
        name: spec.name.as_str(),
        closure,
        max_layers: spec.layering.max_layers.saturating_sub(OWN_FILES),
        layering: &spec.layering,
    }
}

/// What the store registers about the paths of each layer, in the plan's order.
pub(super) fn layer_infos(plan: &ImagePlan, closure: &Closure) -> Vec<Vec<PathInfo>> {
    let info = |path| closure.get(path).map(|node| node.info.clone());
    plan.layers.iter().map(|layer| layer.paths.iter().filter_map(info).collect()).collect()
}

fn requests<'a>(
    spec: &Spec,
    plan: &ImagePlan,
    infos: &'a [Vec<PathInfo>],
    rootfs: &'a Rootfs,
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
        requests.push(request("own files".into(), Content::Rootfs(rootfs)));
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
