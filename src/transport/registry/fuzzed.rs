//! Doors for the fuzz targets.

use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

use super::{challenge, client, credentials};

pub(in crate::transport) fn challenge(bytes: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    // One line may hold several headers.
    for value in bytes.split(|byte| *byte == 0) {
        headers.extend(HeaderValue::from_bytes(value).ok().map(|value| (WWW_AUTHENTICATE, value)));
    }
    challenge::read(&headers).is_ok()
}

pub(in crate::transport) fn error_words(bytes: &[u8]) -> String {
    client::words(bytes)
}

pub(in crate::transport) fn logins(bytes: &[u8]) -> usize {
    credentials::parse(bytes).map_or(0, |file| file.usable())
}
