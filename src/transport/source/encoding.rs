//! How a tar is packed, and how much may come out of what is packed.

use std::io::{self, BufRead, Read};

/// Below this, no ratio is suspicious.
const SMALL: u64 = 1 << 30;
/// Real layers shrink to a third; zeros, to a thousandth.
const MOST_TIMES: u64 = 300;

/// How many bytes may come out of so many compressed ones.
pub(crate) fn most_inflated(size: u64) -> u64 {
    size.saturating_mul(MOST_TIMES).max(SMALL)
}

/// What comes out is more than that.
pub(crate) fn inflates_too_much() -> io::Error {
    io::Error::other(format!("it inflates to more than {MOST_TIMES} times its size"))
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
