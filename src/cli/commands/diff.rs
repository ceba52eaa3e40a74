//! `cooper diff`: the bytes that a client of one image has to fetch for another.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::plan;
use crate::cli::GlobalArgs;
use crate::cli::args::spec_input;
use crate::cli::beside::{ImageParts, Part};
use crate::cli::ui::failure::Failure;
use crate::cli::ui::output::Text;
use crate::cli::ui::{output, progress, table};
use crate::plan::{FetchedLayer, ImagePlan, Planned, fetches};
use crate::spec::Spec;
use crate::store_path::StorePath;

/// Show the layers that a client of OLD downloads for NEW, and the paths that cause it
///
/// Sizes are uncompressed: NAR sizes of store paths, tar sizes of base layers and own files.
#[derive(Debug, Args)]
pub(in crate::cli) struct DiffArgs {
    /// SPEC of the image that clients have
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// SPEC of the new image
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Exit with an error if the download exceeds N bytes
    #[arg(long, value_name = "N")]
    max_bytes: Option<u64>,
}

/// All that there is to fetch, and of what.
#[derive(Debug)]
struct Difference {
    parts: Vec<Part>,
    fetches: Vec<FetchedLayer>,
    plan: ImagePlan,
    of_bytes: u64,
    of_layers: usize,
    /// What makes each layer another one, whatever is in it.
    remade: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    bytes: u64,
    of_bytes: u64,
    layers: Vec<LayerJson<'a>>,
    others: Vec<PartJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LayerJson<'a> {
    layer: usize,
    nar_size: u64,
    paths: &'a [StorePath],
    because: String,
    causes: &'a [StorePath],
}

/// The config, the own files, or a layer of the base.
#[derive(Serialize)]
struct PartJson<'a> {
    what: &'a str,
    size: u64,
    because: &'a str,
    causes: &'a [StorePath],
}

pub(in crate::cli) fn run(global: &GlobalArgs, args: &DiffArgs) -> Result<(), Failure> {
    let difference = difference(global, args)?;
    let text = match global.json {
        true => to_json(&difference)?,
        false => show(&difference),
    };
    output::data(&text)?;
    let bytes = difference.bytes();
    match args.max_bytes.filter(|most| bytes > *most) {
        Some(most) => {
            let message = format!("{bytes} bytes to fetch are over the {most} allowed");
            Err(Failure::input(message)
                .hint("see the causes above; `--max-bytes` sets what is allowed"))
        }
        None => Ok(()),
    }
}

fn difference(global: &GlobalArgs, args: &DiffArgs) -> Result<Difference, Failure> {
    let (old, new) = (spec_input::read_spec(&args.old)?, spec_input::read_spec(&args.new)?);
    let (had_laid, laid) = (plan::plan_spec(&old)?, plan::plan_spec(&new)?);
    let remade = remade(&old, &new);
    let (old_closure, old_plan) = (&had_laid.closure, &had_laid.plan);
    let (new_closure, new_plan) = (&laid.closure, &laid.plan);
    let fetches = fetches(
        Planned { closure: old_closure, plan: old_plan },
        Planned { closure: new_closure, plan: new_plan },
        remade.is_some(),
    );
    let reporter = progress::reporter(global);
    let beside = ImageParts::of_new(global, &new, &laid, &*reporter)?;
    let had = ImageParts::of_old(global, &old, &had_laid, &*reporter)?;
    // Other layers, or the same in another order; compression alone leaves the tars as they were.
    let other_layers = new.mtime != old.mtime
        || !new_plan.layers.iter().map(|l| &l.paths).eq(old_plan.layers.iter().map(|l| &l.paths))
        || fetches.iter().any(|fetch| !fetch.causes.is_empty());
    let stored: u64 = new_plan.layers.iter().map(|layer| layer.nar_size).sum();
    Ok(Difference {
        parts: beside.fetches(&had, (old_closure, new_closure), other_layers, remade.as_deref()),
        of_bytes: stored + beside.size(),
        of_layers: new_plan.layers.len() + beside.layers(),
        fetches,
        plan: laid.plan,
        remade,
    })
}

/// What of a spec makes all layers other bytes.
fn remade(old: &Spec, new: &Spec) -> Option<String> {
    let fields =
        [(old.compression != new.compression, "compression"), (old.mtime != new.mtime, "mtime")];
    let other: Vec<&str> = fields.iter().filter(|(is, _)| *is).map(|(_, field)| *field).collect();
    (!other.is_empty()).then(|| format!("another {}", other.join(" and ")))
}

impl Difference {
    fn bytes(&self) -> u64 {
        let layers: u64 = self.fetches.iter().map(|fetch| fetch.nar_size).sum();
        layers + self.parts.iter().map(|part| part.size).sum::<u64>()
    }

    fn layers(&self) -> usize {
        self.fetches.len() + self.parts.iter().filter(|part| part.what != "config").count()
    }

    fn because(&self, fetch: &FetchedLayer) -> String {
        match (fetch.causes.as_slice(), &self.remade) {
            ([], Some(remade)) => remade.clone(),
            ([], None) => "the same paths, divided otherwise".to_owned(),
            (causes, _) => because(causes),
        }
    }
}

fn to_json(difference: &Difference) -> Result<Text, Failure> {
    let paths = |at: usize| difference.plan.layers.get(at).map_or(&[][..], |layer| &layer.paths);
    let layers = difference.fetches.iter().map(|fetch| LayerJson {
        layer: fetch.layer + 1,
        nar_size: fetch.nar_size,
        paths: paths(fetch.layer),
        because: difference.because(fetch),
        causes: &fetch.causes,
    });
    let others = difference.parts.iter().map(|part| PartJson {
        what: part.what,
        size: part.size,
        because: &part.because,
        causes: &part.causes,
    });
    output::json(&Report {
        bytes: difference.bytes(),
        of_bytes: difference.of_bytes,
        layers: layers.collect(),
        others: others.collect(),
    })
}

/// A line a part, the config first and then the layers from the top, as an image is drawn.
fn show(difference: &Difference) -> Text {
    let sum = format!(
        "{} of {} to fetch, in {} of {} layers{}",
        table::bytes(difference.bytes()),
        table::bytes(difference.of_bytes),
        difference.layers(),
        difference.of_layers,
        if difference.parts.iter().any(|part| part.what == "config") {
            ", and the config"
        } else {
            ""
        },
    );
    let heading = ["LAYER", "SIZE", "WHAT", "BECAUSE OF"].map(str::to_owned).to_vec();
    let part = |part: &Part| {
        let because = match part.causes.as_slice() {
            [] => part.because.clone(),
            causes => because(causes),
        };
        vec![String::new(), table::bytes(part.size), part.what.to_owned(), because]
    };
    let layer = |fetch: &FetchedLayer| {
        let what = difference.plan.layers.get(fetch.layer).map(plan::what).unwrap_or_default();
        let size = table::bytes(fetch.nar_size);
        vec![(fetch.layer + 1).to_string(), size, what, difference.because(fetch)]
    };
    let (above, base): (Vec<&Part>, Vec<&Part>) =
        difference.parts.iter().partition(|part| part.what != "base");
    let rows = above.into_iter().map(part);
    let rows = rows.chain(difference.fetches.iter().rev().map(layer));
    let rows: Vec<_> = rows.chain(base.into_iter().map(part)).collect();
    let rows: Vec<_> = match rows.is_empty() {
        true => rows,
        false => std::iter::once(heading).chain(rows).collect(),
    };
    let mut text = table::table(&rows, &[0, 1]);
    text.line(sum);
    text
}

fn because(causes: &[StorePath]) -> String {
    let names: Vec<&str> = causes.iter().take(3).map(StorePath::name).collect();
    match causes.len() {
        0..=3 => names.join(", "),
        more => format!("{} and {} more", names.join(", "), more - 3),
    }
}
