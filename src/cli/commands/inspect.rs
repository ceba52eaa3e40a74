//! `cooper inspect`: an image as its spec and plan have it, or as it lies somewhere.

use std::ffi::OsString;

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::GlobalArgs;
use crate::cli::args::location::ConnectOptions;
use crate::cli::args::spec_input;
use crate::cli::args::spec_input::Input;
use crate::cli::found;
use crate::cli::found::Depth;
use crate::cli::looked::{ImageSummary, LayerSummary, PathSummary};
use crate::cli::ui::failure::Failure;
use crate::cli::ui::output;
use crate::cli::ui::output::Text;
use crate::cli::ui::{progress, table};

/// Paths that a layer shows before it counts the rest; JSON has all.
const SHOWN: usize = 5;

/// Show an image's config, its layers as a tree, and its biggest paths
///
/// IMAGE is a SPEC, an archive, a layout or an image in a registry. Nothing is built of a SPEC: its
/// sizes are NAR sizes and sizes of own files, uncompressed. Layers in a registry are fetched only
/// with `--fetch`. `oci:DIR:NAME` and `archive:FILE:NAME` name one image of several.
#[derive(Debug, Args)]
pub(in crate::cli) struct InspectArgs {
    /// Image or SPEC to show
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<OsString>,
    /// Number of the biggest paths to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    biggest: usize,
    /// Fetch layers of images in registries to list their files
    #[arg(long)]
    fetch: bool,
    #[command(flatten)]
    reach: ConnectOptions,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inspected<'a> {
    name: &'a str,
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    platform: &'a str,
    created: &'a str,
    config: &'a Map<String, Value>,
    size: u64,
    layers: &'a [LayerSummary],
    biggest: Vec<&'a PathSummary>,
}

pub(in crate::cli) fn run(global: &GlobalArgs, args: &InspectArgs) -> Result<(), Failure> {
    let reporter = progress::reporter(global);
    let mut looked = Vec::new();
    for word in &args.images {
        match spec_input::read(word)? {
            Input::Spec(spec) => looked.push(ImageSummary::new(&spec)?),
            Input::ImageLocation(place) => {
                let near = args.fetch || place.in_registry().is_none();
                let depth = if near { Depth::Layers } else { Depth::Documents };
                looked.extend(found::look(global, &place, &args.reach, depth, &*reporter)?);
            }
        }
    }
    if global.json {
        let inspected: Vec<Inspected<'_>> =
            looked.iter().map(|looked| Inspected::new(looked, args.biggest)).collect();
        return output::data(&output::json(&inspected)?);
    }
    output::data(&Text::joined(looked.iter().map(|looked| text(looked, args.biggest))))
}

impl<'a> Inspected<'a> {
    fn new(looked: &'a ImageSummary, biggest: usize) -> Self {
        Self {
            name: &looked.name,
            tags: &looked.tags,
            digest: looked.digest.as_deref(),
            platform: &looked.platform,
            created: &looked.created,
            config: &looked.config,
            size: looked.size(),
            layers: &looked.layers,
            biggest: looked.biggest(biggest),
        }
    }
}

fn text(image: &ImageSummary, biggest: usize) -> Text {
    let tags =
        if image.tags.is_empty() { String::new() } else { format!(":{}", image.tags.join(",")) };
    let mut text = Text::default();
    let size = table::bytes(image.size());
    text.line(format_args!("{}{tags}  {}  {}  {size}", image.name, image.platform, image.created));
    image.digest.iter().for_each(|digest| text.line(digest));
    text.line("");
    text.line("config");
    for (field, lines) in config_lines(image) {
        for (at, line) in lines.iter().enumerate() {
            let field = if at == 0 { field } else { "" };
            text.line(format_args!("  {field:<12}  {line}"));
        }
    }
    text.line("");
    text.line("layers, bottom first");
    for (at, layer) in image.layers.iter().enumerate() {
        let size = table::bytes(layer.size);
        text.line(format_args!("  {:>3}  {size:>8}  {}", at + 1, layer.name));
        branches(&mut text, &layer.paths);
    }
    let biggest = image.biggest(biggest);
    if !biggest.is_empty() {
        text.line("");
        text.line("biggest paths");
        for path in biggest {
            text.line(format_args!("  {:>8}  {}", table::bytes(path.size), path.path));
        }
    }
    text
}

/// A layer's paths, the largest first.
fn branches(text: &mut Text, paths: &[PathSummary]) {
    let mut largest: Vec<&PathSummary> = paths.iter().collect();
    largest.sort_by_key(|path| std::cmp::Reverse(path.size));
    let rest = largest.get(SHOWN..).unwrap_or_default();
    for (at, path) in largest.iter().take(SHOWN).enumerate() {
        let last = at + 1 == largest.len();
        let branch = if last { "└─" } else { "├─" };
        text.line(format_args!("       {branch} {:>8}  {}", table::bytes(path.size), path.path));
    }
    if !rest.is_empty() {
        let size = table::bytes(rest.iter().map(|path| path.size).sum());
        text.line(format_args!("       └─ {size:>8}  {} more", rest.len()));
    }
}

/// The config's fields in the order in which people look for them.
const FIELDS: [&str; 12] = [
    "User",
    "Entrypoint",
    "Cmd",
    "WorkingDir",
    "Env",
    "ExposedPorts",
    "Volumes",
    "StopSignal",
    "Healthcheck",
    "Shell",
    "OnBuild",
    "Labels",
];

/// The config's fields that say something, each with its lines; those of other tools come after
/// OCI's.
fn config_lines(image: &ImageSummary) -> Vec<(&str, Vec<String>)> {
    let others = image.config.keys().map(String::as_str).filter(|field| !FIELDS.contains(field));
    let fields = FIELDS.into_iter().chain(others);
    let lines = fields.filter_map(|field| Some((field, lines(field, image.config.get(field)?))));
    let base = [("Base", image.base.iter().cloned().collect())];
    lines.chain(base).filter(|(_, lines): &(_, Vec<String>)| !lines.is_empty()).collect()
}

fn lines(field: &str, value: &Value) -> Vec<String> {
    let words = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(plain).collect()
    };
    let command = |words: Vec<String>| if words.is_empty() { vec![] } else { vec![quoted(&words)] };
    match (field, value) {
        ("Entrypoint" | "Cmd" | "Shell", Value::Array(_)) => command(words(value)),
        ("Healthcheck", Value::Object(health)) => {
            command(health.get("Test").map(words).unwrap_or_default())
        }
        ("Labels", Value::Object(labels)) => {
            labels.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect()
        }
        (_, Value::Object(set)) => set.keys().cloned().collect(),
        (_, Value::Array(_)) => words(value),
        (_, Value::Null | Value::Bool(false)) => vec![],
        (_, value) => Some(plain(value)).into_iter().filter(|text| !text.is_empty()).collect(),
    }
}

/// A string as it is, anything else as JSON has it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Words as a shell would take them.
fn quoted(words: &[String]) -> String {
    let plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./:=,@%+".contains(c))
    };
    let quote = |word: &String| match plain(word) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}
