//! Doors for the fuzz targets.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use super::auth::{challenge, files, helper, token};
use super::net::retry;
use super::{Options, response};

pub(in crate::transport) fn challenge(bytes: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    // One line may hold several headers.
    for value in bytes.split(|byte| *byte == 0) {
        headers.extend(HeaderValue::from_bytes(value).ok().map(|value| (WWW_AUTHENTICATE, value)));
    }
    challenge::read(&headers).is_ok()
}

pub(in crate::transport) fn pause(bytes: &[u8]) -> Duration {
    let value = HeaderValue::from_bytes(bytes).ok();
    let headers = value.map(|value| HeaderMap::from_iter([(RETRY_AFTER, value)]));
    let mut tries = retry::Tries::new(&Options::default());
    tries.pause(headers.as_ref()).unwrap_or_default()
}

pub(in crate::transport) fn error_words(bytes: &[u8]) -> String {
    response::error_codes(bytes);
    response::words(bytes)
}

pub(in crate::transport) fn logins(bytes: &[u8]) -> usize {
    files::parse(bytes).map_or(0, |file| file.usable())
}

pub(in crate::transport) fn login_keys(
    bytes: &[u8],
    registry: &str,
    repository: &str,
) -> Vec<String> {
    let Ok(file) = files::parse(bytes) else { return Vec::new() };
    let keys = |is_docker| file.keys(registry, repository, is_docker);
    assert!(keys(false).iter().all(|key| keys(true).contains(key)), "Docker matches more keys");
    keys(true).into_iter().map(str::to_owned).collect()
}

pub(in crate::transport) fn token(bytes: &[u8]) -> bool {
    token::read_answer(bytes).is_some()
}

pub(in crate::transport) fn helper(bytes: &[u8]) -> bool {
    helper::read_answer(bytes).is_some()
}
