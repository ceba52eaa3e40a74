//! Canonical JSON: the same value gives the same bytes in every process (RFC 8785).

use serde::Serialize;

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
