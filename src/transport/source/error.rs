//! The error of all readers of images.

use std::io;
use std::path::PathBuf;

use super::tar;
use crate::digest::{Digest, DigestError};
use crate::fs::FileError;
use crate::spec::Platform;

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// Neither a layout nor an archive.
    #[error("`{path}` holds no image: {why}")]
    NoImage {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// An archive that is no tar.
    #[error("failed to read the archive `{path}`")]
    Tar {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: tar::TarError,
    },
    /// A blob that a document names is not there.
    #[error("`{place}` has no blob {digest}, which {wanted_by}")]
    Missing {
        /// The source.
        place: String,
        /// The blob.
        digest: Digest,
        /// Who needs it.
        wanted_by: String,
    },
    /// Bytes are not those that their descriptor names.
    #[error("digest mismatch: expected {expected}, got {actual}")]
    WrongDigest {
        /// By the descriptor.
        expected: Digest,
        /// By its bytes.
        actual: Digest,
    },
    /// More or fewer bytes than a descriptor says.
    #[error("size mismatch for blob {digest}: expected {expected} bytes, got {actual}")]
    WrongSize {
        /// The blob.
        digest: Digest,
        /// By the descriptor.
        expected: u64,
        /// As they are; of a blob that is too long, as far as it was read.
        actual: u64,
    },
    /// A document that is larger than any honest one.
    #[error("{what} {digest} has {size} bytes; cooper reads at most {limit}")]
    TooLarge {
        /// `manifest` or `config`.
        what: &'static str,
        /// The blob.
        digest: Digest,
        /// By its descriptor.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A document that says nothing, or two things at once.
    #[error("{what} {digest} is unusable: {why}")]
    Document {
        /// `manifest`, `index` or `config`.
        what: &'static str,
        /// The blob.
        digest: Digest,
        /// What is wrong.
        why: String,
    },
    /// A descriptor whose digest is none.
    #[error("{0}")]
    Digest(#[from] DigestError),
    /// No image of that name.
    #[error("`{place}` has no image `{wanted}`; it has {choices}")]
    NoSuchImage {
        /// The source.
        place: String,
        /// The name that was asked for.
        wanted: String,
        /// The names that there are.
        choices: String,
    },
    /// Several images, and none was named.
    #[error("`{place}` has several images; name one of {choices}")]
    Ambiguous {
        /// The source.
        place: String,
        /// Their names.
        choices: String,
    },
    /// Two images under one name.
    #[error("`{place}` has two images `{name}`: {first} and {second}")]
    SameName {
        /// The source.
        place: String,
        /// The name.
        name: String,
        /// The manifest of the first.
        first: Digest,
        /// The manifest of the second.
        second: Digest,
    },
    /// A manifest of something else where an image is wanted.
    #[error("{what} {digest} is not an image; it is {kind}")]
    NotAnImage {
        /// `manifest` or `blob`.
        what: &'static str,
        /// The manifest.
        digest: Digest,
        /// A phrase with its type.
        kind: String,
    },
    /// An index of other things than images.
    #[error("index {digest} has no image; it has {kinds}")]
    NoImages {
        /// The index.
        digest: Digest,
        /// Phrases with their types.
        kinds: String,
    },
    /// An index that names two images for one platform.
    #[error("index {digest} has two images for {platform}: {first} and {second}")]
    SamePlatform {
        /// The index.
        digest: Digest,
        /// The platform, with the version of the operating system if it is stated.
        platform: String,
        /// The manifest of the first.
        first: Digest,
        /// The manifest of the second.
        second: Digest,
    },
    /// An image that does not run where it is wanted.
    #[error("image {digest} of `{place}` is for {own}, and not for {wanted}")]
    OtherPlatform {
        /// The source.
        place: String,
        /// The manifest.
        digest: Digest,
        /// The image's platform.
        own: Platform,
        /// The platform that was asked for.
        wanted: Platform,
    },
    /// An index without an image for the platform, or with several.
    #[error("index {digest} has {found} for {wanted}; it has {choices}")]
    Platform {
        /// The index.
        digest: Digest,
        /// `no image` or `several images`.
        found: &'static str,
        /// The platform that was asked for.
        wanted: Platform,
        /// The platforms that there are.
        choices: String,
    },
    /// A stream broke off.
    #[error("failed to read blob {digest} of `{place}`")]
    Read {
        /// The source.
        place: String,
        /// The blob.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// A registry.
    #[error(transparent)]
    Registry(#[from] Box<crate::transport::registry::RegistryError>),
}

impl SourceError {
    /// Returns true if the place answered that it does not have a blob.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Missing { .. } => true,
            Self::Registry(error) => {
                matches!(**error, crate::transport::registry::RegistryError::NotFound { .. })
            }
            Self::Read { source, .. } => {
                let inner = source.get_ref().and_then(|inner| inner.downcast_ref());
                matches!(inner, Some(crate::transport::registry::RegistryError::NotFound { .. }))
            }
            _ => false,
        }
    }
}
