//! What people call an image in a registry: `registry/name:tag@digest`.

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, DigestError};
use crate::spec::{ImageName, NameError, Tag};
use crate::transport::name;

/// The registry that a name without one belongs to.
const DOCKER_HUB: &str = "docker.io";

/// Why a text names no image.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The name or the tag.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The part behind `@`.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// An image in a registry. Tag and digest may both be missing: then it is a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Host and port.
    pub registry: String,
    /// The name below it, with namespaces.
    pub repository: String,
    /// The tag, if one was given.
    pub tag: Option<Tag>,
    /// The digest, if one was given; it decides what is read.
    pub digest: Option<Digest>,
}

impl Reference {
    /// The same repository, another tag.
    #[must_use]
    pub fn with_tag(&self, tag: Tag) -> Self {
        Self { tag: Some(tag), digest: None, ..self.clone() }
    }

    /// The same with the tag that is meant when there is none.
    #[must_use]
    pub fn tagged(&self) -> Self {
        let tag = self.tag.clone().or_else(|| "latest".parse().ok());
        Self { tag, ..self.clone() }
    }

    /// The same repository, by digest.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// The same name without a digest.
    #[must_use]
    pub fn without_digest(&self) -> Self {
        Self { digest: None, ..self.clone() }
    }

    /// The name as `docker images` shows it: without Docker Hub and its `library`.
    pub fn familiar(&self) -> String {
        name::familiar(&self.without_digest().to_string()).to_owned()
    }

    /// What the registry's API calls the manifest: the digest, the tag, or `latest`.
    pub fn manifest(&self) -> String {
        let tag = || self.tag.as_ref().map_or_else(|| "latest".to_owned(), Tag::to_string);
        self.digest.map_or_else(tag, |digest| digest.to_string())
    }

    /// Registry and repository.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            // A colon before a slash belongs to a port.
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.parse()?)),
            _ => (rest, None),
        };
        let name: ImageName = name.parse()?;
        let (registry, repository) = split(name.as_str());
        let reference = Self { registry, repository, tag, digest };
        // Completed, it may be longer than a name can be; it has to be read again from a lock.
        reference.name().parse::<ImageName>()?;
        Ok(reference)
    }
}

/// Docker's rules for a name without a registry, or without a namespace on Docker Hub.
fn split(name: &str) -> (String, String) {
    let (registry, repository) = name::split_registry(name).unwrap_or((DOCKER_HUB, name));
    let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
    match registry == DOCKER_HUB && !repository.contains('/') {
        true => (registry.into(), format!("library/{repository}")),
        false => (registry.into(), repository.into()),
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_docker_completes_them() {
        for (text, full) in [
            ("backend", "docker.io/library/backend"),
            ("team/backend:v1", "docker.io/team/backend:v1"),
            ("index.docker.io/backend", "docker.io/library/backend"),
            ("127.0.0.1:5000/backend", "127.0.0.1:5000/backend"),
            ("localhost/a/b:v1", "localhost/a/b:v1"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), full);
        }
    }

    #[test]
    fn what_a_reference_is_printed_as_is_a_reference() {
        let longest = "a".repeat(255 - "docker.io/library/".len());
        let reference: Reference = longest.parse().unwrap();
        assert_eq!(reference.to_string().parse(), Ok(reference));
        assert!(format!("{longest}a").parse::<Reference>().is_err(), "printed, it is too long");
    }

    #[test]
    fn a_digest_decides_over_a_tag() {
        let digest = Digest::of(b"x");
        let reference: Reference = format!("r.io/a:v1@{digest}").parse().unwrap();
        assert_eq!(reference.manifest(), digest.to_string());
        assert_eq!(reference.with_tag("v2".parse().unwrap()).manifest(), "v2");
    }

    #[test]
    fn what_could_become_another_url_is_no_reference() {
        // faults 11 and 57
        for text in ["", "a:", "a@sha256:xyz", "a/../b", "a:b:c", "A/b", "a b", "r.io/a?x=1", "a#b"]
        {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
