//! `cooper why`: in which layer a store path is, for whom, and what pulled it in; of an own file, the
//! field that declares it.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::plan;
use crate::check;
use crate::cli::args::spec_input;
use crate::cli::own_file;
use crate::cli::own_file::OwnFile;
use crate::cli::ui::failure::Failure;
use crate::cli::ui::output;
use crate::cli::ui::output::Text;
use crate::cli::{GlobalArgs, assemble};
use crate::plan::pulled_in_by;
use crate::spec::Spec;
use crate::store_path::StorePath;

/// Show the layer of a store path or an own file, and the reason why the image has it
#[derive(Debug, Args)]
pub(in crate::cli) struct WhyArgs {
    /// SPEC of the image
    #[arg(value_name = "SPEC")]
    spec: PathBuf,
    /// Store path or a path in one; path in the image, such as `/bin/sh`; name of a package, such
    /// as `openssl`; or an own file, by path or name
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

pub(in crate::cli) fn run(global: &GlobalArgs, args: &WhyArgs) -> Result<(), Failure> {
    let spec = spec_input::read_spec(&args.spec)?;
    let plan::PlannedImage { closure, plan: image, .. } = plan::plan_spec(&spec)?;
    let wanted = match wanted(&spec, &args.path)? {
        Wanted::Own(files) => return show_own(global, &files),
        Wanted::StorePath(path) => Some(path),
        Wanted::Name => None,
    };
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
        let is_asked = |path: &str| path.rsplit('/').next() == Some(&args.path);
        let files = own_file::find(&spec, &assemble::own_files(&spec)?, is_asked)?;
        if !files.is_empty() {
            return show_own(global, &files);
        }
        let message =
            format!("image `{}` has no store path or own file `{}`", spec.name, args.path);
        return Err(Failure::input(message).hint(
            "`cooper plan --json SPEC` lists all store paths, `cooper inspect SPEC` the own files",
        ));
    }
    if global.json {
        return output::data(&output::json(&answers)?);
    }
    output::data(&Text::joined(answers.iter().map(show)))
}

/// The thing that is asked for.
enum Wanted {
    StorePath(StorePath),
    Own(Vec<OwnFile>),
    /// A store path or an own file, by its name.
    Name,
}

/// Links of the image are followed to the store path or the own file at their end.
fn wanted(spec: &Spec, text: &str) -> Result<Wanted, Failure> {
    let store_path = |path: &str| StorePath::parse_prefix(path).map(|(path, _)| path).ok();
    if let Some(path) = store_path(text) {
        return Ok(Wanted::StorePath(path));
    }
    if !text.starts_with('/') {
        return Ok(Wanted::Name);
    }
    let rootfs = assemble::own_files(spec)?;
    let missing = || {
        Failure::input(format!("image `{}` has no `{text}`", spec.name))
            .hint("`cooper inspect SPEC` lists what it has; what a base has is not looked at")
    };
    let end = check::resolve_path(spec, &rootfs, text)?.ok_or_else(missing)?;
    if let Some(path) = store_path(&end) {
        return Ok(Wanted::StorePath(path));
    }
    let files = own_file::find(spec, &rootfs, |path| path == end)?;
    match files.is_empty() {
        true => Err(Failure::input(format!(
            "`{end}` in image `{}` is a directory of several sources",
            spec.name
        ))
        .hint("name a file in it; `cooper inspect SPEC` lists them")),
        false => Ok(Wanted::Own(files)),
    }
}

fn show_own(global: &GlobalArgs, files: &[OwnFile]) -> Result<(), Failure> {
    if global.json {
        return output::data(&output::json(&files)?);
    }
    output::data(&Text::joined(files.iter().map(OwnFile::show)))
}

fn show(answer: &Answer) -> Text {
    let images = match answer.images.as_slice() {
        [] => "no other image of the set has this layer".to_owned(),
        images => format!("also in {}", images.join(", ")),
    };
    let mut text = Text::default();
    text.line(&answer.path);
    text.line(format_args!("  size: {}", crate::cli::ui::table::bytes(answer.nar_size)));
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
