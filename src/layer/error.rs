//! [`LayerError`]: why a layer cannot be built or read.

use std::io;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::fs::FileError;

/// An error while a layer is built or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A blob from a [`BlobOpener`](super::BlobOpener) cannot be read.
    #[error("failed to read blob {digest}")]
    ReadBlob {
        /// The digest of the blob.
        digest: Digest,
        /// The cause.
        source: io::Error,
    },
    /// A layer cannot be built.
    #[error("failed to write layer {number} of {of} ({name})")]
    Write {
        /// The position from the bottom, starting at 1.
        number: usize,
        /// The number of layers.
        of: usize,
        /// The name of the layer.
        name: String,
        /// The cause.
        source: Box<LayerError>,
    },
    /// A file system call failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The content has a FIFO, a socket or a device.
    #[error("`{path}` is {what}; an image holds files, directories and links")]
    Special {
        /// The path.
        path: PathBuf,
        /// The type of the file.
        what: &'static str,
    },
    /// A name that would delete files of lower layers (image-spec, layer.md, whiteouts).
    #[error("`{0}` has a name that starts with `.wh.`, which in an image deletes a file")]
    Whiteout(PathBuf),
    /// An extended attribute that a layer cannot hold.
    #[error("`{path}` has the extended attribute `{name}`, which no image can carry")]
    Xattr {
        /// The path in the image.
        path: PathBuf,
        /// The attribute.
        name: String,
    },
    /// A file grew or shrank while it was read.
    #[error("`{path}` changed while it was read: it had {size} bytes, then {now}")]
    Changed {
        /// The file.
        path: PathBuf,
        /// The size when it was opened.
        size: u64,
        /// The size at the end.
        now: u64,
    },
    /// A file was written to, or an entry was added to or removed from a directory.
    #[error("`{0}` changed while it was read")]
    ModifiedWhileRead(PathBuf),
    /// The store paths of a plain layer differ from those that were hashed.
    #[error("the store paths of layer {0} changed after they were read; start again")]
    StoreChanged(Digest),
    /// A store path whose NAR hash differs from the registered one.
    #[error("`{path}` was changed: its nar hash is {actual}, and {registered} is registered")]
    HashMismatch {
        /// The store path.
        path: String,
        /// The hash that Nix registered.
        registered: String,
        /// The hash of the files.
        actual: String,
    },
    /// A blob file whose content does not match its digest.
    #[error("`{path}` is not blob {digest}: it is damaged; start again")]
    DamagedBlob {
        /// The file.
        path: PathBuf,
        /// The digest of the blob.
        digest: Digest,
    },
    /// A compression library returned an error, which is a bug in cooper.
    #[error("failed to compress with {0}: {1}")]
    Compress(&'static str, String),
    /// Threads cannot be started.
    #[error("failed to start threads")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The receiver of the bytes returned an error.
    #[error("failed to pass on a layer's bytes")]
    Sink(#[source] std::io::Error),
    /// Neither the cache nor the directory for temporary files can store a layer.
    #[error(
        "a layer can be kept neither in `{store}`, which {}, nor in `{fallback}`",
        if *.is_full { "has no room" } else { "cannot be written" }
    )]
    NoStorage {
        /// The cache directory.
        store: PathBuf,
        /// True if the disk of the cache is full; false if the cache is read-only.
        is_full: bool,
        /// The directory for temporary files.
        fallback: PathBuf,
        /// The error in the directory for temporary files.
        source: FileError,
    },
    /// An error of a [`LayerCache`](super::LayerCache).
    #[error("failed to use the store of layers")]
    Cache(#[source] Box<dyn std::error::Error + Send + Sync>),
}
