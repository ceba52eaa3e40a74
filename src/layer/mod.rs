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

impl Content<'_> {
    /// Roughly how large the tar will be, in bytes; not known of own files.
    pub(crate) fn nar_size(self) -> Option<u64> {
        match self {
            Self::StorePaths(infos) => Some(infos.iter().map(|info| info.nar_size).sum()),
            Self::Rootfs(..) => None,
        }
    }
}

/// Hears of finished layers. An error says that nobody wants more of them.
pub type OnLayerDone<'a> = dyn Fn(&Layer) -> io::Result<()> + Sync + 'a;

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
