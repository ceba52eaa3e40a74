//! Digests: what names a blob, and how it is computed.
//!
//! Two types, so that one is never taken for the other: a [`Digest`] names the bytes of a blob as
//! stored and sent, a [`DiffId`] names a layer's tar before compression. Both are SHA-256, as the
//! OCI image specification requires every implementation to support.

mod lanes;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use ring::digest::{self as sha, SHA256};
use serde::{Deserialize, Serialize};

/// Why a string is no digest.
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
            /// Takes the 32 bytes of a finished SHA-256.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Hashes bytes that are in memory whole.
            pub fn of(bytes: &[u8]) -> Self {
                Self(sha256_of(&sha::digest(&SHA256, bytes)))
            }

            /// The 64 lowercase hexadecimal digits, without `sha256:`; a blob's file name in a
            /// layout.
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
    /// Names a blob by the SHA-256 of its bytes as stored and sent (image-spec, descriptor.md).
    Digest
}

sha256_id! {
    /// Names a layer by the SHA-256 of its tar before compression (image-spec, config.md).
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

/// Refuses everything but `sha256:` and 64 lowercase digits, so that no digest from outside can
/// become a path or a URL of another shape.
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

/// A hostile digest may be megabytes long; an error shows its beginning.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// What went into a [`Hasher`]: the SHA-256 and the count of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// SHA-256 of the bytes, to be made a [`Digest`] or a [`DiffId`] by who knows which it is.
    pub sha256: [u8; 32],
    /// How many bytes passed.
    pub size: u64,
}

impl Hashed {
    /// The digest of a blob.
    pub fn digest(&self) -> Digest {
        Digest(self.sha256)
    }

    /// The diff id of an uncompressed tar.
    pub fn diff_id(&self) -> DiffId {
        DiffId(self.sha256)
    }
}

/// ring's digests know no length of their own.
fn sha256_of(digest: &sha::Digest) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

/// Hashes and counts bytes; hides which code hashes them on the CPU at hand. The result exists
/// only after [`finish`](Hasher::finish), so nobody can take the digest of half a stream.
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

    /// How many streams are best hashed at once, by [`update_all`](Hasher::update_all): two where
    /// the CPU has instructions for SHA-256, several where its vectors take them in lockstep, else
    /// one.
    pub fn streams_at_once() -> usize {
        lanes::Backend::here().streams()
    }

    /// Starts a stream at zero bytes that goes on beside others; see
    /// [`update_all`](Hasher::update_all).
    pub fn interleaved() -> Self {
        Self { sha256: Sha256::Lane(lanes::Lane::new(lanes::Backend::here())), size: 0 }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.sha256 {
            Sha256::Single(context) => context.update(bytes),
            Sha256::Lane(lane) => lane.update(bytes),
        }
        self.size += bytes.len() as u64;
    }

    /// Takes the next bytes of several streams, together where they began
    /// [`interleaved`](Hasher::beside_others).
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

    /// How many bytes there were so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What there was, in all.
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

/// What is written to it is hashed.
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
    fn a_digest_reads_back_as_it_was_written() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest, Digest::of(b""));
        assert_eq!(digest.to_string(), EMPTY);
    }

    #[test]
    fn digests_are_those_of_another_implementation_whatever_the_pieces() {
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
    fn strings_that_could_become_other_paths_are_no_digests() {
        // fault 57
        let upper = EMPTY.to_uppercase().replace("SHA256", "sha256");
        let short = &EMPTY[..EMPTY.len() - 1];
        for text in ["", "sha256:", "sha256:xyz", "sha256:../../x", &upper, short, "sha512:00"] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
