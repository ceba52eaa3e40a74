//! An image or an index with all that it names: what moves from one place to another, byte for
//! byte.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::sync::Arc;

use super::source::{
    Checked, INDEX_DEPTH, MANIFEST_LIMIT, Manifest, Source, SourceError, read_document,
    read_manifest,
};
use crate::digest::Digest;
use crate::image::{Descriptor, Document, Image};
use crate::layer::{self, Layer};

/// Manifests, and the blobs that they name.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Manifests and indexes, each after those that it names; the last one is the root.
    documents: Vec<Document>,
    blobs: BTreeMap<Digest, Blob>,
    root: Document,
}

/// A config or a layer.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Names the bytes.
    pub descriptor: Descriptor,
    bytes: Bytes,
}

#[derive(Debug, Clone)]
enum Bytes {
    Here(Arc<[u8]>),
    Layer(layer::Blob),
    Elsewhere(Arc<dyn Source>),
}

impl Blob {
    /// Reads the bytes; wrong ones end in an error.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &self.bytes {
            Bytes::Here(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
            Bytes::Layer(blob) => blob.open().map_err(io::Error::other)?,
            Bytes::Elsewhere(source) => {
                let checked = Checked::new(&**source, &self.descriptor);
                Box::new(checked.map_err(io::Error::other)?)
            }
        })
    }
}

impl Graph {
    /// One image.
    pub fn of_image(image: &Image) -> Self {
        let mut graph =
            Self { documents: Vec::new(), blobs: BTreeMap::new(), root: image.manifest.clone() };
        graph.add(image);
        graph
    }

    /// An index and its images.
    pub fn of_index(index: &Document, images: &[Image]) -> Self {
        let mut graph = Self { documents: Vec::new(), blobs: BTreeMap::new(), root: index.clone() };
        images.iter().for_each(|image| graph.add(image));
        graph.document(index);
        graph
    }

    /// All that a descriptor leads to, with attestations and what else an index may name. The
    /// documents are read and checked now, the blobs when they move.
    pub fn read(source: &Arc<dyn Source>, root: &Descriptor) -> Result<Self, SourceError> {
        let document = read_document(&**source, root, "manifest", MANIFEST_LIMIT)?;
        let mut graph =
            Self { documents: Vec::new(), blobs: BTreeMap::new(), root: document.clone() };
        graph.follow(source, document, 0)?;
        Ok(graph)
    }

    /// The document that names all others.
    pub fn root(&self) -> &Document {
        &self.root
    }

    /// Manifests and indexes, each after those that it names.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Configs and layers, each once.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.blobs.values()
    }

    fn add(&mut self, image: &Image) {
        let config = &image.config;
        let bytes = Bytes::Here(config.bytes.clone().into());
        self.blob(config.descriptor.clone(), bytes);
        for layer in &image.layers {
            self.blob(descriptor(layer), Bytes::Layer(layer.blob.clone()));
        }
        self.document(&image.manifest);
    }

    fn blob(&mut self, descriptor: Descriptor, bytes: Bytes) {
        self.blobs.entry(descriptor.digest).or_insert(Blob { descriptor, bytes });
    }

    fn document(&mut self, document: &Document) {
        let digest = document.descriptor.digest;
        if self.documents.iter().all(|known| known.descriptor.digest != digest) {
            self.documents.push(document.clone());
        }
    }

    fn follow(
        &mut self,
        source: &Arc<dyn Source>,
        document: Document,
        depth: usize,
    ) -> Result<(), SourceError> {
        let digest = document.descriptor.digest;
        if depth > INDEX_DEPTH {
            let why = "indexes lie within indexes deeper than cooper follows".into();
            return Err(SourceError::Document { what: "index", digest, why });
        }
        let blobs = match read_manifest(&document)? {
            Manifest::Index(entries) => {
                for entry in &entries {
                    let child = read_document(&**source, entry, "manifest", MANIFEST_LIMIT)?;
                    self.follow(source, child, depth + 1)?;
                }
                Vec::new()
            }
            Manifest::Artifact(blobs) => blobs,
            Manifest::Image { config, layers } => {
                std::iter::once(config).chain(layers.into_iter().map(|l| l.descriptor)).collect()
            }
        };
        for blob in blobs {
            self.blob(blob, Bytes::Elsewhere(Arc::clone(source)));
        }
        self.document(&document);
        Ok(())
    }
}

fn descriptor(layer: &Layer) -> Descriptor {
    Descriptor {
        media_type: layer.media_type().into(),
        digest: layer.digest,
        size: layer.blob_size,
        platform: None,
        annotations: BTreeMap::new(),
    }
}
