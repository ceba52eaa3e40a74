//! From an image as it was found to one that can be sent on, byte for byte.

use std::io::{self, Read};
use std::sync::Arc;

use super::{Encoding, Layer, ResolvedImage, Source, SourceError, VerifyingReader};
use crate::digest::DiffId;
use crate::image::{Descriptor, Image};
use crate::layer::{self, Blob, BlobOpener};
use crate::spec::{Compression, ImageName, Tag};

impl ResolvedImage {
    /// The same image under a name. Nothing is read yet, and every blob is checked when it is.
    pub fn under(
        &self,
        source: &Arc<dyn Source>,
        name: ImageName,
        tags: Vec<Tag>,
    ) -> Result<Image, SourceError> {
        if let Some((layer, why)) = self.obstacle() {
            return Err(SourceError::Document {
                what: "manifest",
                digest: self.manifest.descriptor.digest,
                why: format!("its layer {} cannot be used: {why}", layer.descriptor.digest),
            });
        }
        let pass_on = |(number, (layer, diff_id)): (usize, (&Layer, DiffId))| {
            // Only who reads a layer learns the size of its tar, and nobody does.
            lazy_layer(source, layer, diff_id, format!("layer {}", number + 1), 0)
        };
        Ok(Image {
            name,
            tags,
            platform: self.platform().clone(),
            manifest: self.manifest.clone(),
            config: self.config.clone(),
            layers: self.layers_with_diff_ids().enumerate().map(pass_on).collect(),
        })
    }
}

/// A layer whose bytes stay in their source until somebody wants them. `name` is what plans call
/// it, `tar_size` in bytes.
pub fn lazy_layer(
    source: &Arc<dyn Source>,
    layer: &Layer,
    diff_id: DiffId,
    name: String,
    tar_size: u64,
) -> layer::Layer {
    let descriptor = layer.descriptor.clone();
    let (digest, blob_size) = (descriptor.digest, descriptor.size);
    let place = Arc::new(InSource { source: Arc::clone(source), descriptor });
    layer::Layer {
        name,
        digest,
        diff_id,
        blob_size,
        tar_size,
        // Levels are nowhere in a blob; they do not matter to who reads it.
        compression: match layer.encoding {
            Some(Encoding::Plain) | None => Compression::None {},
            Some(Encoding::Gzip) => Compression::Gzip { level: 6 },
            Some(Encoding::Zstd) => Compression::Zstd { level: 3 },
        },
        blob: Blob::from_opener(place, digest, blob_size),
    }
}

#[derive(Debug)]
struct InSource {
    source: Arc<dyn Source>,
    descriptor: Descriptor,
}

impl BlobOpener for InSource {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let checked = VerifyingReader::new(&*self.source, &self.descriptor);
        Ok(Box::new(checked.map_err(io::Error::other)?))
    }
}
