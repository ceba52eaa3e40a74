//! Sinks and sources for a finished image.
//!
//! Every transport takes an [`Image`](crate::image::Image) as it is: the bytes of its documents
//! are written as they were hashed, and its layers are streamed from where they lie.

pub mod archive;
pub mod graph;
pub mod layout;
mod names;
pub mod reference;
#[cfg(feature = "registry")]
pub mod registry;
pub mod source;

use std::path::PathBuf;

use crate::file::FileError;
use crate::layer::LayerError;

pub use source::SourceError;
pub use names::{full_name, references};

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
    #[error("`{path}` is no OCI layout: {why}")]
    NotALayout {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// An image that could not be read back.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A document of cooper's own that has no JSON; a mistake of cooper's.
    #[error("failed to write `{0}` as json")]
    Json(&'static str, #[source] serde_json::Error),
}
