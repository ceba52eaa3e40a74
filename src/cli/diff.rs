//! `cooper diff`: the bytes that a client of one image has to fetch for another.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::{Global, input, output, plan, table};
use crate::plan::{Fetch, ImagePlan, Planned, fetches};
use crate::store_path::StorePath;

/// Show what a client of OLD has to fetch for NEW, layer by layer, and which path caused it
///
/// Sizes are those of the store paths, before compression. The layer of the image's own files is
/// left out: it is always small.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The SPEC that clients have
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The SPEC that they are to get
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Fail when it is more than so many bytes
    #[arg(long, value_name = "N")]
    max_bytes: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    bytes: u64,
    of_bytes: u64,
    layers: Vec<LayerJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LayerJson<'a> {
    layer: usize,
    nar_size: u64,
    paths: &'a [StorePath],
    causes: &'a [StorePath],
}

pub(super) fn run(global: &Global, args: &DiffArgs) -> Result<(), Failure> {
    let (old, new) = (input::read_spec(&args.old)?, input::read_spec(&args.new)?);
    let (old_closure, old_plan) = plan::plan_spec(&old)?;
    let (new_closure, new_plan) = plan::plan_spec(&new)?;
    let fetches = fetches(
        Planned { closure: &old_closure, plan: &old_plan },
        Planned { closure: &new_closure, plan: &new_plan },
    );
    let bytes: u64 = fetches.iter().map(|fetch| fetch.nar_size).sum();
    let of_bytes = new_plan.layers.iter().map(|layer| layer.nar_size).sum();
    let text = match global.json {
        true => to_json(&fetches, &new_plan, bytes, of_bytes)?,
        false => show(&fetches, &new_plan, bytes, of_bytes),
    };
    output::data(&text)?;
    match args.max_bytes.filter(|most| bytes > *most) {
        Some(most) => {
            let message = format!("{bytes} bytes to fetch are over the {most} allowed");
            Err(Failure::input(message)
                .hint("see the causes above; `--max-bytes` sets what is allowed"))
        }
        None => Ok(()),
    }
}

fn to_json(
    fetches: &[Fetch],
    plan: &ImagePlan,
    bytes: u64,
    of_bytes: u64,
) -> Result<String, Failure> {
    let layers = fetches
        .iter()
        .map(|fetch| LayerJson {
            layer: fetch.layer + 1,
            nar_size: fetch.nar_size,
            paths: plan.layers.get(fetch.layer).map_or(&[], |layer| &layer.paths),
            causes: &fetch.causes,
        })
        .collect();
    plan::text(&Report { bytes, of_bytes, layers })
}

fn show(fetches: &[Fetch], image: &ImagePlan, bytes: u64, of_bytes: u64) -> String {
    let sum = format!(
        "{} of {} to fetch, in {} of {} layers\n",
        table::bytes(bytes),
        table::bytes(of_bytes),
        fetches.len(),
        image.layers.len()
    );
    if fetches.is_empty() {
        return sum;
    }
    let heading = ["LAYER", "SIZE", "WHAT", "BECAUSE OF"].map(str::to_owned).to_vec();
    let rows = fetches.iter().rev().map(|fetch| {
        let what = image.layers.get(fetch.layer).map(plan::what).unwrap_or_default();
        let size = table::bytes(fetch.nar_size);
        vec![(fetch.layer + 1).to_string(), size, what, because(&fetch.causes)]
    });
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    format!("{}{sum}", table::table(&rows, &[0, 1]))
}

fn because(causes: &[StorePath]) -> String {
    let names: Vec<&str> = causes.iter().take(3).map(StorePath::name).collect();
    match causes.len() {
        0 => "the same paths, divided otherwise".to_owned(),
        1..=3 => names.join(", "),
        more => format!("{} and {} more", names.join(", "), more - 3),
    }
}
