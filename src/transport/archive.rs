//! The hybrid archive: one tar that is an OCI layout and, by its `manifest.json`, a Docker
//! archive, so that `docker load`, `podman load`, `skopeo oci-archive:` and `ctr image import`
//! take the same file.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::Serialize;

use super::TransportError;
use super::graph::{DockerImage, Named};
use super::layout::{OCI_LAYOUT, index_of};
use crate::digest::Digest;
use crate::image::{Image, json};

/// One image in Docker's `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// Writes images as one archive. Blobs that several of them have, and those in `omit`, which the
/// reader has already, are written once and not at all.
pub fn write(
    images: &[Image],
    omit: &BTreeSet<Digest>,
    to: &mut dyn Write,
) -> Result<(), TransportError> {
    let named: Vec<Named> = images.iter().map(Named::of_image).collect();
    write_graphs(&named, omit, to)
}

/// Writes images and indexes as one archive; see [`write`].
///
/// The documents come first, so that a reader of the stream knows what it will get.
pub fn write_graphs(
    graphs: &[Named],
    omit: &BTreeSet<Digest>,
    to: &mut dyn Write,
) -> Result<(), TransportError> {
    let mut tar = Archive { to, written: omit.clone() };
    tar.file("oci-layout", OCI_LAYOUT)?;
    let index = index_of(graphs.iter().flat_map(|named| named.entries.clone()).collect());
    tar.file("index.json", &bytes("index.json", &index)?)?;
    let images = graphs.iter().flat_map(|named| &named.images);
    let docker: Vec<DockerManifest> = images.map(docker_manifest).collect();
    tar.file("manifest.json", &bytes("manifest.json", &docker)?)?;
    for named in graphs {
        for document in named.graph.documents() {
            let descriptor = &document.descriptor;
            tar.blob(descriptor.digest, descriptor.size, |to| {
                to.write_all(&document.bytes).map_err(TransportError::Stream)
            })?;
        }
        for config in named.graph.blobs().filter(|blob| blob.is_config()) {
            tar.blob(config.descriptor.digest, config.descriptor.size, |to| config.write_to(to))?;
        }
    }
    for blob in graphs.iter().flat_map(|named| named.graph.blobs()) {
        tar.blob(blob.descriptor.digest, blob.descriptor.size, |to| blob.write_to(to))?;
    }
    tar.finish()
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

/// A tar whose entries all have the same owner, mode and time.
struct Archive<'a> {
    to: &'a mut dyn Write,
    written: BTreeSet<Digest>,
}

impl Archive<'_> {
    fn file(&mut self, path: &str, bytes: &[u8]) -> Result<(), TransportError> {
        self.header(path, bytes.len() as u64)?;
        self.to.write_all(bytes).map_err(TransportError::Stream)?;
        self.pad(bytes.len() as u64)
    }

    fn blob(
        &mut self,
        digest: Digest,
        size: u64,
        write: impl FnOnce(&mut dyn Write) -> Result<(), TransportError>,
    ) -> Result<(), TransportError> {
        if !self.written.insert(digest) {
            return Ok(());
        }
        self.header(&blob_path(digest), size)?;
        write(self.to)?;
        self.pad(size)
    }

    fn header(&mut self, path: &str, size: u64) -> Result<(), TransportError> {
        let mut header = tar::Header::new_ustar();
        header.set_path(path).map_err(TransportError::Stream)?;
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
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

    fn finish(self) -> Result<(), TransportError> {
        self.to.write_all(&[0; 1024]).map_err(TransportError::Stream)?;
        self.to.flush().map_err(TransportError::Stream)
    }
}
