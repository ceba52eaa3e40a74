//! `cooper copy` and `cooper save`: move images as they are, from anywhere to anywhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::build::{self, Format};
use crate::cli::GlobalArgs;
use crate::cli::args::location;
use crate::cli::args::location::{ConnectOptions, ImageLocation};
use crate::cli::ui::failure::Failure;
use crate::cli::ui::{output, progress};
use crate::image::Descriptor;
use crate::progress::Reporter;
use crate::spec::Platform;
use crate::transport::graph::{Graph, Rename, TaggedImage};
use crate::transport::name::reference::Reference;
use crate::transport::source::{MANIFEST_LIMIT, read_document};
use crate::transport::source::{Source, choose, images};

/// Copy images unchanged between layouts, archives, registries and daemons
///
/// Bytes and digests are preserved. An index is copied with all its manifests. Podman, and Docker
/// with its older image store, export layers with other bytes than they received: config and files
/// are the same, the manifest and its digest differ. Charts, attestations and build caches are
/// copied too; foreign layers without their blobs. Referrers, such as a signature or an SBOM in the
/// registry, are not copied: copy them by their own tag or digest. Places are written as in skopeo:
/// `oci:DIR:NAME`, `oci-archive:FILE:NAME`, `docker://REF`, `docker-daemon:NAME:TAG`,
/// `podman:NAME:TAG`, `containerd:NAME:TAG`; or as a directory, a file or REGISTRY/NAME:TAG. A
/// plain FILE or DIR holds all of FROM.
#[derive(Debug, Args)]
pub(in crate::cli) struct CopyArgs {
    /// Source of the image
    from: ImageLocation,
    /// Destination of the image
    to: ImageLocation,
    /// Copy only the image of an index for this platform, such as linux/arm64, or its highest
    /// compatible variant
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    #[command(flatten)]
    reach: ConnectOptions,
}

/// Save images of any source in one archive or layout
///
/// The archive is an OCI layout and a Docker archive in one, as `cooper build` writes it. An image
/// in several sources is saved once.
#[derive(Debug, Args)]
pub(in crate::cli) struct SaveArgs {
    /// Sources of the images
    #[arg(required = true, value_name = "PLACE")]
    places: Vec<ImageLocation>,
    /// Output path; `-` writes an archive to standard output
    #[arg(long, short, value_name = "PATH")]
    output: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Archive)]
    format: Format,
    /// Copy only the image of an index for this platform, such as linux/arm64, or its highest
    /// compatible variant
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    #[command(flatten)]
    reach: ConnectOptions,
}

pub(in crate::cli) fn run(global: &GlobalArgs, args: &CopyArgs) -> Result<(), Failure> {
    if let ImageLocation::Layout(path, _)
    | ImageLocation::Archive(path, _)
    | ImageLocation::Path(path) = &args.to
    {
        build::check_output(path, format(&args.to))?;
    }
    let reporter = progress::reporter(global);
    let source: Arc<dyn Source> =
        Arc::from(location::open_filled(&args.from, &args.reach, &*reporter)?);
    let graphs = || -> Result<Vec<TaggedImage>, Failure> {
        let rename = renamed(&args.to)?;
        let roots = roots(&*source, args.from.image(), &args.to)?;
        let platform = args.platform.as_ref();
        let named = |root| read(&source, root, platform, rename.as_ref(), &*reporter);
        deduplicate(roots.iter().map(named).collect::<Result<_, _>>()?)
    };
    match &args.to {
        ImageLocation::Registry(reference) | ImageLocation::Word(reference) => {
            if is_tagged(global, args, &*source, reference)
                .map_err(|failure| args.to.hint(failure))?
            {
                return Ok(());
            }
            let push = |graphs: Vec<_>| push(global, reference, &graphs, args, &*reporter);
            graphs().and_then(push).map_err(|failure| args.to.hint(failure))
        }
        ImageLocation::Archive(path, _)
        | ImageLocation::Layout(path, _)
        | ImageLocation::Path(path) => {
            let graphs = graphs()?;
            build::write(&graphs, path, format(&args.to), &*reporter)?;
            say(global, &format!("copied {} to `{}`", count(graphs.len()), path.display()));
            Ok(())
        }
        ImageLocation::Daemon(kind, to) => load(global, args, (*kind, to), &source, &*reporter),
    }
}

/// What is written to a path.
fn format(to: &ImageLocation) -> Format {
    let is_layout = match to {
        ImageLocation::Layout(..) => true,
        ImageLocation::Path(path) => !is_archive(path),
        _ => false,
    };
    if is_layout { Format::Layout } else { Format::Archive }
}

/// Puts an image into a daemon, which keeps one platform of it, and only what it lacks is sent.
fn load(
    global: &GlobalArgs,
    args: &CopyArgs,
    (kind, to): (crate::cli::args::daemon::Kind, &Reference),
    source: &Arc<dyn Source>,
    reporter: &dyn Reporter,
) -> Result<(), Failure> {
    let since = std::time::Instant::now();
    let daemon = args.reach.daemon.connect(kind)?;
    let root = choose(&**source, args.from.image())?;
    let found = images(&**source, &root, args.platform.as_ref(), reporter)?;
    let [stored] = &found[..] else {
        let platforms: Vec<String> =
            found.iter().map(crate::transport::source::ResolvedImage::label).collect();
        return Err(Failure::input(format!("{} has several images", source.name()))
            .hint(format!("choose one with `--platform`: {}", platforms.join(", "))));
    };
    let name = location::daemon_reference(to);
    let (name, tag) = name.rsplit_once(':').unwrap_or((&name, "latest"));
    let tag = tag.parse().map_err(Failure::input)?;
    let image = stored.under(source, name.parse().map_err(Failure::input)?, vec![tag])?;
    let images = std::slice::from_ref(&image);
    let notes = super::load::put(&*daemon, images, reporter)?;
    super::load::report(global, images, &[since.elapsed()], &notes, since)
}

pub(in crate::cli) fn save(global: &GlobalArgs, args: &SaveArgs) -> Result<(), Failure> {
    build::check_output(&args.output, args.format)?;
    let reporter = progress::reporter(global);
    let mut graphs = Vec::new();
    for place in &args.places {
        let source: Arc<dyn Source> =
            Arc::from(location::open_filled(place, &args.reach, &*reporter)?);
        let to = ImageLocation::Path(args.output.clone());
        for root in roots(&*source, place.image(), &to)? {
            let platform = args.platform.as_ref();
            graphs.push(read(&source, &root, platform, None, &*reporter)?);
        }
    }
    let graphs = deduplicate(graphs)?;
    build::write(&graphs, &args.output, args.format, &*reporter)?;
    if !output::is_stdout(&args.output) {
        say(global, &format!("saved {} in `{}`", count(graphs.len()), args.output.display()));
    }
    Ok(())
}

/// What is there several times, once. Of two images under one name neither could be found.
fn deduplicate(graphs: Vec<TaggedImage>) -> Result<Vec<TaggedImage>, Failure> {
    let mut seen = BTreeMap::new();
    let mut kept = Vec::new();
    for named in graphs {
        let name =
            named.entries.iter().find_map(|entry| crate::transport::source::names_of(entry).pop());
        let digest = named.graph.root().descriptor.digest;
        match name.and_then(|name| seen.insert(name.clone(), digest).map(|known| (name, known))) {
            Some((name, known)) if known != digest => {
                return Err(Failure::input(format!(
                    "two of the images are called `{name}`: {known} and {digest}"
                ))
                .hint("name the one that is meant, or give each a place of its own"));
            }
            Some(_) => {}
            None => kept.push(named),
        }
    }
    Ok(kept)
}

/// Tells people what was done; to programs the exit code does.
fn say(global: &GlobalArgs, done: &str) {
    if !global.quiet && !global.json {
        output::note(done);
    }
}

fn count(images: usize) -> String {
    if images == 1 { "1 image".into() } else { format!("{images} images") }
}

/// What is copied: the image that was named; else the only one, or all of them to where several
/// can be.
fn roots(
    source: &dyn Source,
    name: Option<&str>,
    to: &ImageLocation,
) -> Result<Vec<Descriptor>, Failure> {
    match (name, to) {
        (None, ImageLocation::Path(_)) => Ok(source.roots()?),
        (name, _) => Ok(vec![choose(source, name)?]),
    }
}

/// The name that an image gets where it goes, if it gets another one.
fn renamed(to: &ImageLocation) -> Result<Option<Rename>, Failure> {
    let Some(name) = to.image() else {
        return Ok(to.in_registry().cloned().map(Rename::Whole));
    };
    // A word alone is a tag, as where skopeo reads and writes it.
    if let (false, Ok(tag)) = (name.contains(['/', ':']), name.parse()) {
        return Ok(Some(Rename::Tag(tag)));
    }
    Ok(Some(Rename::Whole(name.parse().map_err(Failure::input)?)))
}

fn read(
    source: &Arc<dyn Source>,
    root: &Descriptor,
    platform: Option<&Platform>,
    rename: Option<&Rename>,
    reporter: &dyn Reporter,
) -> Result<TaggedImage, Failure> {
    let mut root = root.clone();
    if let Some(wanted) = platform {
        let image = images(&**source, &root, platform, reporter)?.into_iter().next();
        let missing = || Failure::input(format!("there is no image for {wanted}"));
        let image = image.ok_or_else(missing)?;
        let mut entry = image.manifest.descriptor.clone();
        entry.annotations.extend(root.annotations);
        root = Descriptor { platform: Some(image.platform().clone()), ..entry };
    }
    let graph = Graph::read(source, &root)?;
    graph.warnings().iter().for_each(|warning| reporter.warn(warning));
    Ok(TaggedImage::of_graph(graph, &root, rename))
}

/// A plain path says by its name what it shall be, if nothing is there that says it.
fn is_archive(path: &Path) -> bool {
    path.is_file()
        || path.extension().is_some_and(|extension| extension == "tar")
        || location::is_named_as_compressed(path) && !path.is_dir()
}

/// Gives a tag to a manifest that the registry of the source has in the repository already, so that
/// nothing that it names is read. False if that cannot be done.
fn is_tagged(
    global: &GlobalArgs,
    args: &CopyArgs,
    source: &dyn Source,
    to: &Reference,
) -> Result<bool, Failure> {
    let since = std::time::Instant::now();
    let is_near = args.from.in_registry().is_some_and(|from| from.registry == to.registry);
    if !is_near || args.platform.is_some() || to.digest.is_some() {
        return Ok(false);
    }
    let root = choose(source, args.from.image())?;
    let document = read_document(source, &root, "manifest", MANIFEST_LIMIT)?;
    let registry = crate::cli::args::registry::connect(&to.registry, &args.reach.registry)?;
    let tags: Vec<_> = to.tagged().tag.into_iter().collect();
    match registry.tag(&to.repository, &tags, &document)? {
        Some(pushed) => {
            super::push::report(global, &[pushed], registry.requests(), since)?;
            Ok(true)
        }
        None => Ok(false),
    }
}

fn push(
    global: &GlobalArgs,
    to: &Reference,
    graphs: &[TaggedImage],
    args: &CopyArgs,
    reporter: &dyn Reporter,
) -> Result<(), Failure> {
    use crate::transport::registry::PushItem;
    let since = std::time::Instant::now();
    let registry = crate::cli::args::registry::connect(&to.registry, &args.reach.registry)?;
    let latest = || "latest".parse().ok();
    let tag = to.tag.clone().or_else(|| if to.digest.is_none() { latest() } else { None });
    let parcels: Vec<PushItem> = graphs
        .iter()
        .map(|named| PushItem {
            repository: to.repository.clone(),
            tags: tag.iter().cloned().collect(),
            graph: named.graph.clone(),
        })
        .collect();
    for parcel in &parcels {
        let actual = parcel.graph.root().descriptor.digest;
        if to.digest.is_some_and(|digest| digest != actual) {
            return Err(Failure::input(format!("the image has the digest {actual}, and not {to}")));
        }
    }
    // Within one registry blobs are taken over, not sent.
    let from = args.from.in_registry().filter(|from| from.registry == to.registry);
    let mount_from: Vec<String> = from.iter().map(|from| from.repository.clone()).collect();
    let pushed = registry.push(&parcels, &mount_from, reporter)?;
    super::push::report(global, &pushed, registry.requests(), since)
}
