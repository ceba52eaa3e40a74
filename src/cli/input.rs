//! From a SPEC argument to a spec.

use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::file;
use crate::spec::{self, Spec, SpecError, Tag};

/// The largest closures have tens of thousands of paths; their graphs are a few megabytes.
const SPEC_LIMIT: u64 = 256 << 20;

/// Reads one SPEC: a spec.json, or a folder that holds one.
pub(super) fn read_spec(argument: &Path) -> Result<Spec, Failure> {
    let path = locate(argument);
    let bytes = file::read(&path, SPEC_LIMIT).map_err(|error| {
        let failure = Failure::from(error);
        failure.hint("SPEC is a spec.json, or a folder or derivation output that holds one")
    })?;
    spec::parse(&bytes).map_err(|error| spec_failure(&path, error))
}

/// Reads several SPECs whose images get the tags given, or their own when there are none.
pub(super) fn read_tagged_specs(arguments: &[PathBuf], tags: &[Tag]) -> Result<Vec<Spec>, Failure> {
    let mut specs = read_specs(arguments)?;
    if !tags.is_empty() {
        for spec in &mut specs {
            spec.tags = tags.to_vec();
        }
    }
    Ok(specs)
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
