//! Canonical JSON: the same value gives the same bytes in every process (RFC 8785).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

/// An object whose parts are text, by their names.
pub type Parts = BTreeMap<String, Box<RawValue>>;

/// Writes a value as canonical JSON: keys in order, no blanks.
///
/// # Errors
///
/// Never for the types of this room; a map with keys that are no strings has no JSON.
pub fn to_bytes<T: Serialize>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let formatter = canon_json::CanonicalFormatter::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    value.serialize(&mut serializer)?;
    Ok(bytes)
}

/// Writes a value as canonical JSON that becomes a part of something else.
///
/// # Errors
///
/// As [`to_bytes`].
pub fn part<T: Serialize>(value: &T) -> serde_json::Result<Box<RawValue>> {
    RawValue::from_string(String::from_utf8_lossy(&to_bytes(value)?).into_owned())
}

/// Puts parts together, each as it stands: somebody else's numbers may have more digits than the
/// canonical form keeps.
///
/// # Errors
///
/// Never, as [`to_bytes`].
pub fn join<T: Serialize + ?Sized>(parts: &T) -> serde_json::Result<Box<RawValue>> {
    serde_json::value::to_raw_value(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_and_strings_kept_byte_for_byte() {
        let value = serde_json::json!({"b": 30_000_000_000_u64, "a": "e\u{301}\n", "A": [{}]});
        let bytes = to_bytes(&value).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "{\"A\":[{}],\"a\":\"e\u{301}\\n\",\"b\":30000000000}"
        );
    }
}
