//! A planned layer becomes a blob: `tar` lays the bytes out, `compress` makes them smaller,
//! `build` does it for all layers at once.

mod build;
mod tar;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use crate::digest::{DiffId, Digest};
use crate::file::{Context, FileError};
use crate::rootfs::Rootfs;
use crate::spec::Compression;
use crate::store_path::PathInfo;

pub use build::{Store, TempStore, build};

/// Why a layer could not be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// Which layer it was.
    #[error("failed to write layer {number} of {of} ({name})")]
    Layer {
        /// Counted from the bottom, from 1.
        number: usize,
        /// All layers.
        of: usize,
        /// What is in it.
        name: String,
        /// Why.
        source: Box<LayerError>,
    },
    /// Something that no layer can hold.
    #[error("`{path}` {why}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The sink.
    #[error("failed to write the layer's bytes")]
    Write(#[source] io::Error),
    /// Threads.
    #[error("failed to start threads")]
    Threads(#[source] rayon::ThreadPoolBuildError),
}

/// A layer to make.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// For messages and the image's history: `glibc-2.40, gcc-14-lib`.
    pub name: String,
    /// What goes into it.
    pub content: Content<'a>,
    /// How its blob is compressed.
    pub compression: Compression,
    /// The modification time of every file, in seconds since 1970.
    pub mtime: u64,
}

/// What goes into a layer.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// Store paths, ascending.
    StorePaths(&'a [PathInfo]),
    /// The image's own files.
    Rootfs(&'a Rootfs),
}

/// A finished layer.
#[derive(Debug, Clone)]
pub struct Layer {
    /// For messages and the image's history.
    pub name: String,
    /// Names the blob.
    pub digest: Digest,
    /// Names the tar.
    pub diff_id: DiffId,
    /// Bytes of the blob.
    pub blob_size: u64,
    /// Bytes of the tar.
    pub tar_size: u64,
    /// How the blob is compressed.
    pub compression: Compression,
    /// Where the bytes are.
    pub blob: Blob,
}

impl Layer {
    /// OCI's media type (image-spec, layer.md).
    pub fn media_type(&self) -> &'static str {
        match self.compression {
            Compression::None {} => "application/vnd.oci.image.layer.v1.tar",
            Compression::Gzip { .. } => "application/vnd.oci.image.layer.v1.tar+gzip",
            Compression::Zstd { .. } => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// A layer's bytes.
#[derive(Debug, Clone)]
pub struct Blob {
    path: PathBuf,
}

impl Blob {
    /// Opens the bytes from their start.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, LayerError> {
        Ok(Box::new(File::open(&self.path).context("open", &self.path)?))
    }

    /// Writes all bytes.
    pub fn write_to(&self, to: &mut dyn Write) -> Result<(), LayerError> {
        io::copy(&mut self.open()?, to).map(drop).map_err(LayerError::Write)
    }
}
