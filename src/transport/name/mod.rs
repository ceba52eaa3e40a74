//! What an image is called, in the words of each consumer.

pub mod reference;
use crate::image::Image;
use crate::spec::Tag;

/// `name:tag` for each tag of an image, as `docker load` prints them.
pub fn references(image: &Image) -> Vec<String> {
    image.tags.iter().map(|tag| format!("{}:{tag}", image.name)).collect()
}

/// A name as Docker shows it: without its own registry and that one's `library`.
pub fn familiar(name: &str) -> &str {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

/// The first part of a name, if it is a registry, and the rest.
pub(super) fn split_registry(name: &str) -> Option<(&str, &str)> {
    name.split_once('/').filter(|(first, _)| first.contains(['.', ':']) || *first == "localhost")
}

/// The name with registry and namespace, as Docker and containerd complete it:
/// `docker.io/library/backend:latest`.
pub fn full_name(name: &str, tag: &Tag) -> String {
    complete(&format!("{name}:{tag}"))
}

/// A reference with a registry: its own, or Docker's.
pub(super) fn complete(reference: &str) -> String {
    match (split_registry(reference), reference.contains('/')) {
        (Some(_), _) => reference.to_owned(),
        (None, true) => format!("docker.io/{reference}"),
        (None, false) => format!("docker.io/library/{reference}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_docker_completes_them() {
        let tag: Tag = "v1".parse().unwrap();
        for (name, full) in [
            ("backend", "docker.io/library/backend:v1"),
            ("team/backend", "docker.io/team/backend:v1"),
            ("localhost/backend", "localhost/backend:v1"),
            ("127.0.0.1:5000/backend", "127.0.0.1:5000/backend:v1"),
        ] {
            assert_eq!(full_name(name, &tag), full);
            assert_eq!(familiar(full), format!("{name}:v1"));
        }
    }
}
