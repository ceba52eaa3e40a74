//! The ways in which versions of Nix write the SHA-256 of a nar.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;

use super::BASE32;

/// A nar's SHA-256 as a store's database has it: `sha256:` and Nix's base 32.
pub fn nar_hash(sha256: &[u8; 32]) -> String {
    let at = |index: usize| u16::from(sha256.get(index).copied().unwrap_or_default());
    let digit = |number: usize| {
        let (index, shift) = (number * 5 / 8, number * 5 % 8);
        let bits = (at(index) | at(index + 1) << 8) >> shift;
        BASE32.as_bytes().get(usize::from(bits & 31)).copied().map_or('0', char::from)
    };
    // The last bits come first.
    let digits: String = (0..52).rev().map(digit).collect();
    format!("sha256:{digits}")
}

/// Brings a hash to the form of [`nar_hash`], so that two of them are the same if their texts are.
/// What no store would register is refused: without a hash one name would stand for any content.
pub(super) fn read<'de, D: serde::Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let text = String::deserialize(d)?;
    let digits = ["sha256:", "sha256-"].iter().find_map(|name| text.strip_prefix(name));
    if !digits
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_graphic()))
    {
        let why = format!("`{text}` is no hash of a nar, which starts with `sha256:` or `sha256-`");
        return Err(serde::de::Error::custom(why));
    }
    Ok(bytes(&text).map_or(text, |sha256| nar_hash(&sha256)))
}

/// The bytes of base 16 behind `sha256:`, or of base 64 behind `sha256-`.
fn bytes(text: &str) -> Option<[u8; 32]> {
    let bytes = match text.strip_prefix("sha256:") {
        Some(digits) => base16(digits)?,
        None => BASE64_STANDARD.decode(text.strip_prefix("sha256-")?).ok()?,
    };
    bytes.try_into().ok()
}

fn base16(digits: &str) -> Option<Vec<u8>> {
    let nibbles = digits.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok());
    let nibbles: Vec<u8> = nibbles.collect::<Option<_>>()?;
    let (pairs, []) = nibbles.as_chunks() else { return None };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store_path::PathInfo;

    #[test]
    fn one_hash_is_the_same_however_nix_writes_it() {
        // `nix hash file --type sha256` of no bytes, in three forms.
        let empty = "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
        let read = |hash: &str| {
            let path = "/nix/store/ppalkb4fq3rl0qvhbbhvzwmh2yk9i1l1-hello";
            let json = serde_json::json!({"path": path, "narHash": hash, "narSize": 1});
            serde_json::from_value::<PathInfo>(json).map(|info| info.nar_hash)
        };
        for hash in [
            empty,
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        ] {
            assert_eq!(read(hash).unwrap(), empty);
        }
        assert_eq!(nar_hash(&[0; 32]), format!("sha256:{}", "0".repeat(52)));
        for other in ["sha256:e3", "sha256:+3"] {
            assert_eq!(read(other).unwrap(), other);
        }
        for none in ["", " ", "x", "sha256-", "sha256:a b", "sha256:\n", "sha512-AAAA", "sha256:é"]
        {
            let error = read(none).unwrap_err().to_string();
            assert!(error.contains("is no hash of a nar"), "{error}");
        }
    }
}
