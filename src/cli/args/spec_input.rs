//! From a SPEC argument to a spec, and from an IMAGE to what is meant by it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::location::ImageLocation;
use crate::cli::ui::failure::Failure;
use crate::fs;
use crate::fs::{Context, FileOp};
use crate::progress::Reporter;
use crate::spec::{self, Spec, SpecError, Tag};

/// The largest closures have tens of thousands of paths; their graphs are a few megabytes.
const SPEC_LIMIT: u64 = 256 << 20;

/// What is told to whoever names something else.
const WHAT: &str = "SPEC is a spec.json, or a folder or derivation output that holds one; `-` is \
                    standard input";

/// Whether somebody has standard input already: it has an end, and is nobody else's then.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// An image that is to be built, or the place of one that is.
#[derive(Debug)]
pub(in crate::cli) enum Input {
    Spec(Box<Spec>),
    ImageLocation(ImageLocation),
}

/// Reads an IMAGE: `-` is a spec, a folder is a layout if it says so, a file a spec if it is JSON;
/// what does not exist is a spec if it is called like one.
pub(in crate::cli) fn read(word: &OsStr) -> Result<Input, Failure> {
    let path = Path::new(word);
    let is_spec = if is_stdin(path) {
        true
    } else if path.is_dir() {
        !path.join("oci-layout").exists()
    } else if path.exists() {
        starts_with_brace(path)?
    } else {
        path.extension().is_some_and(|extension| extension == "json")
    };
    match is_spec {
        true => Ok(Input::Spec(Box::new(read_spec(path)?))),
        false => Ok(Input::ImageLocation(ImageLocation::of(word).map_err(Failure::input)?)),
    }
}

/// No tar starts so, compressed or not.
fn starts_with_brace(path: &Path) -> Result<bool, Failure> {
    let mut start = Vec::new();
    let file = fs::open(path)?;
    file.take(512).read_to_end(&mut start).context(FileOp::Read, path)?;
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
    Ok(first.is_none_or(|byte| *byte == b'{'))
}

/// Reads all of a file, or of standard input for `-`; at most `limit` bytes of either.
pub(in crate::cli) fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    match is_stdin(path) {
        true => stdin(limit),
        false => Ok(fs::read(path, limit)?),
    }
}

/// Reads all of standard input, which can be done once.
pub(in crate::cli) fn stdin(limit: u64) -> Result<Vec<u8>, Failure> {
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(Failure::input("standard input can be read only once")
            .hint("save the input in a file and name that file"));
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(limit.saturating_add(1)).read_to_end(&mut bytes);
    let during = |failure: Failure| failure.during("failed to read standard input".into());
    read.map_err(|error| during(Failure::environment(error)))?;
    match bytes.len() as u64 > limit {
        true => Err(during(Failure::input(format!(
            "it has more than {limit} bytes, the most that cooper takes here"
        )))),
        false => Ok(bytes),
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// How messages call what [`bytes`] reads.
pub(in crate::cli) fn called(path: &Path) -> String {
    match is_stdin(path) {
        true => "standard input".into(),
        false => format!("`{}`", path.display()),
    }
}

/// Reads one SPEC: a spec.json, a folder that holds one, or standard input.
pub(in crate::cli) fn read_spec(argument: &Path) -> Result<Spec, Failure> {
    let path = locate(argument);
    let bytes = bytes(&path, SPEC_LIMIT).map_err(|failure| match is_stdin(&path) {
        true => failure,
        false => failure.hint(WHAT),
    })?;
    spec::parse(&bytes).map_err(|error| {
        let failure = spec_failure(&path, error);
        match bytes.trim_ascii_start().first() {
            Some(b'{') => failure,
            _ => failure.hint(WHAT),
        }
    })
}

/// Reads several SPECs whose images get the tags given, or their own when there are none.
pub(in crate::cli) fn read_tagged_specs(
    arguments: &[PathBuf],
    tags: &[Tag],
) -> Result<Vec<Spec>, Failure> {
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
pub(in crate::cli) fn reject_duplicate_names(
    specs: &[Spec],
    name: impl Fn(&Spec) -> String,
) -> Result<(), Failure> {
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

/// Warns of names in `layering.changesOften` that change nothing; of a set's, which its images
/// share, once.
pub(in crate::cli) fn warn_unknown_packages(specs: &[Spec], reporter: &dyn Reporter) {
    let mut warnings = BTreeSet::new();
    for spec in specs {
        let mut set = BTreeSet::from([spec.name.as_str()]);
        set.extend(spec.layering.others().map(|(name, _)| name));
        let images: Vec<String> = set.into_iter().map(|name| format!("`{name}`")).collect();
        for name in spec.unknown_changes_often() {
            warnings.insert(format!(
                "layering.changesOften has `{name}`, and no store path of {} has that name; \
                 write it without its hash and version, as `cooper plan` shows it",
                images.join(", ")
            ));
        }
    }
    warnings.iter().for_each(|warning| reporter.warn(warning));
}

/// Reads several SPECs, in the order given.
pub(in crate::cli) fn read_specs(arguments: &[PathBuf]) -> Result<Vec<Spec>, Failure> {
    arguments.iter().map(|argument| read_spec(argument)).collect()
}

/// Names the file above a spec's error, and the nearest field below it.
pub(in crate::cli) fn spec_failure(path: &Path, error: SpecError) -> Failure {
    with_suggestion(error, format!("failed to read {}", called(path)))
}

/// Says above a spec's error what failed by it, and below it the nearest field.
pub(in crate::cli) fn with_suggestion(error: SpecError, during: String) -> Failure {
    let suggestion = match &error {
        SpecError::Json { suggestion, .. } => suggestion.clone(),
        _ => None,
    };
    let failure = Failure::input(error).during(during);
    match suggestion {
        Some(name) => failure.hint(format!("did you mean `{name}`?")),
        None => failure,
    }
}

/// Where a SPEC's bytes are.
pub(in crate::cli) fn locate(argument: &Path) -> PathBuf {
    if argument.is_dir() && !is_stdin(argument) {
        argument.join("spec.json")
    } else {
        argument.into()
    }
}
