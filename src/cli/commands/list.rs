//! `cooper list`: what the specs define, and what the daemon has of it.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::load::Target;
use crate::cli::args::spec_input;
use crate::cli::ui::failure::Failure;
use crate::cli::ui::output::Text;
use crate::cli::ui::{output, progress, summary, table};
use crate::cli::{GlobalArgs, assemble};
use crate::image::Image;
use crate::transport::daemon::Daemon;
use crate::transport::references;

/// List images and their state in a daemon
///
/// Images are compared by id. cooper assembles each image for that; cached layers make it fast.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// SPEC of an image
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    #[command(flatten)]
    target: Target,
}

/// One reference of an image.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    reference: String,
    digest: String,
    layers: usize,
    blob_size: u64,
    /// What the daemon has under this reference.
    id: Option<String>,
    /// None when no daemon answers.
    loaded: Option<bool>,
}

pub(in crate::cli) fn run(global: &GlobalArgs, args: &ListArgs) -> Result<(), Failure> {
    let specs = spec_input::read_specs(&args.specs)?;
    let reporter = progress::reporter(global);
    let daemon = match args.target.connect() {
        Ok(daemon) => Some(daemon),
        Err(failure) if failure.is_environment() => {
            reporter.warn(&failure.to_string());
            None
        }
        Err(failure) => return Err(failure),
    };
    spec_input::warn_unknown_packages(&specs, &*reporter);
    let store = assemble::store(global, &reporter)?;
    let (images, _) = assemble::assemble_all(global, &specs, &*store, &*reporter)?;
    let mut rows = Vec::new();
    for image in &images {
        rows.extend(listed(image, daemon.as_deref())?);
    }
    if global.json {
        return output::data(&output::json(&rows)?);
    }
    output::data(&text(&rows, daemon.as_deref()))
}

fn listed(image: &Image, daemon: Option<&dyn Daemon>) -> Result<Vec<Listed>, Failure> {
    let one = |reference: String| {
        let id = daemon.map(|daemon| daemon.id_at(&reference)).transpose()?.flatten();
        let same = |daemon: &dyn Daemon| id.as_ref() == Some(&daemon.id_of(image));
        Ok(Listed {
            digest: image.manifest.descriptor.digest.to_string(),
            layers: image.layers.len(),
            blob_size: image.blob_size(),
            loaded: daemon.map(same),
            id,
            reference,
        })
    };
    references(image).into_iter().map(one).collect()
}

fn text(rows: &[Listed], daemon: Option<&dyn Daemon>) -> Text {
    let label = daemon.map_or("DAEMON", Daemon::label).to_uppercase();
    let heading = ["IMAGE", "DIGEST", "LAYERS", "SIZE", &label].map(str::to_owned).to_vec();
    let cells = rows.iter().map(|row| {
        let there = match (&row.id, row.loaded) {
            (_, None) => "?".to_owned(),
            (None, _) => "not there".to_owned(),
            (Some(_), Some(true)) => "this image".to_owned(),
            (Some(id), Some(false)) => format!("another: {}", summary::short(id)),
        };
        vec![
            row.reference.clone(),
            summary::short(&row.digest),
            row.layers.to_string(),
            table::bytes(row.blob_size),
            there,
        ]
    });
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(cells).collect();
    table::table(&rows, &[2, 3])
}
