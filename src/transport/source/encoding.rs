//! How a tar is packed, and how much may come out of what is packed.

use std::io::{self, BufRead, Read};

/// The number of bytes that may come out of compressed ones, whatever their number. Files of zeros
/// shrink to a thousandth with gzip, and to far less with zstd, so no ratio tells a bomb from them.
pub(crate) const MAX_INFLATED: u64 = 64 << 30;
/// Beyond that number, bytes may still grow to this multiple. Real layers grow to about three
/// times their size.
pub(crate) const MAX_RATIO: u64 = 300;

/// The largest number of bytes that may come out of a number of compressed ones.
pub(crate) fn most_inflated(compressed: u64, limit: u64) -> u64 {
    compressed.saturating_mul(MAX_RATIO).max(limit)
}

/// More bytes came out than may.
pub(crate) fn inflates_too_much() -> io::Error {
    io::Error::other(format!(
        "it decompresses to more than {} GiB, and to more than {MAX_RATIO} times its size",
        MAX_INFLATED >> 30
    ))
}

/// How a layer's blob holds its tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The tar itself.
    Plain,
    /// One gzip member or several.
    Gzip,
    /// Zstandard frames.
    Zstd,
}

impl Encoding {
    /// By media type, OCI's or Docker's.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        Some(match media_type {
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar"
            | "application/vnd.docker.image.rootfs.diff.tar" => Self::Plain,
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Self::Gzip,
            "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Self::Zstd,
            _ => return None,
        })
    }

    /// By the first bytes of a blob.
    pub fn of_magic(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// Reads what is encoded so.
    pub(crate) fn decoder<'a>(self, encoded: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Plain => Box::new(encoded),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(encoded)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(encoded)?),
        })
    }

    /// OCI's media type for a layer that is encoded so.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}
