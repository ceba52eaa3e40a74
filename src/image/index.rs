//! Several images under one name: OCI's image index.

use std::collections::BTreeMap;

use super::types::{Descriptor, Document, ImageIndex, MEDIA_TYPE_INDEX};
use super::{Image, ImageError};
use crate::spec::{ImageName, Tag};

/// An index, whole: its document and its images.
#[derive(Debug, Clone)]
pub struct Index {
    /// The repository's name.
    pub name: ImageName,
    /// The tags that it shall get.
    pub tags: Vec<Tag>,
    /// The index.
    pub document: Document,
    /// Its images, in the order of the index.
    pub images: Vec<Image>,
}

/// Puts images of one name under an index. Their order does not matter: the index is sorted by
/// platform.
pub fn index(mut images: Vec<Image>) -> Result<Index, ImageError> {
    images.sort_by_key(|image| image.platform.to_string());
    let first = images.first().ok_or(ImageError::EmptyIndex)?;
    let (name, tags) = (first.name.clone(), first.tags.clone());
    for pair in images.windows(2) {
        let [a, b] = pair else { continue };
        if a.name != b.name {
            return Err(ImageError::TwoNames(a.name.clone(), b.name.clone()));
        }
        if a.tags != b.tags {
            return Err(ImageError::TwoTags(name, shown(&a.tags), shown(&b.tags)));
        }
    }
    for (at, second) in images.iter().enumerate() {
        let same = |first: &&Image| first.platform.is_same(&second.platform);
        if let Some(first) = images.iter().take(at).find(same) {
            return Err(ImageError::TwoOfAPlatform {
                name,
                platform: first.platform.clone(),
                first: first.manifest.descriptor.digest,
                second: second.manifest.descriptor.digest,
            });
        }
    }
    let entry = |image: &Image| Descriptor {
        platform: Some(image.platform.clone()),
        ..image.manifest.descriptor.clone()
    };
    let value = ImageIndex {
        schema_version: 2,
        media_type: MEDIA_TYPE_INDEX.into(),
        manifests: images.iter().map(entry).collect(),
        annotations: BTreeMap::new(),
    };
    let document = Document::new(MEDIA_TYPE_INDEX, &value).map_err(|source| ImageError::Json {
        document: "index",
        image: name.clone(),
        source,
    })?;
    Ok(Index { name, tags, document, images })
}

fn shown(tags: &[Tag]) -> String {
    let tags: Vec<String> = tags.iter().map(|tag| format!("`{tag}`")).collect();
    tags.join(", ")
}
