//! `cooper why`: in which layer a store path is, for whom, and what pulled it in.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::output::{self, Text};
use super::{Global, assemble, input, plan};
use crate::check;
use crate::plan::pulled_in_by;
use crate::spec::Spec;
use crate::store_path::StorePath;

/// Show in which layer a store path is, for which images, and what pulled it in
#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// The image
    #[arg(value_name = "SPEC")]
    spec: PathBuf,
    /// A store path or a path below one; a path in the image that leads to one, such as `/bin/sh`;
    /// or a name such as `openssl`
    #[arg(value_name = "PATH")]
    path: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    path: StorePath,
    nar_size: u64,
    layer: usize,
    layers: usize,
    together_with: Vec<StorePath>,
    images: Vec<String>,
    pulled_in_by: Vec<StorePath>,
    #[serde(skip)]
    text: String,
}

pub(super) fn run(global: &Global, args: &WhyArgs) -> Result<(), Failure> {
    let spec = input::read_spec(&args.spec)?;
    let plan::Laid { closure, plan: image, .. } = plan::plan_spec(&spec)?;
    let wanted = wanted(&spec, &args.path)?;
    let hit = |path: &StorePath| match &wanted {
        Some(wanted) => path == wanted,
        None => path.names().contains(&args.path.as_str().into()),
    };
    let mut answers = Vec::new();
    for (at, layer) in image.layers.iter().enumerate() {
        for path in layer.paths.iter().filter(|path| hit(path)) {
            let mut images = layer.why.images.clone();
            images.retain(|name| name != spec.name.as_str());
            answers.push(Answer {
                path: path.clone(),
                nar_size: closure.get(path).map_or(0, |node| node.info.nar_size),
                layer: at + 1,
                layers: image.layers.len(),
                together_with: layer.paths.iter().filter(|other| *other != path).cloned().collect(),
                images,
                pulled_in_by: pulled_in_by(&closure, path),
                text: format!(
                    "{}, {} of changes rename it",
                    plan::what(layer),
                    plan::chance(layer)
                ),
            });
        }
    }
    if answers.is_empty() {
        let message = format!("image `{}` has no store path `{}`", spec.name, args.path);
        return Err(Failure::input(message).hint("`cooper plan --json SPEC` lists all paths"));
    }
    if global.json {
        return output::data(&output::json(&answers)?);
    }
    output::data(&Text::joined(answers.iter().map(show)))
}

/// The store path that is asked for, unless a name is; links of the image are followed to it.
fn wanted(spec: &Spec, word: &str) -> Result<Option<StorePath>, Failure> {
    let store_path = |path: &str| StorePath::parse_prefix(path).map(|(path, _)| path).ok();
    if !word.starts_with('/') || store_path(word).is_some() {
        return Ok(store_path(word));
    }
    let end = check::leads_to(spec, &assemble::own_files(spec)?, word)?;
    match end.as_deref().map(|end| (end, store_path(end))) {
        Some((_, Some(path))) => Ok(Some(path)),
        Some((end, None)) => {
            Err(Failure::input(format!("`{end}` in image `{}` is in no store path", spec.name))
                .hint("its own files are the top layer; `cooper inspect SPEC` lists them"))
        }
        None => Err(Failure::input(format!("image `{}` has no `{word}`", spec.name))
            .hint("`cooper inspect SPEC` lists what it has; what a base has is not looked at")),
    }
}

fn show(answer: &Answer) -> Text {
    let images = match answer.images.as_slice() {
        [] => "no other image of the set has this layer".to_owned(),
        images => format!("also in {}", images.join(", ")),
    };
    let mut text = Text::default();
    text.line(&answer.path);
    text.line(format_args!("  size: {}", super::table::bytes(answer.nar_size)));
    text.line(format_args!("  layer: {} of {} ({})", answer.layer, answer.layers, answer.text));
    text.line(format_args!("  images: {images}"));
    match answer.pulled_in_by.as_slice() {
        [] | [_] => text.line("  pulled in by: the image itself; nothing refers to it"),
        way => {
            text.line("  pulled in by:");
            for (depth, path) in way.iter().enumerate() {
                text.line("  ".repeat(depth + 2) + path.name());
            }
        }
    }
    text
}
