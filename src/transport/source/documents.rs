//! Manifests, indexes and configs that somebody else wrote.
//!
//! Unknown fields are kept, as image-spec demands; what is known must be right. Docker's media
//! types are read as their OCI twins.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Encoding, SourceError};
use crate::digest::{DiffId, Digest};
use crate::image::{Descriptor, Document, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST};
use crate::spec::Platform;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1";
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// A layer as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its blob.
    pub descriptor: Descriptor,
    /// How the blob holds the tar.
    pub encoding: Encoding,
    /// Whether the blob is meant to be fetched from elsewhere, which cooper never does.
    pub foreign: bool,
}

/// What a manifest's bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// One image.
    Image {
        /// Its configuration.
        config: Descriptor,
        /// Its layers, bottom first.
        layers: Vec<Layer>,
    },
    /// Several images.
    Index(Vec<Descriptor>),
    /// Something that is no image, such as a chart or a signature.
    Artifact(Vec<Descriptor>),
}

/// Whether a descriptor names a manifest or an index, not a blob.
#[cfg(feature = "registry")]
pub(crate) fn is_manifest(media_type: &str) -> bool {
    is_index(media_type) || [MEDIA_TYPE_MANIFEST, DOCKER_MANIFEST].contains(&media_type)
}

/// Whether a descriptor names an image's configuration.
pub(crate) fn is_config(media_type: &str) -> bool {
    CONFIGS.contains(&media_type)
}

pub(crate) fn is_index(media_type: &str) -> bool {
    [MEDIA_TYPE_INDEX, DOCKER_LIST].contains(&media_type)
}

/// What a client says that it reads.
#[cfg(feature = "registry")]
pub(crate) const ACCEPTED: [&str; 4] =
    [MEDIA_TYPE_MANIFEST, MEDIA_TYPE_INDEX, DOCKER_MANIFEST, DOCKER_LIST];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Foreign<'a> {
    schema_version: Option<Value>,
    media_type: Option<String>,
    config: Option<ForeignDescriptor>,
    layers: Option<Vec<ForeignDescriptor>>,
    #[serde(borrow)]
    manifests: Option<Vec<&'a RawValue>>,
    #[serde(rename = "fsLayers")]
    schema1_layers: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForeignDescriptor {
    #[serde(default)]
    media_type: String,
    digest: Digest,
    size: u64,
    platform: Option<ForeignPlatform>,
    urls: Option<Vec<String>>,
    annotations: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct ForeignPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl From<ForeignDescriptor> for Descriptor {
    fn from(foreign: ForeignDescriptor) -> Self {
        let platform = foreign.platform.map(|p| Platform {
            os: p.os,
            architecture: p.architecture,
            variant: p.variant.filter(|variant| !variant.is_empty()),
        });
        let mut other = foreign.other;
        other.extend(foreign.urls.map(|urls| ("urls".to_owned(), urls.into())));
        Self {
            media_type: foreign.media_type,
            digest: foreign.digest,
            size: foreign.size,
            platform,
            annotations: foreign.annotations.unwrap_or_default(),
            other,
            words: None,
        }
    }
}

/// An entry of an index, which somebody may say more of than cooper understands.
pub(in crate::transport) fn parse_entry(words: &str) -> serde_json::Result<Descriptor> {
    let entry: ForeignDescriptor = serde_json::from_str(words)?;
    Ok(Descriptor { words: Some(words.into()), ..entry.into() })
}

/// Understands a manifest or an index, and refuses what two readers could understand in two
/// ways.
pub fn read_manifest(document: &Document) -> Result<Manifest, SourceError> {
    parse_manifest(&document.bytes, &document.descriptor.media_type).map_err(|why| {
        SourceError::Document { what: "manifest", digest: document.descriptor.digest, why }
    })
}

/// The entries of a layout's index.json.
pub(in crate::transport) fn parse_index(bytes: &[u8]) -> Result<Vec<Descriptor>, String> {
    match parse_manifest(bytes, MEDIA_TYPE_INDEX)? {
        Manifest::Index(entries) => Ok(entries),
        _ => Err("it has no `manifests`".into()),
    }
}

fn parse_manifest(bytes: &[u8], declared: &str) -> Result<Manifest, String> {
    let foreign: Foreign<'_> = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    check_kind(&foreign, declared)?;
    if let Some(manifests) = foreign.manifests {
        let entry = |(at, words): (usize, &RawValue)| {
            parse_entry(words.get()).map_err(|error| format!("manifests[{at}]: {error}"))
        };
        let entries = manifests.into_iter().enumerate().map(entry).collect::<Result<_, _>>()?;
        return Ok(Manifest::Index(entries));
    }
    let layers = foreign.layers.ok_or("it has neither `layers` nor `manifests`")?;
    let config = foreign.config.ok_or("it has no `config`")?;
    let no_layer = |d: &ForeignDescriptor| Encoding::of_media_type(&d.media_type).is_none();
    let attests = !layers.is_empty() && layers.iter().all(no_layer);
    if attests || !CONFIGS.contains(&config.media_type.as_str()) {
        let all = std::iter::once(config).chain(layers);
        return Ok(Manifest::Artifact(all.map(Descriptor::from).collect()));
    }
    let layers = layers.into_iter().enumerate().map(|(at, layer)| read_layer(at, layer));
    Ok(Manifest::Image { config: config.into(), layers: layers.collect::<Result<_, _>>()? })
}

fn check_kind(foreign: &Foreign<'_>, declared: &str) -> Result<(), String> {
    let schema1 = foreign.schema1_layers.is_some() || declared.starts_with(DOCKER_SCHEMA1);
    if schema1 {
        return Err("it is of Docker's schema 1, which no tool writes any more; \
                    push the image again with a current one"
            .into());
    }
    if let Some(version) = &foreign.schema_version
        && version.as_u64() != Some(2)
    {
        return Err(format!("its schemaVersion is {version}, not 2"));
    }
    if foreign.manifests.is_some() && (foreign.layers.is_some() || foreign.config.is_some()) {
        return Err("it has `manifests` and `layers`: an index and an image at once".into());
    }
    let own = foreign.media_type.as_deref().unwrap_or_default();
    if !own.is_empty() && !declared.is_empty() && own != declared {
        return Err(format!("its mediaType is `{own}`, and it was named as `{declared}`"));
    }
    let stated = if own.is_empty() { declared } else { own };
    match foreign.manifests.is_some() {
        true if [MEDIA_TYPE_MANIFEST, DOCKER_MANIFEST].contains(&stated) => {
            Err(format!("it is an index by its content and `{stated}` by its name"))
        }
        false if is_index(stated) => {
            Err(format!("it has no `manifests`, and is `{stated}` by its name"))
        }
        _ => Ok(()),
    }
}

fn read_layer(at: usize, layer: ForeignDescriptor) -> Result<Layer, String> {
    let encoding = Encoding::of_media_type(&layer.media_type).ok_or_else(|| {
        let media_type: String = layer.media_type.chars().take(100).collect();
        format!("layers[{at}] has the media type `{media_type}`, which cooper cannot read")
    })?;
    let foreign = layer.urls.as_ref().is_some_and(|urls| !urls.is_empty());
    Ok(Layer { descriptor: layer.into(), encoding, foreign })
}

/// An image configuration, with all its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What the image runs on.
    pub platform: Platform,
    /// The object `config`, as it stands.
    pub config: Map<String, Value>,
    /// The layers by diff id, bottom first.
    pub diff_ids: Vec<DiffId>,
    /// The entries of `history`, as they stand; none if it is missing.
    pub history: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
struct ForeignConfig {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
    config: Option<Map<String, Value>>,
    rootfs: Option<ForeignRootfs>,
    history: Option<Vec<Map<String, Value>>>,
}

#[derive(Deserialize)]
struct ForeignRootfs {
    diff_ids: Option<Vec<DiffId>>,
}

impl Config {
    /// Understands a config whose image has that many layers.
    pub fn parse(document: &Document, layers: usize) -> Result<Self, SourceError> {
        let digest = document.descriptor.digest;
        Self::parse_bytes(&document.bytes, layers).map_err(|why| SourceError::Document {
            what: "config",
            digest,
            why,
        })
    }

    fn parse_bytes(bytes: &[u8], layers: usize) -> Result<Self, String> {
        let foreign: ForeignConfig = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let diff_ids = foreign
            .rootfs
            .and_then(|rootfs| rootfs.diff_ids)
            .ok_or("it has no `rootfs.diff_ids`")?;
        if diff_ids.len() != layers {
            return Err(format!(
                "it has {} diff ids for the {layers} layers of the manifest",
                diff_ids.len()
            ));
        }
        for (field, value) in [("os", &foreign.os), ("architecture", &foreign.architecture)] {
            if value.is_empty() {
                return Err(format!("it has no `{field}`"));
            }
        }
        Ok(Self {
            platform: Platform {
                os: foreign.os,
                architecture: foreign.architecture,
                variant: foreign.variant.filter(|variant| !variant.is_empty()),
            },
            config: foreign.config.unwrap_or_default(),
            diff_ids,
            history: foreign.history.unwrap_or_default(),
        })
    }
}
