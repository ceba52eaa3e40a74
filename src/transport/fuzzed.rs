//! Doors for the fuzz targets to parsers that nobody else outside of this room needs.

#[cfg(feature = "daemon")]
use super::docker_api;
#[cfg(feature = "registry")]
use super::registry;

/// What Docker answers while it loads an archive: whether it was a success.
#[cfg(feature = "daemon")]
pub fn docker_progress(bytes: &[u8]) -> bool {
    docker_api::read_progress(bytes).is_ok()
}

/// The value of a `WWW-Authenticate` header: whether cooper can answer it.
#[cfg(feature = "registry")]
pub fn challenge(bytes: &[u8]) -> bool {
    registry::fuzzed::challenge(bytes)
}

/// A registry's error document, as a message shows it.
#[cfg(feature = "registry")]
pub fn error_words(bytes: &[u8]) -> String {
    registry::fuzzed::error_words(bytes)
}

/// A file of logins: how many of them can be used.
#[cfg(feature = "registry")]
pub fn logins(bytes: &[u8]) -> usize {
    registry::fuzzed::logins(bytes)
}
