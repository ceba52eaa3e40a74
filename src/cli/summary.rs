//! What was made, as a table or as JSON.

use std::time::Duration;

use serde::Serialize;

use super::failure::Failure;
use super::table;
use crate::image::{Image, json};
use crate::transport::references;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made<'a> {
    name: &'a str,
    references: Vec<String>,
    platform: String,
    digest: String,
    image_id: String,
    layers: usize,
    blob_size: u64,
}

/// One object an image, in an array, with a line break after it.
pub(super) fn json(images: &[Image]) -> Result<String, Failure> {
    let made: Vec<Made<'_>> = images
        .iter()
        .map(|image| Made {
            name: image.name.as_str(),
            references: references(image),
            platform: image.platform.to_string(),
            digest: image.manifest.descriptor.digest.to_string(),
            image_id: image.config.descriptor.digest.to_string(),
            layers: image.layers.len(),
            blob_size: image.blob_size(),
        })
        .collect();
    let bytes = json::to_bytes(&made).map_err(Failure::bug)?;
    Ok(format!("{}\n", String::from_utf8_lossy(&bytes)))
}

/// Image, tag, digest, layers and size, and how long it took in all.
pub(super) fn table(images: &[Image], time: Duration) -> String {
    let heading = ["IMAGE", "TAG", "DIGEST", "LAYERS", "SIZE"].map(str::to_owned).to_vec();
    let rows = images.iter().map(|image| {
        let tags: Vec<&str> = image.tags.iter().map(crate::spec::Tag::as_str).collect();
        vec![
            image.name.to_string(),
            tags.join(","),
            image.manifest.descriptor.digest.to_string().chars().take(19).collect(),
            image.layers.len().to_string(),
            table::bytes(image.blob_size()),
        ]
    });
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    format!("{}in {}", table::table(&rows, &[3, 4]), table::seconds(time))
}
