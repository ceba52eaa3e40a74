//! The errors of layers.

use std::io;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::fs::FileError;

/// Why a layer could not be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A blob that lies outside of the store.
    #[error("failed to read blob {digest}")]
    ReadBlob {
        /// The blob.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// Which layer the cause is about.
    #[error("failed to write layer {number} of {of} ({name})")]
    Write {
        /// Its place from the bottom, starting at 1.
        number: usize,
        /// How many layers there are.
        of: usize,
        /// What is in it.
        name: String,
        /// What happened.
        source: Box<LayerError>,
    },
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// What an image cannot carry.
    #[error("`{path}` is {what}; an image holds files, directories and links")]
    Special {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A name that would delete files of the layers below.
    #[error("`{0}` has a name that starts with `.wh.`, which in an image deletes a file")]
    Whiteout(PathBuf),
    /// An extended attribute that has no place in an image.
    #[error("`{path}` has the extended attribute `{name}`, which no image can carry")]
    Xattr {
        /// The path in the image.
        path: PathBuf,
        /// The attribute.
        name: String,
    },
    /// A file that grew or shrank.
    #[error("`{path}` changed while it was read: it had {size} bytes, then {now}")]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its size when it was opened.
        size: u64,
        /// What there was at the end.
        now: u64,
    },
    /// A file that was written to, or a folder in which something came or went.
    #[error("`{0}` changed while it was read")]
    ModifiedWhileRead(PathBuf),
    /// The store's content is no longer what was hashed.
    #[error("the store paths of layer {0} changed after they were read; start again")]
    StoreChanged(Digest),
    /// A store path that is not what its closure says.
    #[error("`{path}` was changed: its nar hash is {actual}, and {registered} is registered")]
    HashMismatch {
        /// The store path.
        path: String,
        /// What Nix knows.
        registered: String,
        /// What it is.
        actual: String,
    },
    /// A file that should hold a blob and holds something else.
    #[error("`{path}` is not blob {digest}: it is damaged; start again")]
    DamagedBlob {
        /// The file.
        path: PathBuf,
        /// What it should be.
        digest: Digest,
    },
    /// A compressor that refuses; a mistake of cooper's.
    #[error("failed to compress with {0}: {1}")]
    Compress(&'static str, String),
    /// Threads could not be started.
    #[error("failed to start threads")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Whoever takes the bytes does not.
    #[error("failed to pass on a layer's bytes")]
    Sink(#[source] std::io::Error),
    /// A store of layers that takes none, and the place for those that it does not take.
    #[error(
        "a layer can be kept neither in `{store}`, which {}, nor in `{fallback}`",
        if *.is_full { "has no room" } else { "cannot be written" }
    )]
    NoStorage {
        /// The store.
        store: PathBuf,
        /// Whether it takes none because its disk has no room.
        is_full: bool,
        /// The other place.
        fallback: PathBuf,
        /// What happened there.
        source: FileError,
    },
    /// The place where layers are kept.
    #[error("failed to use the store of layers")]
    Cache(#[source] Box<dyn std::error::Error + Send + Sync>),
}
