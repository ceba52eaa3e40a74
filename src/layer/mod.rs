//! A planned layer becomes a blob.
//!
//! In come store paths or a rootfs; out go [`Layer`]s: digest, diff id, sizes, and the bytes.
//! Reading, writing the tar, both hashes, compressing and storing are one pass over the content,
//! and all cores work at it (`build`, `pipeline`, `hashing`). The tar's form is in `header`, its
//! order and modes in `walk`.
//!
//! A compressed layer's blob is kept in a [`LayerCache`]; a plain one is not kept anywhere, because
//! the store paths are its bytes already: its [`Blob`] makes the tar anew, and fails if that
//! differs from what was hashed. Names, sizes and the kernel's change times are compared and not
//! every byte again: whoever writes to a file changes its `ctime`, and no user can set that back.
//! Where another process hashed them, its store tells what these were, and all files are looked at
//! before the first is read: if something differs, a name of a file that came or went perhaps,
//! every byte is hashed. The same goes for a blob that this process has just written and hashed,
//! but for the change time: [`crate::fs::FileStamp`] says why. So both need not even be read again: a
//! [`Sink`] that is a pipe gets their large files from the kernel.

mod blob;
mod build;
mod cache;
mod compress;
mod nar_hash;
mod reflink;
mod sink;
mod tar;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub use blob::{Blob, BlobOpener, KeepAlive};
#[cfg(test)]
pub(crate) use build::build_with;
pub use build::{OnLayerDone, build, build_with_callback};
pub use cache::{
    Before, BuildLock, CachedBytes, EphemeralCache, LayerBytes, LayerCache, LayerKey, LayerRecord,
    Lookup, NewBlob, Renew, StoredFile,
};
pub use nar_hash::verify;
pub use sink::Sink;

use crate::digest::{DiffId, Digest};
use crate::fs::FileError;
use crate::rootfs::Rootfs;
use crate::spec::Compression;
use crate::store_path::PathInfo;

/// Why a layer could not be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A blob that lies outside of the store.
    #[error("failed to read blob {digest}")]
    BlobOpener {
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
    LayerCache(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A layer to be made.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// What is in it, as messages call it: `glibc-2.40, gcc-14-lib`.
    pub name: String,
    /// What is in it.
    pub content: Content<'a>,
    /// How its blob is compressed.
    pub compression: Compression,
    /// The modification time of all entries, in seconds since 1970.
    pub mtime: u64,
}

/// What a layer is made of.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// Whole store paths, in ascending order.
    StorePaths(&'a [PathInfo]),
    /// The image's own files, and what is registered about the store paths that some of them are
    /// copied from; without that, the layer is made every time.
    Rootfs(&'a Arc<Rootfs>, &'a [PathInfo]),
}

/// A finished layer.
#[derive(Debug, Clone)]
pub struct Layer {
    /// What is in it, as messages call it.
    pub name: String,
    /// Names the blob.
    pub digest: Digest,
    /// Names the tar before compression.
    pub diff_id: DiffId,
    /// The blob's size.
    pub blob_size: u64,
    /// The tar's size.
    pub tar_size: u64,
    /// How the blob is compressed.
    pub compression: Compression,
    /// The bytes.
    pub blob: Blob,
}

impl Layer {
    /// OCI's media type of the blob (image-spec, layer.md).
    pub fn media_type(&self) -> &'static str {
        match self.compression {
            Compression::None {} => "application/vnd.oci.image.layer.v1.tar",
            Compression::Gzip { .. } => "application/vnd.oci.image.layer.v1.tar+gzip",
            Compression::Zstd { .. } => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}
