//! Doors for the fuzz targets to parsers that nobody else outside of this room needs.

use super::daemon::docker::api;
use super::daemon::{docker, podman};
use super::layout::index_json::IndexJson;
use super::registry;
use super::source;
use crate::image::Descriptor;

/// What another program's index.json becomes when an image is added to it, or why it is none.
pub fn add_to_index(bytes: &[u8], image: Descriptor) -> Result<Vec<u8>, String> {
    let mut entries = IndexJson::parse(bytes)?;
    entries.insert(image);
    entries.into_bytes().map_err(|error| error.to_string())
}

/// How many bytes come out of a compressed archive, at most `most`; none if it is broken.
pub fn unpack(bytes: &[u8], most: u64) -> Option<u64> {
    let decoder = source::Magic::of(bytes).decoder(bytes).ok()?;
    std::io::copy(&mut std::io::Read::take(decoder, most), &mut std::io::sink()).ok()
}

/// What Docker answers while it loads an archive: whether it was a success.
pub fn docker_progress(bytes: &[u8]) -> bool {
    api::read_progress(bytes).is_ok()
}

/// What Docker answers about itself, a list of images or an image: whether it is one of them.
pub fn docker_image(bytes: &[u8]) -> bool {
    docker::is_answer(bytes)
}

/// What `podman image inspect` prints: whether it is that.
pub fn podman_image(bytes: &[u8]) -> bool {
    podman::is_answer(bytes)
}

/// The value of a `WWW-Authenticate` header: whether cooper can answer it.
pub fn challenge(bytes: &[u8]) -> bool {
    registry::fuzzing::challenge(bytes)
}

/// The value of a `Retry-After` header: how long cooper waits.
pub fn pause(bytes: &[u8]) -> std::time::Duration {
    registry::fuzzing::pause(bytes)
}

/// A registry's error document, as a message shows it.
pub fn error_words(bytes: &[u8]) -> String {
    registry::fuzzing::error_words(bytes)
}

/// A file of logins: how many of them can be used.
pub fn logins(bytes: &[u8]) -> usize {
    registry::fuzzing::logins(bytes)
}

/// The keys of a file of logins that are for a repository.
pub fn login_keys(bytes: &[u8], registry: &str, repository: &str) -> Vec<String> {
    registry::fuzzing::login_keys(bytes, registry, repository)
}

/// What a token server answers: whether there is a token in it.
pub fn token(bytes: &[u8]) -> bool {
    registry::fuzzing::token(bytes)
}

/// What a credential helper prints: whether it is a login.
pub fn helper(bytes: &[u8]) -> bool {
    registry::fuzzing::helper(bytes)
}
