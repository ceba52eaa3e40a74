//! `cooper history`: an image's layers as its config will list them.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::looked::Looked;
use super::{Global, input, output, table};
use crate::image::{CREATED_BY, json};

/// Show an image's history: a line a layer, the top one first
///
/// As `docker history` shows it of the loaded image, but before anything is built: sizes are
/// those of the store, uncompressed.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// What to look at
    #[arg(value_name = "SPEC")]
    spec: PathBuf,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    created: &'a str,
    created_by: &'a str,
    size: u64,
    comment: &'a str,
}

pub(super) fn run(global: &Global, args: &HistoryArgs) -> Result<(), Failure> {
    let spec = input::read_spec(&args.spec)?;
    let looked = Looked::new(&spec)?;
    let created = spec.created.to_string();
    let entries: Vec<Entry<'_>> = looked
        .layers
        .iter()
        .rev()
        .map(|layer| Entry {
            created: &created,
            created_by: CREATED_BY,
            size: layer.size,
            comment: &layer.name,
        })
        .collect();
    if global.json {
        let bytes = json::to_bytes(&entries).map_err(Failure::bug)?;
        return output::data(&format!("{}\n", String::from_utf8_lossy(&bytes)));
    }
    let heading = ["CREATED", "CREATED BY", "SIZE", "COMMENT"].map(str::to_owned).to_vec();
    let row = |entry: &Entry<'_>| {
        let words = [entry.created, entry.created_by, &table::bytes(entry.size), entry.comment];
        words.map(str::to_owned).to_vec()
    };
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(entries.iter().map(row)).collect();
    output::data(&table::table(&rows, &[2]))
}
