//! From layers and a spec to the two documents of an image.

use super::types::{
    Descriptor, Document, History, ImageConfig, ImageManifest, MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_MANIFEST, RootFs,
};
use crate::layer::Layer;
use crate::spec::{ImageName, Platform, Spec, Tag};

/// What made a layer, in the history of every image.
pub const CREATED_BY: &str = "cooper";

/// Why no image could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A value that has no JSON; a mistake of cooper's.
    #[error("failed to write the {document} of `{image}` as json")]
    Json {
        /// `config` or `manifest`.
        document: &'static str,
        /// The image's name.
        image: ImageName,
        /// serde's words.
        source: serde_json::Error,
    },
}

/// An image, whole: two documents and its layers. Its digest is the manifest's.
#[derive(Debug, Clone)]
pub struct Image {
    /// The repository's name.
    pub name: ImageName,
    /// The tags that it shall get; no part of the digest.
    pub tags: Vec<Tag>,
    /// What it runs on.
    pub platform: Platform,
    /// The manifest.
    pub manifest: Document,
    /// The configuration.
    pub config: Document,
    /// The layers, bottom first, as in the manifest.
    pub layers: Vec<Layer>,
}

impl Image {
    /// The sum of the layers' blobs, in bytes: what a client without any of them pulls.
    pub fn blob_size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.blob_size).sum()
    }
}

/// Makes the config and the manifest.
pub fn build(spec: &Spec, layers: Vec<Layer>) -> Result<Image, ImageError> {
    let config = config(spec, &layers)?;
    let manifest = manifest(spec, &config, &layers)?;
    Ok(Image {
        name: spec.name.clone(),
        tags: spec.tags.clone(),
        platform: spec.platform.clone(),
        manifest,
        config,
        layers,
    })
}

fn config(spec: &Spec, layers: &[Layer]) -> Result<Document, ImageError> {
    let created = spec.created.to_string();
    let history = layers.iter().map(|layer| History {
        created: created.clone(),
        created_by: CREATED_BY.into(),
        comment: Some(layer.name.clone()),
    });
    let value = ImageConfig {
        created: created.clone(),
        platform: spec.platform.clone(),
        config: spec.config.clone(),
        rootfs: RootFs {
            kind: "layers".into(),
            diff_ids: layers.iter().map(|layer| layer.diff_id).collect(),
        },
        history: history.collect(),
    };
    Document::new(MEDIA_TYPE_CONFIG, &value).map_err(|source| ImageError::Json {
        document: "config",
        image: spec.name.clone(),
        source,
    })
}

fn manifest(spec: &Spec, config: &Document, layers: &[Layer]) -> Result<Document, ImageError> {
    let value = ImageManifest {
        schema_version: 2,
        media_type: MEDIA_TYPE_MANIFEST.into(),
        config: config.descriptor.clone(),
        layers: layers.iter().map(descriptor).collect(),
        annotations: spec.annotations.clone(),
    };
    Document::new(MEDIA_TYPE_MANIFEST, &value).map_err(|source| ImageError::Json {
        document: "manifest",
        image: spec.name.clone(),
        source,
    })
}

fn descriptor(layer: &Layer) -> Descriptor {
    Descriptor {
        media_type: layer.media_type().into(),
        digest: layer.digest,
        size: layer.blob_size,
        platform: None,
        annotations: std::collections::BTreeMap::new(),
    }
}
