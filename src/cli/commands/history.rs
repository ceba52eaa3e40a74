//! `cooper history`: an image's layers as its config lists them, or will list them.

use std::ffi::OsString;

use clap::Args;

use crate::cli::GlobalArgs;
use crate::cli::args::location::ConnectOptions;
use crate::cli::args::spec_input;
use crate::cli::args::spec_input::Input;
use crate::cli::found;
use crate::cli::found::Depth;
use crate::cli::looked::{HistoryStep, ImageSummary};
use crate::cli::ui::failure::Failure;
use crate::cli::ui::{output, progress, table};

/// Show an image's history: one line for each layer, top layer first
///
/// IMAGE is a SPEC, an archive, a layout or an image in a registry. A SPEC is not built: its sizes
/// are NAR sizes, uncompressed. For other images, only documents are read, and sizes are those of
/// blobs.
#[derive(Debug, Args)]
pub(in crate::cli) struct HistoryArgs {
    /// Image or SPEC to show
    #[arg(value_name = "IMAGE")]
    image: OsString,
    #[command(flatten)]
    reach: ConnectOptions,
}

pub(in crate::cli) fn run(global: &GlobalArgs, args: &HistoryArgs) -> Result<(), Failure> {
    let steps = steps(global, args)?;
    if global.json {
        return output::data(&output::json(&steps)?);
    }
    let heading = ["CREATED", "CREATED BY", "SIZE", "COMMENT"].map(str::to_owned).to_vec();
    let row = |step: &HistoryStep| {
        let size = table::bytes(step.size);
        vec![step.created.clone(), step.created_by.clone(), size, step.comment.clone()]
    };
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(steps.iter().map(row)).collect();
    output::data(&table::table(&rows, &[2]))
}

fn steps(global: &GlobalArgs, args: &HistoryArgs) -> Result<Vec<HistoryStep>, Failure> {
    let place = match spec_input::read(&args.image)? {
        Input::Spec(spec) => return Ok(ImageSummary::new(&spec)?.history),
        Input::ImageLocation(place) => place,
    };
    let (word, reporter) = (args.image.display(), progress::reporter(global));
    let mut images = found::look(global, &place, &args.reach, Depth::Documents, &*reporter)?;
    match (images.pop(), images.is_empty()) {
        (Some(image), true) => Ok(image.history),
        (last, _) => {
            images.extend(last);
            let names: Vec<String> = images.iter().map(called).collect();
            let what = format!("`{word}` has several images: {}", names.join(", "));
            let hint = "name one, as `oci:DIR:NAME` or `archive:FILE:NAME`, or by its digest";
            Err(Failure::input(what).hint(hint))
        }
    }
}

fn called(image: &ImageSummary) -> String {
    let tag = image.tags.first().map(|tag| format!(":{tag}")).unwrap_or_default();
    format!("{}{tag} for {}", image.name, image.platform)
}
