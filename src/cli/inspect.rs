//! `cooper inspect`: an image as its spec and plan have it, without building it.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::looked::{Looked, LookedLayer, LookedPath};
use super::{Global, input, output, table};
use crate::image::json;
use crate::spec::{Config, Spec};

/// Paths that a layer shows before it counts the rest; JSON has all.
const SHOWN: usize = 5;

/// Show an image's config, its layers as a tree, and its biggest paths
///
/// Nothing is built: sizes are those of the store (nar sizes) and of the image's own files,
/// uncompressed.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// What to look at
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// How many of the biggest paths to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    biggest: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inspected<'a> {
    name: &'a str,
    tags: Vec<&'a str>,
    platform: String,
    created: String,
    config: &'a Config,
    size: u64,
    layers: &'a [LookedLayer],
    biggest: Vec<&'a LookedPath>,
}

pub(super) fn run(global: &Global, args: &InspectArgs) -> Result<(), Failure> {
    let specs = input::read_specs(&args.specs)?;
    let looked = specs.iter().map(Looked::new).collect::<Result<Vec<_>, _>>()?;
    let inspected: Vec<Inspected<'_>> = specs
        .iter()
        .zip(&looked)
        .map(|(spec, looked)| Inspected {
            name: spec.name.as_str(),
            tags: spec.tags.iter().map(crate::spec::Tag::as_str).collect(),
            platform: spec.platform.to_string(),
            created: spec.created.to_string(),
            config: &spec.config,
            size: looked.size(),
            layers: &looked.layers,
            biggest: looked.biggest(args.biggest),
        })
        .collect();
    if global.json {
        let bytes = json::to_bytes(&inspected).map_err(Failure::bug)?;
        return output::data(&format!("{}\n", String::from_utf8_lossy(&bytes)));
    }
    let texts: Vec<String> =
        specs.iter().zip(&inspected).map(|(spec, inspected)| text(spec, inspected)).collect();
    output::data(&texts.join("\n"))
}

fn text(spec: &Spec, image: &Inspected<'_>) -> String {
    let mut text = format!(
        "{}:{}  {}  {}  {}\n\nconfig\n",
        image.name,
        image.tags.join(","),
        image.platform,
        image.created,
        table::bytes(image.size)
    );
    for (field, lines) in config_lines(spec) {
        for (at, line) in lines.iter().enumerate() {
            let field = if at == 0 { field } else { "" };
            // Writing into a String cannot fail.
            let _ = writeln!(text, "  {field:<12}  {line}");
        }
    }
    let _ = writeln!(text, "\nlayers, bottom first");
    for (at, layer) in image.layers.iter().enumerate() {
        let size = table::bytes(layer.size);
        let _ = writeln!(text, "  {:>3}  {size:>8}  {}", at + 1, layer.name);
        branches(&mut text, &layer.paths);
    }
    if !image.biggest.is_empty() {
        let _ = writeln!(text, "\nbiggest paths");
        for path in &image.biggest {
            let _ = writeln!(text, "  {:>8}  {}", table::bytes(path.size), path.path);
        }
    }
    text
}

/// A layer's paths, the largest first.
fn branches(text: &mut String, paths: &[LookedPath]) {
    let mut largest: Vec<&LookedPath> = paths.iter().collect();
    largest.sort_by_key(|path| std::cmp::Reverse(path.size));
    let rest = largest.get(SHOWN..).unwrap_or_default();
    for (at, path) in largest.iter().take(SHOWN).enumerate() {
        let last = at + 1 == largest.len();
        let branch = if last { "└─" } else { "├─" };
        let _ = writeln!(text, "       {branch} {:>8}  {}", table::bytes(path.size), path.path);
    }
    if !rest.is_empty() {
        let size = rest.iter().map(|path| path.size).sum();
        let _ = writeln!(text, "       └─ {:>8}  {} more", table::bytes(size), rest.len());
    }
}

/// The config's fields that are set, each with its lines.
fn config_lines(spec: &Spec) -> Vec<(&'static str, Vec<String>)> {
    let config = &spec.config;
    let words = |words: &Option<Vec<String>>| words.iter().map(|words| quoted(words)).collect();
    let one = |text: &Option<String>| text.iter().cloned().collect();
    let health = config.healthcheck.iter().map(|health| quoted(&health.test)).collect();
    let labels = config.labels.iter().map(|(name, value)| format!("{name}={value}"));
    let fields = [
        ("User", one(&config.user)),
        ("Entrypoint", words(&config.entrypoint)),
        ("Cmd", words(&config.cmd)),
        ("WorkingDir", one(&config.working_dir)),
        ("Env", config.env.clone()),
        ("ExposedPorts", config.exposed_ports.iter().cloned().collect()),
        ("Volumes", config.volumes.iter().cloned().collect()),
        ("StopSignal", one(&config.stop_signal)),
        ("Healthcheck", health),
        ("Shell", words(&config.shell)),
        ("OnBuild", config.on_build.clone().unwrap_or_default()),
        ("Labels", labels.collect()),
        (
            "Base",
            spec.base
                .iter()
                .filter_map(|base| base.path.clone().or_else(|| base.lock.clone()))
                .collect(),
        ),
    ];
    fields.into_iter().filter(|(_, lines): &(_, Vec<String>)| !lines.is_empty()).collect()
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
