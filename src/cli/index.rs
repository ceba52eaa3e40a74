//! `cooper index`: several platforms under one name.

use std::path::PathBuf;

use clap::Args;

use super::build::{self, Format};
use super::failure::Failure;
use super::{Global, assemble, input, output, progress, summary};
use crate::image::{self, ImageError, Index};
use crate::spec::Tag;
use crate::transport::graph::Named;

/// Assemble an image for several platforms and put them under one index
///
/// Each SPEC is the image for one platform; all have the same name. The index goes up after its
/// images.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("where").required(true))]
pub(super) struct IndexArgs {
    /// The image for each platform
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Push it to this registry
    #[cfg(feature = "registry")]
    #[arg(long, value_name = "REGISTRY[/NAMESPACE]", group = "where", value_parser = super::push::destination)]
    to: Option<super::push::Destination>,
    /// Write it to this path
    #[arg(long, short, value_name = "PATH", group = "where")]
    output: Option<PathBuf>,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Archive, conflicts_with = "to")]
    format: Format,
    /// Tags instead of the specs'; may be given again
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<Tag>,
    #[cfg(feature = "registry")]
    #[command(flatten)]
    registry: super::registry::RegistryArgs,
}

pub(super) fn run(global: &Global, args: &IndexArgs) -> Result<(), Failure> {
    let since = std::time::Instant::now();
    let mut specs = input::read_specs(&args.specs)?;
    if !args.tags.is_empty() {
        specs.iter_mut().for_each(|spec| spec.tags.clone_from(&args.tags));
    }
    let reporter = progress::reporter(global);
    let store = assemble::store(global)?;
    let assembled = specs.iter().map(|spec| assemble::assemble(global, spec, &*store, &*reporter));
    let index = image::index(assembled.collect::<Result<Vec<_>, _>>()?).map_err(|error| match error {
        ImageError::Json { .. } => Failure::bug(error),
        error => Failure::input(error),
    })?;
    if let Some(path) = &args.output {
        build::write(&[Named::of_index(&index)], path, args.format)?;
        if global.json {
            return output::data(&summary::json(&index.images)?);
        }
        if !global.quiet {
            output::note(&summary::table(&index.images, since.elapsed()));
        }
        return Ok(());
    }
    push(global, &index, args, &*reporter)
}

#[cfg(feature = "registry")]
fn push(
    global: &Global,
    index: &Index,
    args: &IndexArgs,
    reporter: &dyn crate::report::Reporter,
) -> Result<(), Failure> {
    use crate::transport::graph::Graph;
    use crate::transport::registry::Parcel;
    let since = std::time::Instant::now();
    let Some(to) = &args.to else { return Ok(()) };
    let registry = super::registry::connect(&to.registry, &args.registry)?;
    let parcel = Parcel {
        repository: to.repository(index.name.as_str()),
        tags: index.tags.clone(),
        graph: Graph::of_index(&index.document, &index.images),
    };
    let pushed = registry.push(&[parcel], &[], reporter)?;
    super::push::report(global, &pushed, registry.requests(), since)
}

#[cfg(not(feature = "registry"))]
fn push(
    _: &Global,
    _: &Index,
    _: &IndexArgs,
    _: &dyn crate::report::Reporter,
) -> Result<(), Failure> {
    Ok(())
}
