//! `cooper cache`: what is kept of layers already made.

use std::str::FromStr;

use clap::Subcommand;
use serde::Serialize;

use crate::cache::Cache;
use crate::cli::ui::failure::Failure;
use crate::cli::ui::output;
use crate::cli::ui::output::Text;
use crate::cli::ui::{progress, table};
use crate::cli::{GlobalArgs, assemble};

/// Inspect, verify or shrink the layer cache
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CacheVerb {
    /// Show the cache's directory, content and maximum size
    Info,
    /// Remove the least recently used layers until the cache is below its maximum size
    ///
    /// Waits for processes that are using the cache. `--cache-size 0` empties it.
    Gc,
    /// Hash every blob and remove damaged ones
    ///
    /// Exits with 1 if a blob was damaged. Waits for processes that use the cache before it removes
    /// files.
    Verify,
}

/// Bytes with a unit, as on the command line: `500MB`, `20GiB`, `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Size(pub(in crate::cli) u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase();
        let factor = match unit.as_str() {
            "" | "b" => Some(1),
            "k" | "kb" => Some(1000),
            "m" | "mb" => Some(1_000_000),
            "g" | "gb" => Some(1_000_000_000),
            "t" | "tb" => Some(1_000_000_000_000),
            "kib" => Some(1 << 10),
            "mib" => Some(1 << 20),
            "gib" => Some(1 << 30),
            "tib" => Some(1 << 40),
            _ => None,
        };
        let size = digits.parse::<u64>().ok().zip(factor);
        size.and_then(|(number, factor)| number.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| "write a whole number and a unit, such as 500MB or 20GiB".into())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    dir: String,
    layers: usize,
    blobs: usize,
    bytes: u64,
    limit: u64,
}

#[derive(Serialize)]
struct Freed {
    files: usize,
    bytes: u64,
}

#[derive(Serialize)]
struct Verified {
    whole: usize,
    damaged: Vec<String>,
}

pub(in crate::cli) fn run(global: &GlobalArgs, verb: &CacheVerb) -> Result<(), Failure> {
    let Some(cache) = assemble::cache(global, &progress::reporter(global))? else {
        return Err(Failure::input("there is no cache to look at")
            .hint("name one with `--cache DIR`; without HOME there is no default"));
    };
    match verb {
        CacheVerb::Info => info(global, &cache),
        CacheVerb::Gc => gc(global, &cache),
        CacheVerb::Verify => verify(global, &cache),
    }
}

fn info(global: &GlobalArgs, cache: &Cache) -> Result<(), Failure> {
    let info = cache.info()?;
    let dir = info.dir.display().to_string();
    let (bytes, limit) = (table::bytes(info.bytes), table::bytes(info.limit));
    let mut text = Text::default();
    text.line(&dir);
    let (layers, blobs) = (count(info.layers, "layer"), count(info.blobs, "blob"));
    text.line(format_args!("{layers}, {blobs}; {bytes} of {limit}"));
    let data =
        Info { dir, layers: info.layers, blobs: info.blobs, bytes: info.bytes, limit: info.limit };
    print(global, &data, &text)
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn gc(global: &GlobalArgs, cache: &Cache) -> Result<(), Failure> {
    let freed = cache.gc()?;
    let mut text = Text::default();
    text.line(format_args!("removed {} files, {}", freed.files, table::bytes(freed.bytes)));
    print(global, &Freed { files: freed.files, bytes: freed.bytes }, &text)
}

fn verify(global: &GlobalArgs, cache: &Cache) -> Result<(), Failure> {
    let verified = cache.verify(global.jobs())?;
    let damaged: Vec<String> =
        verified.damaged.iter().map(|path| path.display().to_string()).collect();
    let mut text = Text::default();
    text.line(format_args!("{} layers are whole", verified.whole));
    for path in &damaged {
        text.line(format_args!("damaged: {path}"));
    }
    let count = count(damaged.len(), "file");
    let is_complete = damaged.is_empty();
    print(global, &Verified { whole: verified.whole, damaged }, &text)?;
    match is_complete {
        true => Ok(()),
        false => Err(Failure::input(format!("{count} of the cache damaged")).hint(
            "unless the cache cannot be written they are removed, and what they held is made \
             again when it is wanted",
        )),
    }
}

fn print<T: Serialize>(global: &GlobalArgs, data: &T, text: &Text) -> Result<(), Failure> {
    if !global.json {
        return output::data(text);
    }
    output::data(&output::json(data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_ten_and_of_two() {
        let sizes = [("0", 0), ("500MB", 500_000_000), ("20GiB", 20 << 30), ("1k", 1000)];
        for (text, bytes) in sizes {
            assert_eq!(text.parse(), Ok(Size(bytes)));
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "GB", "-1", "1.5GB", "10 GB", "1XB", "99999999999TB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
