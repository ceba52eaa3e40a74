//! Sources and destinations of finished images: layouts, archives, daemons and registries.
//!
//! A transport writes an [`Image`](crate::image::Image) unchanged: its documents are written with
//! the bytes that were hashed, and its layers are streamed from the cache or the Nix store.

pub mod archive;
pub mod daemon;
#[cfg(fuzzing)]
pub mod fuzzing;
mod go_json;
pub mod graph;
mod http;
pub mod layout;
pub mod name;
pub mod progress_io;
pub mod registry;
pub mod source;

use std::path::{Path, PathBuf};

use crate::fs::{FileError, FileOp};
use crate::layer::LayerError;

pub use name::{familiar, full_name, references};
pub use source::SourceError;

/// Why an image did not get to where it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// A layer's bytes.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The stream that an archive goes to.
    #[error("failed to write the archive")]
    Stream(#[source] std::io::Error),
    /// What is there already is no layout that cooper may add to.
    #[error("`{path}` is not an OCI image layout: {why}")]
    NotALayout {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A layout of so many images that nobody would read its index with one more.
    #[error(
        "the index.json of `{path}` would have {size} bytes, and cooper reads at most {limit}; \
         name another folder"
    )]
    Full {
        /// The folder.
        path: PathBuf,
        /// The index with the new images.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// An image that could not be read back.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Nothing answers where a daemon should be.
    #[error("no {daemon} answers at `{endpoint}`")]
    NoDaemon {
        /// What should be there.
        daemon: &'static str,
        /// Where it was looked for: a URL, or a program's name.
        endpoint: String,
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The daemon broke off.
    #[error("{daemon} failed to {doing}")]
    Daemon {
        /// Which daemon.
        daemon: &'static str,
        /// What it was asked for, as a verb: `load the archive`.
        doing: String,
        /// Its own words, or the connection's end.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The daemon took an archive and has not all of its image.
    #[error("{daemon} said that it loaded `{image}`, but does not have all of it")]
    IncompleteImage {
        /// Which daemon.
        daemon: &'static str,
        /// The image's name.
        image: String,
    },
    /// A setting says where the daemon is, and says it wrongly.
    #[error("{setting} says `{value}`: {why}")]
    Setting {
        /// A variable or a file with its field.
        setting: String,
        /// What it holds.
        value: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// A file of Docker's client that cannot be read; what it holds may be secret.
    #[error("invalid JSON in `{path}`: {why}")]
    Config {
        /// The file.
        path: PathBuf,
        /// The place or the field, without the file's text.
        why: String,
    },
    /// A name that no consumer takes.
    #[error(transparent)]
    Name(#[from] crate::spec::NameError),
    /// A document of cooper's own that has no JSON; a mistake of cooper's.
    #[error("failed to write `{0}` as json")]
    Json(&'static str, #[source] serde_json::Error),
}

/// What a daemon is asked for last.
const MOVE: &str = "move the tag";

/// Says that a tag is to be moved, as [`TransportError::is_of_a_tag`] knows it.
fn moving(reference: &str) -> String {
    format!("{MOVE} `{reference}`")
}

impl TransportError {
    /// Whether a daemon that has the image would not move a tag to it.
    pub fn is_of_a_tag(&self) -> bool {
        matches!(self, Self::Daemon { doing, .. } if doing.starts_with(MOVE))
    }

    /// Whether it says only that whoever takes the bytes does not; who that is, and why, others
    /// know.
    pub fn is_sinks(&self) -> bool {
        matches!(self, Self::Stream(_) | Self::Layer(LayerError::Sink(_)))
    }

    /// Names the file that did not take the bytes, if that is all it says.
    fn of_file(self, path: &Path) -> Self {
        match self {
            Self::Stream(source) | Self::Layer(LayerError::Sink(source)) => {
                FileError { op: FileOp::Write, path: path.into(), source }.into()
            }
            error => error,
        }
    }
}
