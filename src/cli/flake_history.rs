//! The versions of an image in the git history of its flake: one for each commit that moved a
//! lock, where the closure can still be had.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde::Deserialize;

use super::args::spec_input;
use super::ui::failure::Failure;
use crate::closure::Closure;
use crate::progress::Reporter;

/// An image of a flake whose folder is a git repository.
#[derive(Debug)]
pub(super) struct FlakeImage<'a> {
    dir: PathBuf,
    attribute: &'a str,
    /// Further arguments of `nix build`.
    nix_arguments: &'a [String],
}

impl<'a> FlakeImage<'a> {
    /// Reads `DIR#ATTR`; the folder is the one at hand when it is left out.
    pub(super) fn new(reference: &'a str, nix_arguments: &'a [String]) -> Result<Self, Failure> {
        let parts = reference.split_once('#').filter(|(_, attribute)| !attribute.is_empty());
        let Some((dir, attribute)) = parts else {
            return Err(Failure::input(format!("`{reference}` names no image of a flake"))
                .hint("write DIR#IMAGE, such as `.#backend-docker`"));
        };
        let dir = if dir.is_empty() { "." } else { dir };
        let dir = std::fs::canonicalize(dir).map_err(|error| {
            Failure::input(error).during(format!("failed to find the flake `{dir}`"))
        })?;
        Ok(Self { dir, attribute, nix_arguments })
    }

    /// The closures at the newest `last` commits that touched one of the locks, oldest first.
    /// What cannot be had is left out, with a line that says why.
    pub(super) fn closures(
        &self,
        locks: &[PathBuf],
        last: usize,
        reporter: &dyn Reporter,
    ) -> Result<Vec<Closure>, Failure> {
        let commits = self.commits(locks, last)?;
        let mut closures = Vec::new();
        for commit in &commits {
            match self.closure(commit) {
                Ok(closure) => closures.push(closure),
                Err(why) => reporter.warn(&format!("left out {}: {why}", commit.shown)),
            }
        }
        if closures.len() < 2 {
            let message = format!(
                "{} of {} commits have a closure of `{}` that can be had, and a change needs two",
                closures.len(),
                commits.len(),
                self.attribute
            );
            return Err(Failure::input(message).hint(
                "`--last N` looks further back, and `--lock FILE` for commits of another lock",
            ));
        }
        Ok(closures)
    }

    fn commits(&self, locks: &[PathBuf], last: usize) -> Result<Vec<Commit>, Failure> {
        let during = |failure: Failure| {
            failure.during(format!("failed to read the history of `{}`", self.dir.display()))
        };
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.dir).args(["log", "--format=%H %cs", "-n", &last.to_string()]);
        git.arg("--").args(locks);
        let output = run(&mut git).map_err(during)?;
        if !output.status.success() {
            return Err(during(Failure::input(reason(&output.stderr))));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let mut commits: Vec<Commit> = text.lines().filter_map(Commit::parse).collect();
        commits.reverse();
        Ok(commits)
    }

    /// The closure of the image as a commit has it, or why it cannot be had. What holds the
    /// graph is the derivation of the spec; nothing of the image itself is built.
    fn closure(&self, commit: &Commit) -> Result<Closure, Failure> {
        let mut nix = Command::new("nix");
        nix.args(["--extra-experimental-features", "nix-command flakes", "build"]);
        nix.args(["--no-link", "--json", "--no-write-lock-file"]);
        nix.args(self.nix_arguments);
        nix.arg(format!(
            "git+file://{}?rev={}#{}.spec",
            self.dir.display(),
            commit.revision,
            self.attribute
        ));
        let output = run(&mut nix)?;
        if !output.status.success() {
            return Err(Failure::input(reason(&output.stderr)));
        }
        let built: Vec<Built> = serde_json::from_slice(&output.stdout)
            .map_err(|error| Failure::input(error).during("failed to read nix's answer".into()))?;
        let Some(built) = built.first() else {
            return Err(Failure::input("nix built nothing"));
        };
        let spec = spec_input::read_spec(&built.outputs.out)?;
        Closure::new(spec.closure).map_err(Failure::input)
    }
}

/// What `nix build --json` says of a derivation, in every version of Nix.
#[derive(Debug, Deserialize)]
struct Built {
    outputs: Outputs,
}

#[derive(Debug, Deserialize)]
struct Outputs {
    out: PathBuf,
}

#[derive(Debug)]
struct Commit {
    revision: String,
    /// As people recognise it: the first digits and the date.
    shown: String,
}

impl Commit {
    fn parse(line: &str) -> Option<Self> {
        let (revision, date) = line.split_once(' ')?;
        let shown = format!("{} of {date}", revision.get(..12)?);
        Some(Self { revision: revision.into(), shown })
    }
}

fn run(command: &mut Command) -> Result<Output, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .output()
        .map_err(|error| Failure::environment(error).during(format!("failed to run `{program}`")))
}

/// The words of a program that failed: its last error, as nix writes the innermost one last.
fn reason(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let word = |line: &str| {
        ["error:", "fatal:"].iter().find_map(|word| {
            line.strip_prefix(word)
                .map(|rest| rest.trim().to_owned())
                .filter(|rest| !rest.is_empty())
        })
    };
    let last = || lines().next_back().map(str::to_owned);
    lines().rev().find_map(word).or_else(last).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_innermost_error() {
        let nix = "error:\n       … while evaluating\n\n       error: attribute 'x' missing\n       at a:1:2\n";
        assert_eq!(reason(nix.as_bytes()), "attribute 'x' missing");
        assert_eq!(reason(b"fatal: not a git repository\n"), "not a git repository");
        assert_eq!(reason(b"killed\n"), "killed");
    }

    #[test]
    fn an_image_of_a_flake_is_a_folder_and_a_name() {
        assert_eq!(FlakeImage::new(".#backend", &[]).unwrap().attribute, "backend");
        for bad in ["backend", ".#", "/no/such/folder#x"] {
            assert!(FlakeImage::new(bad, &[]).is_err(), "{bad}");
        }
    }
}
