//! `cooper index`: several platforms under one name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::build::{self, Format};
use crate::cli::args::{output_path, spec_input};
use crate::cli::ui::failure::Failure;
use crate::cli::ui::summary;
use crate::cli::ui::summary::Row;
use crate::cli::ui::{output, progress};
use crate::cli::{GlobalArgs, assemble};
use crate::image::{self, Image, ImageError, Index};
use crate::layer::LayerCache;
use crate::progress::Reporter;
use crate::spec::{Spec, Tag};
use crate::transport::graph::TaggedImage;

/// Assemble an image for several platforms, with an index
///
/// Each SPEC is the image for one platform; all have the same name. The index is pushed after its
/// images.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("where").required(true))]
pub(in crate::cli) struct IndexArgs {
    /// SPEC of the image for each platform
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Registry to push to
    #[arg(long, value_name = "REGISTRY[/NAMESPACE]", group = "where", value_parser = super::push::destination)]
    to: Option<super::push::Destination>,
    /// Output path; `-` writes an archive to standard output
    #[arg(long, short, value_name = "PATH", group = "where")]
    output: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Archive)]
    #[arg(conflicts_with = "to")]
    format: Format,
    /// Tag to use instead of the specs' tags (repeatable)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<Tag>,
    #[command(flatten)]
    registry: crate::cli::args::registry::RegistryArgs,
}

pub(in crate::cli) fn run(global: &GlobalArgs, args: &IndexArgs) -> Result<(), Failure> {
    let since = Instant::now();
    let specs = spec_input::read_tagged_specs(&args.specs, &args.tags)?;
    if let Some(path) = &args.output {
        build::check_output(path, args.format)?;
        output_path::refuse_inputs(path, &args.specs, &specs)?;
    }
    let reporter = progress::reporter(global);
    spec_input::warn_unknown_packages(&specs, &*reporter);
    let store = assemble::store(global, &reporter)?;
    let is_final = args.output.as_deref().is_some_and(output::is_stdout);
    assemble::healing(&*store, is_final, || make(global, args, &specs, &*store, &*reporter, since))
}

fn make(
    global: &GlobalArgs,
    args: &IndexArgs,
    specs: &[Spec],
    store: &dyn LayerCache,
    reporter: &dyn Reporter,
    since: Instant,
) -> Result<(), Failure> {
    let (images, _) = assemble::assemble_all(global, specs, store, reporter)?;
    let index = image::index(images).map_err(|error| match error {
        ImageError::Json { .. } => Failure::bug(error),
        error @ ImageError::TwoTags(..) => {
            Failure::input(error).hint("`--tag` gives all of them the same ones")
        }
        error => Failure::input(error),
    })?;
    if let Some(path) = &args.output {
        build::write(&[TaggedImage::of_index(&index)], path, args.format, reporter)?;
        if !output::is_stdout(path) {
            report(global, &index, since)?;
        }
    }
    if let Some(to) = &args.to {
        push(global, &index, to, &args.registry, reporter)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct OnLayerDone<'a> {
    name: &'a str,
    digest: String,
    manifests: BTreeMap<String, String>,
}

/// The index's own digest, which is what clients pull, and each platform's.
fn report(global: &GlobalArgs, index: &Index, since: Instant) -> Result<(), Failure> {
    if global.json {
        let digest = |image: &Image| image.manifest.descriptor.digest.to_string();
        let made = OnLayerDone {
            name: index.name.as_str(),
            digest: index.document.descriptor.digest.to_string(),
            manifests: index.images.iter().map(|i| (i.platform.to_string(), digest(i))).collect(),
        };
        return output::data(&output::json(&made)?);
    }
    if !global.quiet {
        let row = |image| Row { image, time: None, sent: None };
        let rows: Vec<Row<'_>> = index.images.iter().map(row).collect();
        let mut text = summary::table(&rows, since.elapsed());
        text.line(format_args!("index {}", index.document.descriptor.digest));
        output::notes(&text);
    }
    Ok(())
}

fn push(
    global: &GlobalArgs,
    index: &Index,
    to: &super::push::Destination,
    args: &crate::cli::args::registry::RegistryArgs,
    reporter: &dyn Reporter,
) -> Result<(), Failure> {
    use crate::transport::graph::Graph;
    use crate::transport::registry::PushItem;
    let since = Instant::now();
    let registry = crate::cli::args::registry::connect(&to.registry, args)?;
    let parcel = PushItem {
        repository: to.repository(index.name.as_str()),
        tags: index.tags.clone(),
        graph: Graph::of_index(&index.document, &index.images),
    };
    let pushed = registry.push(&[parcel], &[], reporter)?;
    super::push::report(global, &pushed, registry.requests(), since)
}
