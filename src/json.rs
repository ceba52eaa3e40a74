//! Canonical JSON: the same value gives the same bytes in every process (RFC 8785).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

/// An object whose values are raw JSON, by key.
pub type Parts = BTreeMap<String, Box<RawValue>>;

/// Serializes a value as canonical JSON: sorted keys, no white space.
///
/// # Errors
///
/// Never for the types of this crate; a map whose keys are not strings has no JSON form.
pub fn to_bytes<T: Serialize>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let formatter = canon_json::CanonicalFormatter::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    value.serialize(&mut serializer)?;
    Ok(bytes)
}

/// Serializes a value as canonical JSON that becomes a part of another value.
///
/// # Errors
///
/// Those of [`to_bytes`].
pub fn part<T: Serialize>(value: &T) -> serde_json::Result<Box<RawValue>> {
    RawValue::from_string(String::from_utf8_lossy(&to_bytes(value)?).into_owned())
}

/// Joins raw parts without a change: numbers of other programs may have more digits than the
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
    fn json_keys_are_sorted_and_strings_kept() {
        let value = serde_json::json!({"b": 30_000_000_000_u64, "a": "e\u{301}\n", "A": [{}]});
        let bytes = to_bytes(&value).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "{\"A\":[{}],\"a\":\"e\u{301}\\n\",\"b\":30000000000}"
        );
    }
}
