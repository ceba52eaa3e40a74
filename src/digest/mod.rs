//! SHA-256 digests of blobs and layers.
//!
//! Two types prevent mixing them up: a [`Digest`] identifies the bytes of a blob as stored and sent,
//! a [`DiffId`] the tar of a layer before compression. Both are SHA-256, which the OCI image
//! specification requires every implementation to support. A [`Hasher`] computes them: single
//! streams with `ring`, several streams together with the code in `lanes`.

mod lanes;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use ring::digest::{self as sha, SHA256};
use serde::{Deserialize, Serialize};

/// The error of a text that is not a digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestError {
    /// The part before the colon is missing or is an algorithm that cooper does not read.
    #[error("digest `{0}` does not start with `sha256:`, the one algorithm that cooper reads")]
    Algorithm(String),
    /// The part after the colon is not 64 lowercase hexadecimal digits.
    #[error("digest `{0}` does not end in 64 lowercase hexadecimal digits")]
    Encoded(String),
}

macro_rules! sha256_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps the 32 bytes of a SHA-256.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Hashes bytes in memory.
            pub fn of(bytes: &[u8]) -> Self {
                Self(sha256_of(&sha::digest(&SHA256, bytes)))
            }

            /// Returns the 64 lowercase hexadecimal digits without `sha256:`, the file name of a blob
            /// in a layout.
            pub fn hex(&self) -> String {
                hex(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "sha256:{}", self.hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.hex())
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                parse(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

sha256_id! {
    /// The SHA-256 of a blob as stored and sent (image-spec, descriptor.md).
    Digest
}

sha256_id! {
    /// The SHA-256 of a layer's tar before compression (image-spec, config.md).
    DiffId
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing into a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Parses `sha256:` and 64 lowercase digits and refuses everything else, so that a digest from
/// outside cannot change the form of a path or a URL.
fn parse(text: &str) -> Result<[u8; 32], DigestError> {
    let Some(encoded) = text.strip_prefix("sha256:") else {
        return Err(DigestError::Algorithm(shown(text)));
    };
    let bad = || DigestError::Encoded(shown(text));
    if encoded.len() != 64 {
        return Err(bad());
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(encoded.as_bytes().chunks(2)) {
        for digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(bad()),
            };
            *byte = *byte << 4 | value;
        }
    }
    Ok(bytes)
}

/// Returns the beginning of a text for an error message; a hostile digest may have megabytes.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// The result of a [`Hasher`]: the SHA-256 and the number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// The SHA-256 of the bytes; the caller makes a [`Digest`] or a [`DiffId`] of it.
    pub sha256: [u8; 32],
    /// The number of bytes.
    pub size: u64,
}

impl Hashed {
    /// Returns the hash as the digest of a blob.
    pub fn digest(&self) -> Digest {
        Digest(self.sha256)
    }

    /// Returns the hash as the diff id of an uncompressed tar.
    pub fn diff_id(&self) -> DiffId {
        DiffId(self.sha256)
    }
}

/// Copies a digest of ring, whose type does not state its length.
fn sha256_of(digest: &sha::Digest) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

/// Hashes and counts bytes with the fastest code for the CPU. The result exists only after
/// [`finish`](Hasher::finish), so a digest of half a stream cannot be taken.
#[derive(Clone)]
pub struct Hasher {
    sha256: Sha256,
    size: u64,
}

#[derive(Clone)]
enum Sha256 {
    Single(sha::Context),
    Lane(lanes::Lane),
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Hasher {
    /// Starts at zero bytes.
    pub fn new() -> Self {
        Self { sha256: Sha256::Single(sha::Context::new(&SHA256)), size: 0 }
    }

    /// Returns the best number of streams for [`update_all`](Hasher::update_all): two if the CPU has
    /// SHA-256 instructions, several if it has wide vectors, otherwise one.
    pub fn streams_at_once() -> usize {
        lanes::Backend::here().streams()
    }

    /// Starts a stream at zero bytes that is hashed together with others; see
    /// [`update_all`](Hasher::update_all).
    pub fn interleaved() -> Self {
        Self { sha256: Sha256::Lane(lanes::Lane::new(lanes::Backend::here())), size: 0 }
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.sha256 {
            Sha256::Single(context) => context.update(bytes),
            Sha256::Lane(lane) => lane.update(bytes),
        }
        self.size += bytes.len() as u64;
    }

    /// Adds the next bytes of several streams. Streams that started
    /// [`interleaved`](Hasher::interleaved) are hashed together.
    pub fn update_all<'a>(streams: impl IntoIterator<Item = (&'a mut Self, &'a [u8])>) {
        let mut together = Vec::new();
        for (hasher, bytes) in streams {
            match &mut hasher.sha256 {
                Sha256::Single(context) => context.update(bytes),
                Sha256::Lane(lane) => together.push((lane, bytes)),
            }
            hasher.size += bytes.len() as u64;
        }
        lanes::update(together);
    }

    /// Returns the number of bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the hash and the number of all bytes.
    pub fn finish(self) -> Hashed {
        let sha256 = match self.sha256 {
            Sha256::Single(context) => sha256_of(&context.finish()),
            Sha256::Lane(lane) => lane.finish(self.size),
        };
        Hashed { sha256, size: self.size }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Hashes the bytes that are written.
impl Write for Hasher {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.update(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digest_parses_its_own_text() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest, Digest::of(b""));
        assert_eq!(digest.to_string(), EMPTY);
    }

    #[test]
    fn hasher_agrees_with_sha2_for_any_pieces() {
        use sha2::Digest as _;
        let bytes: Vec<u8> = (0..4099_u32).map(|n| (n * n / 8).to_le_bytes()[0]).collect();
        for size in [0, 1, 55, 56, 63, 64, 65, 119, 128, 1000, 4099] {
            let bytes = &bytes[..size];
            let expected: [u8; 32] = sha2::Sha256::digest(bytes).into();
            assert_eq!(Digest::of(bytes), Digest::from_bytes(expected));
            let mut hasher = Hasher::new();
            bytes.chunks(7).for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finish(), Hashed { sha256: expected, size: size as u64 });
        }
    }

    #[test]
    fn digest_with_another_form_is_refused() {
        let upper = EMPTY.to_uppercase().replace("SHA256", "sha256");
        let short = &EMPTY[..EMPTY.len() - 1];
        for text in ["", "sha256:", "sha256:xyz", "sha256:../../x", &upper, short, "sha512:00"] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
