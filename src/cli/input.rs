//! From a SPEC argument to a spec, and from an IMAGE to what is meant by it.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::place::Place;
use crate::file::{self, Context};
use crate::spec::{self, Spec, SpecError, Tag};

/// The largest closures have tens of thousands of paths; their graphs are a few megabytes.
const SPEC_LIMIT: u64 = 256 << 20;

/// What is told to whoever names something else.
const WHAT: &str = "SPEC is a spec.json, or a folder or derivation output that holds one";

/// An image that is to be built, or the place of one that is.
#[derive(Debug)]
pub(super) enum Input {
    Spec(Box<Spec>),
    Place(Place),
}

/// Reads an IMAGE: a folder is a layout if it says so, a file a spec if it is JSON; what does not
/// exist is a spec if it is called like one.
pub(super) fn read(word: &str) -> Result<Input, Failure> {
    let path = Path::new(word);
    let is_spec = if path.is_dir() {
        !path.join("oci-layout").exists()
    } else if path.exists() {
        starts_with_brace(path)?
    } else {
        path.extension().is_some_and(|extension| extension == "json")
    };
    match is_spec {
        true => Ok(Input::Spec(Box::new(read_spec(path)?))),
        false => Ok(Input::Place(word.parse().map_err(Failure::input)?)),
    }
}

/// No tar starts so, compressed or not.
fn starts_with_brace(path: &Path) -> Result<bool, Failure> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path).context("open", path)?;
    file.take(512).read_to_end(&mut start).context("read", path)?;
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
    Ok(first.is_none_or(|byte| *byte == b'{'))
}

/// Reads one SPEC: a spec.json, or a folder that holds one.
pub(super) fn read_spec(argument: &Path) -> Result<Spec, Failure> {
    let path = locate(argument);
    let bytes = file::read(&path, SPEC_LIMIT).map_err(|error| Failure::from(error).hint(WHAT))?;
    spec::parse(&bytes).map_err(|error| {
        let failure = spec_failure(&path, error);
        match bytes.trim_ascii_start().first() {
            Some(b'{') => failure,
            _ => failure.hint(WHAT),
        }
    })
}

/// Reads several SPECs whose images get the tags given, or their own when there are none.
pub(super) fn read_tagged_specs(arguments: &[PathBuf], tags: &[Tag]) -> Result<Vec<Spec>, Failure> {
    let mut specs = read_specs(arguments)?;
    if !tags.is_empty() {
        let mut seen = BTreeSet::new();
        let once: Vec<Tag> = tags.iter().filter(|tag| seen.insert(*tag)).cloned().collect();
        for spec in &mut specs {
            spec.tags.clone_from(&once);
        }
    }
    Ok(specs)
}

/// Of two images with one name and tag only one could be found where they go. `name` is what an
/// image is called there.
pub(super) fn refuse_twins(specs: &[Spec], name: impl Fn(&Spec) -> String) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for spec in specs {
        for tag in &spec.tags {
            let reference = format!("{}:{tag}", name(spec));
            if !seen.insert(reference.clone()) {
                return Err(Failure::input(format!("two of the specs define `{reference}`")).hint(
                    "give them different names or tags, or leave one out; `cooper index` puts the \
                     images of several platforms under one name",
                ));
            }
        }
    }
    Ok(())
}

/// Reads several SPECs, in the order given.
pub(super) fn read_specs(arguments: &[PathBuf]) -> Result<Vec<Spec>, Failure> {
    arguments.iter().map(|argument| read_spec(argument)).collect()
}

/// Names the file above a spec's error, and the nearest field below it.
pub(super) fn spec_failure(path: &Path, error: SpecError) -> Failure {
    let suggestion = match &error {
        SpecError::Json { suggestion, .. } => suggestion.clone(),
        _ => None,
    };
    let failure = Failure::input(error).during(format!("failed to read `{}`", path.display()));
    match suggestion {
        Some(name) => failure.hint(format!("did you mean `{name}`?")),
        None => failure,
    }
}

fn locate(argument: &Path) -> PathBuf {
    if argument.is_dir() { argument.join("spec.json") } else { argument.into() }
}
