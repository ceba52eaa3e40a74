//! `cp` for init containers: it may run any number of times and the tree is the same.
//!
//! [`args`] reads the command line, [`place`] decides where a source lands, [`tree`] walks, and
//! [`file`] replaces one file or link. Where it departs from coreutils, it is for sources in a
//! Nix store (read-only modes, links to elsewhere in the store) and for pods (a restarted init
//! container finds what its first run left); [`args::HELP`] tells users which way.

pub mod args;
pub mod error;
pub mod file;
pub mod place;
pub mod tree;

use std::path::{Path, PathBuf};

use args::Request;
use error::CopyError;

/// What happens during a copy, for whoever prints.
#[derive(Debug)]
pub enum Event<'a> {
    /// The first path was copied to the second.
    Copied(&'a Path, &'a Path),
    /// A kept link points out of the tree, so it may lead nowhere from its new place.
    LeavesTree(&'a Path, PathBuf),
    /// One source, or one file in it, was not copied; the rest goes on.
    Failed(CopyError),
}

/// Copies what `request` asks for; true when everything was copied.
pub fn copy(request: &Request, report: &mut dyn FnMut(Event<'_>)) -> bool {
    let mut complete = true;
    for source in &request.sources {
        let outcome = place::landing(source, request)
            .and_then(|landing| tree::Copier::new(&request.options, report).run(source, &landing));
        match outcome {
            Ok(whole) => complete &= whole,
            Err(error) => {
                report(Event::Failed(error));
                complete = false;
            }
        }
    }
    complete
}
