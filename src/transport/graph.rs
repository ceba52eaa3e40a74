//! An image or index with all documents and blobs that it names: the unit of a copy, byte for byte.

use std::collections::BTreeSet;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use super::name::reference::Reference;
use super::name::references;
use super::progress_io;
use super::progress_io::ProgressWriter;
use super::source::{
    IMAGE_NAME, IndexEntry, Layer, MANIFEST_LIMIT, Manifest, REF_NAME, Source, SourceError,
    VerifyingReader, check_depth, is_blob, is_config, read_document, read_error, read_manifest,
};
use super::{TransportError, layout};
use crate::digest::Digest;
use crate::fs;
use crate::fs::{AtomicFile, FileStamp};
use crate::image::{Descriptor, Document, Image, Index};
use crate::layer::{self, Sink};
use crate::progress::Task;
use crate::spec::Tag;

const BUFFER: usize = 1 << 20;

/// A graph with the names that it gets where it goes.
#[derive(Debug, Clone)]
pub struct TaggedImage {
    /// What moves.
    pub graph: Graph,
    /// What an index of a layout or an archive says about it, an entry a name.
    pub entries: Vec<Descriptor>,
    /// The images in it by the names under which Docker knows them.
    pub images: Vec<DockerImage>,
}

/// What Docker's `manifest.json` says about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerImage {
    /// `name:tag`, some or none.
    pub tags: Vec<String>,
    /// The configuration.
    pub config: Digest,
    /// The layers, bottom first, with repetitions.
    pub layers: Vec<Digest>,
}

/// What an image is called where it goes, if not as where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rename {
    /// The whole name; its tag, if it has none, is `latest`.
    Whole(Reference),
    /// Another tag, and the name that it had, if it had one.
    Tag(Tag),
}

impl TaggedImage {
    /// An image under its own names.
    pub fn of_image(image: &Image) -> Self {
        let docker = DockerImage {
            tags: references(image),
            config: image.config.descriptor.digest,
            layers: image.layers.iter().map(|layer| layer.digest).collect(),
        };
        Self {
            graph: Graph::of_image(image),
            entries: layout::index_entries(image),
            images: vec![docker],
        }
    }

    /// An index under its own names.
    pub fn of_index(index: &Index) -> Self {
        let graph = Graph::of_index(&index.document, &index.images);
        let entry = |tag| Descriptor {
            annotations: layout::names(&index.name, tag),
            ..index.document.descriptor.clone()
        };
        // Of several images under one name Docker's archives hold one: the first.
        let image = index.images.first().map(Self::of_image);
        Self {
            graph,
            entries: index.tags.iter().map(entry).collect(),
            images: image.map(|named| named.images).unwrap_or_default(),
        }
    }

    /// What was read elsewhere, under the names that it had there or under another one.
    pub fn of_graph(graph: Graph, root: &Descriptor, rename: Option<&Rename>) -> Self {
        let name = root.annotations.get(IMAGE_NAME).or_else(|| root.annotations.get(REF_NAME));
        let read = name.and_then(|name| name.parse::<Reference>().ok());
        let read = read.filter(|reference| reference.tag.is_some());
        let mut annotations = root.annotations.clone();
        if let Some(Rename::Tag(tag)) = rename {
            annotations.insert(REF_NAME.into(), tag.to_string());
        }
        let reference = match rename {
            Some(Rename::Whole(name)) => Some(name.tagged()),
            Some(Rename::Tag(tag)) => read.map(|name| name.with_tag(tag.clone())),
            None => read,
        };
        if let Some(reference) = &reference {
            annotations.insert(IMAGE_NAME.into(), reference.without_digest().to_string());
            let tag = reference.tag.iter().map(|tag| (REF_NAME.to_owned(), tag.to_string()));
            annotations.extend(tag);
        }
        let entry = Descriptor {
            platform: root.platform.clone(),
            annotations,
            ..graph.root.descriptor.clone()
        };
        let tags: Vec<String> = reference.as_ref().map(Reference::familiar).into_iter().collect();
        // Of several images under one name Docker takes one: the first that it can load.
        let is_usable = |layers: &[Layer]| layers.iter().all(|layer| layer.obstacle().is_none());
        let image = graph.documents.iter().find_map(|document| match read_manifest(document) {
            Ok(Manifest::Image { config, layers }) if is_usable(&layers) => Some(DockerImage {
                tags: tags.clone(),
                config: config.digest,
                layers: layers.iter().map(|layer| layer.descriptor.digest).collect(),
            }),
            _ => None,
        });
        Self { graph, entries: vec![entry], images: image.into_iter().collect() }
    }
}

/// Manifests, and the blobs that they name.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Manifests and indexes, each after those that it names; the last one is the root.
    documents: Vec<Document>,
    blobs: Vec<Blob>,
    /// The digests of those.
    known: BTreeSet<Digest>,
    root: Document,
    warnings: Vec<String>,
}

/// A config or a layer.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Names the bytes.
    pub descriptor: Descriptor,
    bytes: BlobBytes,
}

#[derive(Debug, Clone)]
enum BlobBytes {
    Here(Arc<[u8]>),
    Layer(layer::Blob),
    Source(Arc<dyn Source>),
}

impl Blob {
    /// Whether it is an image's configuration.
    pub fn is_config(&self) -> bool {
        is_config(&self.descriptor.media_type)
    }

    /// The bytes, if they are in memory.
    pub(super) fn here(&self) -> Option<&[u8]> {
        match &self.bytes {
            BlobBytes::Here(bytes) => Some(bytes),
            BlobBytes::Layer(_) | BlobBytes::Source(_) => None,
        }
    }

    /// Writes the bytes to `to`.
    pub fn write_to(&self, to: &mut dyn Sink) -> Result<(), TransportError> {
        let digest = self.descriptor.digest;
        match &self.bytes {
            BlobBytes::Here(bytes) => to.write_all(bytes).map_err(TransportError::Stream),
            BlobBytes::Layer(blob) => Ok(blob.write_to(to)?),
            BlobBytes::Source(source) => {
                let mut reader = VerifyingReader::new(&**source, &self.descriptor)?;
                let mut buf = vec![0; BUFFER];
                loop {
                    let count = reader
                        .read(&mut buf)
                        .map_err(|error| read_error(&**source, digest, error))?;
                    let Some(bytes) = buf.get(..count).filter(|bytes| !bytes.is_empty()) else {
                        return Ok(());
                    };
                    to.write_all(bytes).map_err(TransportError::Stream)?;
                }
            }
        }
    }

    /// Makes `path` a file with the bytes, of which the task hears; durable but for its name.
    pub fn write_file(&self, path: &Path, task: &dyn Task) -> Result<(), TransportError> {
        if let BlobBytes::Layer(blob) = &self.bytes {
            return progress_io::write_file(blob, self.descriptor.size, path, task);
        }
        let mut file = AtomicFile::create(path)?;
        let written = self.write_to(&mut ProgressWriter { to: &mut file.writer(), task });
        written.map_err(|error| error.of_file(path))?;
        Ok(file.commit_without_dir_sync()?)
    }

    /// How the file looks that holds the bytes, if it is of cooper's making.
    pub fn look(&self) -> Option<FileStamp> {
        match &self.bytes {
            BlobBytes::Layer(blob) => blob.look(),
            BlobBytes::Here(_) | BlobBytes::Source(_) => None,
        }
    }

    /// Reads the bytes for somebody who compares them with the digest: a file of cooper's making
    /// is not hashed again if it looks as it did when its bytes were right.
    pub fn open_trusted(&self) -> io::Result<Box<dyn Read + Send>> {
        if let BlobBytes::Layer(blob) = &self.bytes
            && let (Some(path), Some(before)) = (blob.path(), blob.look())
        {
            let file = fs::open(path).map_err(io::Error::other)?;
            if FileStamp::of(&file.metadata()?) == before {
                return Ok(Box::new(file));
            }
        }
        self.open()
    }

    /// Reads the bytes; wrong ones end in an error.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &self.bytes {
            BlobBytes::Here(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
            BlobBytes::Layer(blob) => blob.open().map_err(io::Error::other)?,
            BlobBytes::Source(source) => {
                let checked = VerifyingReader::new(&**source, &self.descriptor);
                Box::new(checked.map_err(io::Error::other)?)
            }
        })
    }
}

impl Graph {
    /// One image.
    pub fn of_image(image: &Image) -> Self {
        let mut graph = Self::new(&image.manifest);
        graph.add(image);
        graph
    }

    /// An index and its images.
    pub fn of_index(index: &Document, images: &[Image]) -> Self {
        let mut graph = Self::new(index);
        images.iter().for_each(|image| graph.add(image));
        graph.document(index);
        graph
    }

    /// All that a descriptor leads to, with attestations and what else an index may name. The
    /// documents are read and checked now, the blobs when they move.
    pub fn read(source: &Arc<dyn Source>, root: &Descriptor) -> Result<Self, SourceError> {
        let document = read_document(&**source, root, "manifest", MANIFEST_LIMIT)?;
        let mut graph = Self::new(&document);
        graph.follow(source, document, 0)?;
        Ok(graph)
    }

    fn new(root: &Document) -> Self {
        let (documents, blobs, warnings) = (Vec::new(), Vec::new(), Vec::new());
        Self { documents, blobs, known: BTreeSet::new(), root: root.clone(), warnings }
    }

    /// Describes what is named and does not move along, one sentence for each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
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
        self.blobs.iter()
    }

    fn add(&mut self, image: &Image) {
        let config = &image.config;
        let bytes = BlobBytes::Here(config.bytes.clone().into());
        self.blob(config.descriptor.clone(), bytes);
        for layer in &image.layers {
            self.blob(Descriptor::of_layer(layer), BlobBytes::Layer(layer.blob.clone()));
        }
        self.document(&image.manifest);
    }

    fn blob(&mut self, descriptor: Descriptor, bytes: BlobBytes) {
        if self.known.insert(descriptor.digest) {
            self.blobs.push(Blob { descriptor, bytes });
        }
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
        match read_manifest(&document)? {
            Manifest::Index(entries) => {
                check_depth(&document.descriptor, depth)?;
                let place = format!("index {}", document.descriptor.digest);
                self.warnings.extend(entries.iter().filter_map(|entry| entry.warning(&place)));
                for entry in entries.iter().filter_map(IndexEntry::read) {
                    self.follow_entry(source, entry, depth + 1)?;
                }
            }
            Manifest::Artifact { blobs, .. } => {
                blobs.into_iter().for_each(|blob| self.add_from_source(source, blob));
            }
            Manifest::Image { config, layers } => {
                self.add_from_source(source, config);
                for layer in layers {
                    self.layer(source, layer)?;
                }
            }
        }
        self.document(&document);
        Ok(())
    }

    /// Follows an entry of an index. A build cache names its layers and its records there.
    fn follow_entry(
        &mut self,
        source: &Arc<dyn Source>,
        entry: &Descriptor,
        depth: usize,
    ) -> Result<(), SourceError> {
        if is_blob(entry) {
            self.add_from_source(source, entry.clone());
            return Ok(());
        }
        // Indexes that name the same one again and again would never end.
        let known = |document: &Document| {
            let Descriptor { digest, size, .. } = document.descriptor;
            (digest, size) == (entry.digest, entry.size)
        };
        if self.documents.iter().any(known) {
            return Ok(());
        }
        let child = read_document(&**source, entry, "manifest", MANIFEST_LIMIT)?;
        self.follow(source, child, depth)
    }

    /// Takes a layer along. A foreign one moves without its blob where the source does not have it:
    /// the blob is at the layer's URLs.
    fn layer(&mut self, source: &Arc<dyn Source>, layer: Layer) -> Result<(), SourceError> {
        if layer.foreign && !self.known.contains(&layer.descriptor.digest) {
            let mut first = [0];
            let read = source.open(&layer.descriptor).and_then(|mut blob| {
                let digest = layer.descriptor.digest;
                blob.read(&mut first).map_err(|error| read_error(&**source, digest, error))
            });
            match read {
                Err(error) if error.is_missing() => {
                    self.warnings.push(format!(
                        "foreign layer {} moves without its blob, which `{}` does not have; it is \
                         to be fetched from `{}`",
                        layer.descriptor.digest,
                        source.name(),
                        layer.url()
                    ));
                    return Ok(());
                }
                read => drop(read?),
            }
        }
        self.add_from_source(source, layer.descriptor);
        Ok(())
    }

    fn add_from_source(&mut self, source: &Arc<dyn Source>, blob: Descriptor) {
        self.blob(blob, BlobBytes::Source(Arc::clone(source)));
    }
}
