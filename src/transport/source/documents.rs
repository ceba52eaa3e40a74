//! Manifests, indexes and configs that somebody else wrote.
//!
//! Unknown fields are kept, as image-spec demands; what is known must be right. Docker's media
//! types are read as their OCI twins.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Encoding, SourceError, artifact};
use crate::digest::Digest;
use crate::image::{Descriptor, Document, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST};
use crate::spec::Platform;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1";
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// OCI's manifest for artifacts, which release candidates of image-spec 1.1 had.
const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
/// The type of a config without content (image-spec, manifest.md).
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A layer as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its blob.
    pub descriptor: Descriptor,
    /// How the blob holds the tar; none for a media type that cooper does not know.
    pub encoding: Option<Encoding>,
    /// True if the layer is foreign: it has URLs from which it is fetched. cooper does not fetch
    /// from them.
    pub foreign: bool,
}

impl Layer {
    /// Returns the first URL of a foreign layer.
    pub fn url(&self) -> &str {
        let urls = self.descriptor.other.get("urls").and_then(Value::as_array);
        urls.and_then(|urls| urls.first()?.as_str()).unwrap_or_default()
    }

    /// Describes the reason why cooper cannot read the layer's tar, if there is one.
    pub fn obstacle(&self) -> Option<String> {
        let media_type = artifact::cut(&self.descriptor.media_type);
        match self.encoding {
            _ if self.foreign => Some(format!(
                "it is a foreign layer, to be fetched from `{}`, which cooper does not do",
                self.url()
            )),
            None => Some(format!("it has the media type `{media_type}`, which cooper cannot read")),
            Some(_) => None,
        }
    }
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
    Index(Vec<IndexEntry>),
    /// Something that is not an image, such as a chart or a signature.
    Artifact {
        /// A phrase for it, with its type.
        kind: String,
        /// Its config and its other blobs.
        blobs: Vec<Descriptor>,
    },
}

/// An entry of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexEntry {
    /// A blob that cooper can read and check.
    Read(Descriptor),
    /// A blob that is named by another digest than SHA-256.
    Unread(Unread),
}

/// An entry that is passed over, with what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The digest, in an algorithm that cooper does not compute.
    pub digest: String,
    /// The platform, if it is stated.
    pub platform: Option<Platform>,
    /// The annotations, which hold the name.
    pub annotations: BTreeMap<String, String>,
    /// The entry as it stands in the index.
    pub words: Arc<str>,
}

impl IndexEntry {
    /// Returns the descriptor of an entry that can be read.
    pub fn read(&self) -> Option<&Descriptor> {
        match self {
            Self::Read(descriptor) => Some(descriptor),
            Self::Unread(_) => None,
        }
    }

    /// Describes the entry if it is passed over.
    pub fn warning(&self, place: &str) -> Option<String> {
        let Self::Unread(Unread { digest, annotations, .. }) = self else { return None };
        let name = annotations.get(super::IMAGE_NAME).or_else(|| annotations.get(super::REF_NAME));
        let name = name.map(|name| format!(" `{name}`")).unwrap_or_default();
        let digest: String = digest.chars().take(30).collect();
        Some(format!(
            "the entry{name} of {place} is passed over: its digest `{digest}…` is not `sha256:`, the \
             one algorithm that cooper reads"
        ))
    }
}

/// Whether a descriptor names a manifest or an index, not a blob.
pub(crate) fn is_manifest(media_type: &str) -> bool {
    is_index(media_type)
        || [MEDIA_TYPE_MANIFEST, DOCKER_MANIFEST, OCI_ARTIFACT].contains(&media_type)
        || media_type.starts_with(DOCKER_SCHEMA1)
}

/// Returns true if an entry of an index is a blob and not a manifest, as in a build cache. An entry
/// without a type is a manifest, which older tools wrote.
pub(crate) fn is_blob(entry: &Descriptor) -> bool {
    !entry.media_type.is_empty() && !is_manifest(&entry.media_type)
}

/// Whether a descriptor names an image's configuration.
pub(crate) fn is_config(media_type: &str) -> bool {
    CONFIGS.contains(&media_type)
}

pub(crate) fn is_index(media_type: &str) -> bool {
    [MEDIA_TYPE_INDEX, DOCKER_LIST].contains(&media_type)
}

/// What a client says that it reads.
pub(crate) const ACCEPTED: [&str; 4] =
    [MEDIA_TYPE_MANIFEST, MEDIA_TYPE_INDEX, DOCKER_MANIFEST, DOCKER_LIST];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest<'a> {
    schema_version: Option<Value>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<ForeignDescriptor>,
    #[serde(default, deserialize_with = "list")]
    layers: List<ForeignDescriptor>,
    blobs: Option<Vec<ForeignDescriptor>>,
    #[serde(borrow, default, deserialize_with = "list")]
    manifests: List<&'a RawValue>,
    #[serde(rename = "fsLayers")]
    schema1_layers: Option<Value>,
}

/// A list, `null` or nothing. Go writes `null` for an empty list.
pub(super) type List<T> = Option<Option<Vec<T>>>;

pub(super) fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    d: D,
) -> Result<List<T>, D::Error> {
    Option::deserialize(d).map(Some)
}

impl RawManifest<'_> {
    /// Drops the `null` of a list that belongs to the other kind of document.
    fn without_other_null(mut self) -> Self {
        let has = (matches!(self.manifests, Some(Some(_))), matches!(self.layers, Some(Some(_))));
        if !has.0 && (has.1 || self.config.is_some()) {
            self.manifests = None;
        }
        if has.0 && !has.1 {
            self.layers = None;
        }
        self
    }
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

impl From<ForeignPlatform> for Platform {
    fn from(foreign: ForeignPlatform) -> Self {
        let variant = foreign.variant.filter(|variant| !variant.is_empty());
        Self { os: foreign.os, architecture: foreign.architecture, variant }
    }
}

impl From<ForeignDescriptor> for Descriptor {
    fn from(foreign: ForeignDescriptor) -> Self {
        let platform = foreign.platform.map(Platform::from);
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
pub(in crate::transport) fn parse_index(bytes: &[u8]) -> Result<Vec<IndexEntry>, String> {
    match parse_manifest(bytes, MEDIA_TYPE_INDEX)? {
        Manifest::Index(entries) => Ok(entries),
        _ => Err("it has no `manifests`".into()),
    }
}

fn parse_manifest(bytes: &[u8], declared: &str) -> Result<Manifest, String> {
    let foreign: RawManifest<'_> = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let foreign = foreign.without_other_null();
    check_kind(&foreign, declared)?;
    if let Some(manifests) = foreign.manifests {
        let manifests = manifests.unwrap_or_default();
        let entry = |(at, words): (usize, &RawValue)| {
            index_entry(words.get()).map_err(|error| format!("manifests[{at}]: {error}"))
        };
        let entries = manifests.into_iter().enumerate().map(entry).collect::<Result<_, _>>()?;
        return Ok(Manifest::Index(entries));
    }
    let artifact_type = foreign.artifact_type.unwrap_or_default();
    if let (Some(blobs), None) = (foreign.blobs, &foreign.layers) {
        let blobs = blobs.into_iter().map(Descriptor::from).collect();
        return Ok(Manifest::Artifact { kind: artifact::phrase(&artifact_type), blobs });
    }
    let layers =
        foreign.layers.ok_or("it has neither `layers` nor `manifests`")?.unwrap_or_default();
    let config = foreign.config.ok_or("it has no `config`")?;
    let is_config = is_config(&config.media_type);
    let not_a_layer = |d: &ForeignDescriptor| Encoding::of_media_type(&d.media_type).is_none();
    let attests = !layers.is_empty() && layers.iter().all(not_a_layer);
    if attests || !is_config {
        let first = layers.first().map(|layer| layer.media_type.as_str()).unwrap_or_default();
        let stated = match config.media_type.as_str() {
            _ if !artifact_type.is_empty() => &artifact_type,
            own if is_config || own == EMPTY => first,
            own => own,
        };
        let kind = artifact::phrase(stated);
        let blobs = std::iter::once(config).chain(layers).map(Descriptor::from).collect();
        return Ok(Manifest::Artifact { kind, blobs });
    }
    let layers = layers.into_iter().map(Layer::from).collect();
    Ok(Manifest::Image { config: config.into(), layers })
}

/// Understands an entry, or passes over one whose digest is in another algorithm.
fn index_entry(words: &str) -> serde_json::Result<IndexEntry> {
    parse_entry(words).map(IndexEntry::Read).or_else(|error| match unread(words) {
        Some(unread) => Ok(IndexEntry::Unread(unread)),
        None => Err(error),
    })
}

fn unread(words: &str) -> Option<Unread> {
    #[derive(Deserialize)]
    struct RawManifest {
        digest: String,
        platform: Option<ForeignPlatform>,
        annotations: Option<BTreeMap<String, String>>,
    }
    let entry: RawManifest = serde_json::from_str(words).ok()?;
    // As image-spec, descriptor.md, "Digests", has it.
    let (algorithm, encoded) = entry.digest.split_once(':')?;
    let is_part = |part: &str| part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_algorithm = !algorithm.is_empty() && algorithm.split(['+', '.', '_', '-']).all(is_part);
    let is_encoded = |b: u8| b.is_ascii_alphanumeric() || b"=_-".contains(&b);
    let is_other = is_algorithm
        && algorithm != "sha256"
        && !encoded.is_empty()
        && encoded.bytes().all(is_encoded);
    is_other.then(|| Unread {
        digest: entry.digest,
        platform: entry.platform.map(Platform::from),
        annotations: entry.annotations.unwrap_or_default(),
        words: words.into(),
    })
}

fn check_kind(foreign: &RawManifest<'_>, declared: &str) -> Result<(), String> {
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
    let is_both = foreign.layers.is_some() || foreign.config.is_some() || foreign.blobs.is_some();
    if foreign.manifests.is_some() && is_both {
        return Err("it has `manifests` and `layers`: an index and an image at once".into());
    }
    let own = foreign.media_type.as_deref().unwrap_or_default();
    if !own.is_empty() && !declared.is_empty() && own != declared {
        return Err(format!("its mediaType is `{own}`, and it was named as `{declared}`"));
    }
    let stated = if own.is_empty() { declared } else { own };
    match foreign.manifests.is_some() {
        true if is_manifest(stated) && !is_index(stated) => {
            Err(format!("it is an index by its content and `{stated}` by its name"))
        }
        false if is_index(stated) => {
            Err(format!("it has no `manifests`, and is `{stated}` by its name"))
        }
        _ => Ok(()),
    }
}

impl From<ForeignDescriptor> for Layer {
    fn from(layer: ForeignDescriptor) -> Self {
        let encoding = Encoding::of_media_type(&layer.media_type);
        let foreign = layer.urls.as_ref().is_some_and(|urls| !urls.is_empty());
        Self { descriptor: layer.into(), encoding, foreign }
    }
}
