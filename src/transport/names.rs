//! What an image is called, in the words of each consumer.

use std::borrow::Cow;

use crate::image::Image;
use crate::spec::Tag;

/// `name:tag` for each tag of an image, as `docker load` prints them.
pub fn references(image: &Image) -> Vec<String> {
    image.tags.iter().map(|tag| format!("{}:{tag}", image.name)).collect()
}

/// The name with registry and namespace, as Docker and containerd complete it:
/// `docker.io/library/backend:latest`.
pub fn full_name(name: &str, tag: &Tag) -> String {
    complete(&format!("{name}:{tag}"), "docker.io/library/", "docker.io/").into_owned()
}

/// Puts a registry before a reference that has none: `alone` before a name without a slash,
/// `below` before one with a namespace.
pub(super) fn complete<'a>(reference: &'a str, alone: &str, below: &str) -> Cow<'a, str> {
    match reference.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => reference.into(),
        Some(_) => format!("{below}{reference}").into(),
        None => format!("{alone}{reference}").into(),
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
        }
    }
}
