//! What was made, as a table or as JSON.

use std::time::Duration;

use serde::Serialize;

use super::failure::Failure;
use super::output::Text;
use super::{output, table};
use crate::image::Image;
use crate::transport::references;

/// How much of a digest people need to tell images apart.
const SHORT: usize = 19;

/// An image, and what it took.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Row<'a> {
    /// What was made.
    pub(in crate::cli) image: &'a Image,
    /// How long assembling it took, where that is known.
    pub(in crate::cli) time: Option<Duration>,
    /// Bytes sent to a daemon, if any were.
    pub(in crate::cli) sent: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OnLayerDone<'a> {
    name: &'a str,
    references: Vec<String>,
    platform: String,
    digest: String,
    image_id: String,
    layers: usize,
    blob_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_bytes: Option<u64>,
}

/// One object an image, in an array, with a line break after it.
pub(in crate::cli) fn json(rows: &[Row<'_>]) -> Result<Text, Failure> {
    let made: Vec<OnLayerDone<'_>> = rows
        .iter()
        .map(|Row { image, sent, .. }| OnLayerDone {
            name: image.name.as_str(),
            references: references(image),
            platform: image.platform.to_string(),
            digest: image.manifest.descriptor.digest.to_string(),
            image_id: image.config.descriptor.digest.to_string(),
            layers: image.layers.len(),
            blob_size: image.blob_size(),
            sent_bytes: *sent,
        })
        .collect();
    output::json(&made)
}

/// Image, tag, digest, layers and size; the time where it is known; what was sent, when anything
/// could be.
pub(in crate::cli) fn table(rows: &[Row<'_>], time: Duration) -> Text {
    let sends = rows.iter().any(|row| row.sent.is_some());
    let is_timed = rows.iter().any(|row| row.time.is_some());
    let mut heading = ["IMAGE", "TAG", "DIGEST", "LAYERS", "SIZE"].to_vec();
    if is_timed {
        heading.push("TIME");
    }
    if sends {
        heading.push("SENT");
    }
    let cells = rows.iter().map(|Row { image, time, sent }| {
        let tags: Vec<&str> = image.tags.iter().map(crate::spec::Tag::as_str).collect();
        let mut cells = vec![
            image.name.to_string(),
            tags.join(","),
            short(&image.manifest.descriptor.digest.to_string()),
            image.layers.len().to_string(),
            table::bytes(image.blob_size()),
        ];
        if is_timed {
            cells.push(time.map(table::seconds).unwrap_or_default());
        }
        if sends {
            cells.push(sent.map_or_else(|| "nothing".to_owned(), table::bytes));
        }
        cells
    });
    let heading = heading.into_iter().map(str::to_owned).collect();
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(cells).collect();
    let mut text = table::table(&rows, &[3, 4, 5, 6]);
    text.line(format_args!("in {}", table::seconds(time)));
    text
}

/// The beginning of a digest or an id.
pub(in crate::cli) fn short(digest: &str) -> String {
    digest.chars().take(SHORT).collect()
}
