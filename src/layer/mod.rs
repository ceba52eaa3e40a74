//! Layers as blobs, built in parallel from store paths or from the image's own files.
//!
//! [`build`] turns [`Request`]s into [`Layer`]s: digest, diff id, sizes and the bytes. One pass over
//! the content reads it, writes the tar, computes both hashes, compresses and stores (`build/`).
//! `tar/header.rs` defines the form of the tar, `tar/walk.rs` its order and modes.
//!
//! The blob of a compressed layer is stored in a [`LayerCache`]. A plain layer has no stored blob,
//! because the store paths hold its bytes: its [`Blob`] generates the tar on each read, and a read
//! ends with an error if the store paths changed.
//!
//! Bytes that were hashed before are not always hashed again (`trust.rs`):
//!
//! - For a plain layer, names, sizes and times of all files are compared, including `ctime`, which
//!   changes with each write and which no user can set back. If a cache recorded them in another
//!   process, they are compared before the first byte is read; if they differ, for example because
//!   a hard link was added, every byte is hashed.
//! - For a blob that this process wrote, [`crate::fs::FileStamp`] is compared.
//!
//! In both cases a [`Sink`] that is a pipe gets large files from the kernel with `splice(2)`.

mod blob;
mod blob_reader;
mod build;
mod cache;
mod compress;
mod ephemeral;
mod error;
mod key;
mod nar_hash;
mod reflink;
mod sink;
mod stored_file;
mod tar;
#[cfg(test)]
mod tests;
mod trust;

use std::io;
use std::sync::Arc;

pub use blob::{Blob, BlobOpener};
#[cfg(test)]
pub(crate) use build::build_with;
pub use build::{build, build_with_callback};
pub use cache::{BuildLock, CachedBytes, LayerBytes, LayerCache, LayerRecord, Lookup};
pub use ephemeral::EphemeralCache;
pub use error::LayerError;
pub use key::LayerKey;
pub use nar_hash::verify;
pub use sink::Sink;
pub use stored_file::{KeepAlive, NewBlob, StoredFile};
pub use trust::{Before, Renew};

use crate::digest::{DiffId, Digest};
use crate::rootfs::Rootfs;
use crate::spec::Compression;
use crate::store_path::PathInfo;

/// A layer to build.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The name for messages, made of its packages: `glibc-2.40, gcc-14-lib`.
    pub name: String,
    /// The content.
    pub content: Content<'a>,
    /// The compression of the blob.
    pub compression: Compression,
    /// The modification time of all entries, in seconds since 1970.
    pub mtime: u64,
}

/// The content of a layer.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// Whole store paths, in ascending order.
    StorePaths(&'a [PathInfo]),
    /// The image's own files, and the registered data of the store paths that some of them are
    /// copied from. A layer with a file from an unregistered path has no cache key.
    Rootfs(&'a Arc<Rootfs>, &'a [PathInfo]),
}

impl Content<'_> {
    /// Returns the approximate size of the tar in bytes; `None` for own files.
    pub(crate) fn nar_size(self) -> Option<u64> {
        match self {
            Self::StorePaths(infos) => Some(infos.iter().map(|info| info.nar_size).sum()),
            Self::Rootfs(..) => None,
        }
    }
}

/// A callback for each finished layer. An error stops the build.
pub type OnLayerDone<'a> = dyn Fn(&Layer) -> io::Result<()> + Sync + 'a;

/// A finished layer.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The name for messages.
    pub name: String,
    /// The digest of the blob.
    pub digest: Digest,
    /// The diff id: the digest of the tar before compression.
    pub diff_id: DiffId,
    /// The size of the blob in bytes.
    pub blob_size: u64,
    /// The size of the tar in bytes.
    pub tar_size: u64,
    /// The compression of the blob.
    pub compression: Compression,
    /// The bytes.
    pub blob: Blob,
}

impl Layer {
    /// Returns the OCI media type of the blob (image-spec, layer.md).
    pub fn media_type(&self) -> &'static str {
        match self.compression {
            Compression::None {} => "application/vnd.oci.image.layer.v1.tar",
            Compression::Gzip { .. } => "application/vnd.oci.image.layer.v1.tar+gzip",
            Compression::Zstd { .. } => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}
