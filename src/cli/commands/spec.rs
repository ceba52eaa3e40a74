//! `cooper spec`: making a spec.json. Flakes call it; people rarely do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::args::spec_input::{spec_failure, with_suggestion};
use crate::cli::tree;
use crate::cli::ui::failure::Failure;
use crate::closure::Closure;
use crate::fs;
use crate::fs::{Context, FileOp};
use crate::json;
use crate::spec::{self, Config, Spec, SpecError};
use crate::store_path::PathInfo;

/// Attributes hold a references graph; fragments are small.
const ATTRS_LIMIT: u64 = 256 << 20;
const FRAGMENT_LIMIT: u64 = 1 << 20;

/// Write a spec.json (called by flakes)
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SpecVerb {
    /// Write $out/spec.json from a derivation's structured attributes
    FromAttrs(FromAttrsArgs),
    /// Record a directory tree as the contents of an image: files, directories, links, modes
    FromTree(tree::FromTreeArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct FromAttrsArgs {
    /// File with the attributes [default: `$NIX_ATTRS_JSON_FILE`, or .attrs.json in the build
    /// directory]
    #[arg(long, value_name = "FILE")]
    attrs: Option<PathBuf>,
}

pub(in crate::cli) fn run(verb: &SpecVerb) -> Result<(), Failure> {
    match verb {
        SpecVerb::FromAttrs(args) => from_attrs(args),
        SpecVerb::FromTree(args) => tree::from_tree(args),
    }
}

/// How `nix/lib` calls the graph of another image of the set.
const SIBLING: &str = "sibling:";

/// What `nix/lib` puts into the derivation, as Nix writes it.
#[derive(Deserialize)]
struct Attrs {
    spec: serde_json::Map<String, Value>,
    #[serde(default)]
    closure: Value,
    #[serde(default, rename = "configFragments")]
    config_fragments: Vec<PathBuf>,
    /// Documents that `cooper spec from-tree` wrote; the graph holds their store paths.
    #[serde(default)]
    trees: Vec<PathBuf>,
    outputs: Outputs,
    /// Graphs of the set's other images, under [`SIBLING`] and their names; and whatever else
    /// Nix writes.
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Outputs {
    out: PathBuf,
}

fn from_attrs(args: &FromAttrsArgs) -> Result<(), Failure> {
    let path = attrs_path(args);
    let bytes = fs::read(&path, ATTRS_LIMIT)?;
    let unread = || format!("failed to read `{}`", path.display());
    let attrs: Attrs =
        serde_json::from_slice(&bytes).map_err(|e| Failure::input(e).during(unread()))?;
    let bytes = spec_of(&attrs, unread)?;
    let out = attrs.outputs.out;
    std::fs::create_dir_all(&out).context(FileOp::CreateDir, &out)?;
    Ok(fs::write_atomically(&out.join("spec.json"), &bytes)?)
}

/// The bytes of the spec.json, checked.
fn spec_of(attrs: &Attrs, unread: impl Fn() -> String) -> Result<Vec<u8>, Failure> {
    // Nix made the file: who wrote the flake knows the image, and no line of it.
    let during = attrs.spec.get("name").and_then(Value::as_str);
    let during = during.map_or_else(unread, |name| format!("failed to make the spec of `{name}`"));
    let failed = |error: Box<dyn std::error::Error>| Failure::input(error).during(during.clone());
    let unfit = |error: SpecError| with_suggestion(error.without_place(), during.clone());
    let text = json::to_bytes(&attrs.spec).map_err(Failure::bug)?;
    let mut spec = spec::parse(&text).map_err(unfit)?;
    spec.closure = graph(&attrs.closure).map_err(failed)?;
    for fragment in &attrs.config_fragments {
        merge_fragment(&mut spec, fragment)?;
    }
    for document in &attrs.trees {
        tree::merge(&mut spec, document)?;
    }
    for (name, value) in &attrs.rest {
        if let Some(name) = name.strip_prefix(SIBLING) {
            let closure = graph(value).map_err(failed)?;
            spec.layering.siblings.insert(name.into(), closure);
        }
    }
    let bytes = json::to_bytes(&spec).map_err(Failure::bug)?;
    // Once more: what the fragments added has been checked by no one yet.
    spec::parse(&bytes).map_err(unfit)?;
    Ok(bytes)
}

/// The spec of attributes that name no further files, if they are any.
#[cfg(fuzzing)]
pub(in crate::cli) fn fuzzed(bytes: &[u8]) -> Option<Vec<u8>> {
    let attrs: Attrs = serde_json::from_slice(bytes).ok()?;
    let alone = attrs.config_fragments.is_empty() && attrs.trees.is_empty();
    alone.then(|| spec_of(&attrs, String::new).ok())?
}

fn attrs_path(args: &FromAttrsArgs) -> PathBuf {
    let given = args.attrs.clone();
    let from_env = || std::env::var_os("NIX_ATTRS_JSON_FILE").map(PathBuf::from);
    given.or_else(from_env).unwrap_or_else(|| ".attrs.json".into())
}

/// The graph without gaps, each path once, ordered: the spec's bytes do not depend on the order
/// or the form in which a version of Nix writes it.
fn graph(value: &Value) -> Result<Vec<PathInfo>, Box<dyn std::error::Error>> {
    let bytes = if value.is_null() { b"[]".to_vec() } else { json::to_bytes(value)? };
    let closure = Closure::parse(&bytes)?;
    Ok(closure.nodes().iter().map(|node| node.info.clone()).collect())
}

fn merge_fragment(spec: &mut Spec, path: &Path) -> Result<(), Failure> {
    let bytes = fs::read(path, FRAGMENT_LIMIT)?;
    let fragment = Config::parse_fragment(&bytes).map_err(|error| spec_failure(path, error))?;
    spec.config.merge_fragment(fragment);
    Ok(())
}
