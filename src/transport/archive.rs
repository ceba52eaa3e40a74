//! Writes archives: one tar that is an OCI layout and, through its `manifest.json`, a Docker archive.
//!
//! `docker load`, `podman load`, `skopeo oci-archive:` and `ctr image import` read the same file.

use std::collections::BTreeSet;
use std::io;

use serde::Serialize;

use super::TransportError;
use super::graph::{DockerImage, TaggedImage};
use super::layout::OCI_LAYOUT;
use super::layout::index_json::index_of;
use crate::digest::Digest;
use crate::image::Image;
use crate::json;
use crate::layer::{Layer, Sink};

/// The directories of an archive, each after those that it is in. Readers that keep the entries of
/// a tar as a tree refuse a file whose directory has no entry.
const DIRECTORIES: [&str; 2] = ["blobs/", "blobs/sha256/"];

/// One image in Docker's `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// Writes images as one archive. Blobs that several of them have are written once, and those in
/// `omit`, which the reader has already, are left out.
pub fn write(
    images: &[Image],
    omit: &BTreeSet<Digest>,
    to: &mut dyn Sink,
) -> Result<(), TransportError> {
    let named: Vec<TaggedImage> = images.iter().map(TaggedImage::of_image).collect();
    write_graphs(&named, omit, to)
}

/// Writes images and indexes as one archive; see [`write()`].
pub fn write_graphs(
    graphs: &[TaggedImage],
    omit: &BTreeSet<Digest>,
    to: &mut dyn Sink,
) -> Result<(), TransportError> {
    let mut archive = Archive::start(to)?;
    archive.written.extend(omit);
    archive.finish(graphs)
}

/// An archive that is being written: layers as soon as there are any, the documents that name
/// them last. So layers may go out while others are still being made, and an archive that was
/// cut off has nothing in it that looks like an image.
pub struct Archive<'a> {
    to: &'a mut dyn Sink,
    written: BTreeSet<Digest>,
}

impl std::fmt::Debug for Archive<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("written", &self.written).finish_non_exhaustive()
    }
}

impl<'a> Archive<'a> {
    /// Begins an archive.
    pub fn start(to: &'a mut dyn Sink) -> Result<Self, TransportError> {
        let mut archive = Self { to, written: BTreeSet::new() };
        archive.file("oci-layout", OCI_LAYOUT)?;
        for path in DIRECTORIES {
            archive.header(path, tar::EntryType::Directory, 0)?;
        }
        Ok(archive)
    }

    /// Writes a layer, unless it was written already.
    pub fn layer(&mut self, layer: &Layer) -> Result<(), TransportError> {
        self.blob(layer.digest, layer.blob_size, |to| Ok(layer.blob.write_to(to)?))
    }

    /// Leaves the stream alone; gives what was written, for [`resume`](Archive::resume).
    pub fn pause(self) -> BTreeSet<Digest> {
        self.written
    }

    /// Goes on with an archive that was paused.
    pub fn resume(to: &'a mut dyn Sink, written: BTreeSet<Digest>) -> Self {
        Self { to, written }
    }

    /// Writes whatever of these graphs is still missing, and ends the archive.
    pub fn finish(mut self, graphs: &[TaggedImage]) -> Result<(), TransportError> {
        for blob in graphs.iter().flat_map(|named| named.graph.blobs()) {
            self.blob(blob.descriptor.digest, blob.descriptor.size, |to| blob.write_to(to))?;
        }
        for document in graphs.iter().flat_map(|named| named.graph.documents()) {
            let descriptor = &document.descriptor;
            self.blob(descriptor.digest, descriptor.size, |to| {
                to.write_all(&document.bytes).map_err(TransportError::Stream)
            })?;
        }
        let images = graphs.iter().flat_map(|named| &named.images);
        let docker: Vec<DockerManifest> = images.map(docker_manifest).collect();
        self.file("manifest.json", &bytes("manifest.json", &docker)?)?;
        let entries: Vec<_> = graphs.iter().flat_map(|named| named.entries.clone()).collect();
        let index = index_of(&entries).map_err(|e| TransportError::Json("index.json", e))?;
        self.file("index.json", &index)?;
        self.to.write_all(&[0; 1024]).map_err(TransportError::Stream)?;
        self.to.flush().map_err(TransportError::Stream)
    }

    fn file(&mut self, path: &str, bytes: &[u8]) -> Result<(), TransportError> {
        self.header(path, tar::EntryType::Regular, bytes.len() as u64)?;
        self.to.write_all(bytes).map_err(TransportError::Stream)?;
        self.pad(bytes.len() as u64)
    }

    fn blob(
        &mut self,
        digest: Digest,
        size: u64,
        write: impl FnOnce(&mut dyn Sink) -> Result<(), TransportError>,
    ) -> Result<(), TransportError> {
        if !self.written.insert(digest) {
            return Ok(());
        }
        self.header(&blob_path(digest), tar::EntryType::Regular, size)?;
        write(self.to)?;
        self.pad(size)
    }

    fn header(
        &mut self,
        path: &str,
        kind: tar::EntryType,
        size: u64,
    ) -> Result<(), TransportError> {
        let mut header = tar::Header::new_ustar();
        header.set_path(path).map_err(TransportError::Stream)?;
        header.set_entry_type(kind);
        header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_size(size);
        header.set_cksum();
        self.to.write_all(header.as_bytes()).map_err(TransportError::Stream)
    }

    fn pad(&mut self, size: u64) -> Result<(), TransportError> {
        let rest = (512 - size % 512) % 512;
        io::copy(&mut io::Read::take(io::repeat(0), rest), self.to)
            .map(drop)
            .map_err(TransportError::Stream)
    }
}

fn bytes<T: Serialize>(name: &'static str, value: &T) -> Result<Vec<u8>, TransportError> {
    json::to_bytes(value).map_err(|e| TransportError::Json(name, e))
}

fn docker_manifest(image: &DockerImage) -> DockerManifest {
    DockerManifest {
        config: blob_path(image.config),
        repo_tags: image.tags.clone(),
        layers: image.layers.iter().copied().map(blob_path).collect(),
    }
}

fn blob_path(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
