//! Checks of an image before it is built: it can start on its platform and as its user, it
//! contains what its author requires, and it contains no secrets.
//!
//! The input is a spec and its rootfs; the result is a list of warnings, or all problems together.
//! Nothing is executed: programs are searched as a container runtime searches them, through the
//! links of the image. `resolve_path` gives other modules the same resolution. An absence that a
//! base image could fill is never a problem.

mod paths;
mod program;
mod runtime;
mod secrets;
mod size;
mod user;

use std::collections::BTreeSet;
use std::fmt;

use crate::fs::FileError;
use crate::rootfs::Rootfs;
use crate::spec::{Check, Spec};

use crate::rootfs::image::{Image, Resolved};

/// Why an image does not ship.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The store could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A pattern of cooper's own that this build of it cannot read; a mistake of cooper's.
    #[error("failed to make the patterns of secrets")]
    Patterns(#[from] regex::Error),
    /// All that is wrong, each with the check that found it.
    #[error("{}", Listed(.0))]
    Problems(Vec<Problem>),
}

/// One thing that is wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which check found it; its name turns it off.
    pub check: Check,
    /// What is wrong, naming field, path, and what to do.
    pub message: String,
}

/// Problems as people read them, a line each.
struct Listed<'a>(&'a [Problem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&summary(self.0))?;
        self.0.iter().try_for_each(|p| write!(f, "\n  {}: {}", p.check, p.message))
    }
}

fn summary(problems: &[Problem]) -> String {
    match distinct(problems).len() {
        1 => "the image does not pass a check".into(),
        count => format!("the image does not pass {count} checks"),
    }
}

impl CheckError {
    /// The error without its problems.
    pub fn summary(&self) -> String {
        match self {
            Self::Problems(problems) => summary(problems),
            error => error.to_string(),
        }
    }

    /// The problems, each for a line of its own.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Problems(problems) => problems,
            _ => &[],
        }
    }

    /// The checks that found something, each once: what `checks.skip` would have to list.
    pub fn checks(&self) -> Vec<Check> {
        let Self::Problems(problems) = self else { return Vec::new() };
        distinct(problems)
    }
}

fn distinct(problems: &[Problem]) -> Vec<Check> {
    let mut checks: Vec<Check> = problems.iter().map(|problem| problem.check).collect();
    checks.sort();
    checks.dedup();
    checks
}

/// What is found on the way; checks that are skipped find nothing.
#[derive(Debug)]
struct Findings<'a> {
    spec: &'a Spec,
    problems: Vec<Problem>,
    /// The contents of `problems`.
    known: BTreeSet<(Check, String)>,
    warnings: Vec<String>,
}

impl Findings<'_> {
    fn problem(&mut self, check: Check, message: String) {
        if self.spec.checks.wants(check) && self.known.insert((check, message.clone())) {
            self.problems.push(Problem { check, message });
        }
    }

    fn warn(&mut self, check: Check, message: String) {
        if self.spec.checks.wants(check) {
            self.warnings.push(message);
        }
    }
}

/// Where a path of the image ends when all links are followed, those of its own files and those in
/// its store paths; nothing if there is nothing at the end, which may be in a base.
pub fn resolve_path(spec: &Spec, rootfs: &Rootfs, path: &str) -> Result<Option<String>, FileError> {
    let (end, found) = Image::new(spec, rootfs).find_bytes(path.as_bytes())?;
    let is_there = !matches!(found, Resolved::Missing(_));
    Ok(is_there.then(|| format!("/{}", String::from_utf8_lossy(&end))))
}

/// Makes all checks that the spec does not skip, and gives the warnings.
pub fn check(spec: &Spec, rootfs: &Rootfs) -> Result<Vec<String>, CheckError> {
    let image = Image::new(spec, rootfs);
    let (problems, known, warnings) = (Vec::new(), BTreeSet::new(), Vec::new());
    let mut findings = Findings { spec, problems, known, warnings };
    program::check(&image, &mut findings)?;
    user::check(&image, &mut findings)?;
    runtime::check(rootfs, &mut findings);
    paths::check(&image, &mut findings)?;
    size::check(rootfs, &mut findings)?;
    secrets::check(rootfs, &mut findings)?;
    match findings.problems.is_empty() {
        true => Ok(findings.warnings),
        false => Err(CheckError::Problems(findings.problems)),
    }
}

#[cfg(test)]
mod tests;
