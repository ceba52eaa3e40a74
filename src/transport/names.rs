//! What an image is called, in the words of each consumer.

use crate::image::Image;
use crate::spec::Tag;

/// `name:tag` for each tag of an image, as `docker load` prints them.
pub fn references(image: &Image) -> Vec<String> {
    image.tags.iter().map(|tag| format!("{}:{tag}", image.name)).collect()
}

/// The name with registry and namespace, as Docker and containerd complete it:
/// `docker.io/library/backend:latest`.
pub fn full_name(name: &str, tag: &Tag) -> String {
    let first = name.split('/').next().unwrap_or_default();
    let has_registry = name.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    match (has_registry, name.contains('/')) {
        (true, _) => format!("{name}:{tag}"),
        (false, true) => format!("docker.io/{name}:{tag}"),
        (false, false) => format!("docker.io/library/{name}:{tag}"),
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
