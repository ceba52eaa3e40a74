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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// The tar itself.
    Plain,
    /// One gzip member or several.
    Gzip,
    /// Zstandard frames, skippable ones among them.
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

    /// OCI's media type for a layer that is encoded so.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// The length of the longest magic number.
pub(crate) const MAGIC_LENGTH: usize = 10;
/// The memory of an xz decoder in KiB. `xz -9` takes half of it.
const MAX_XZ_MEMORY: u32 = 128 << 10;

/// The compression of a file, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Magic {
    /// One that layers have too.
    Layer(Encoding),
    /// bzip2, which only archives have.
    Bzip2,
    /// xz, which only archives have.
    Xz,
}

impl Magic {
    /// Recognizes the first [`MAGIC_LENGTH`] bytes.
    pub(crate) fn of(start: &[u8]) -> Self {
        // A bzip2 stream continues with its first block, or with its end.
        const BLOCK: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
        const END: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
        match start {
            [0x1f, 0x8b, ..] => Self::Layer(Encoding::Gzip),
            // A frame, or a skippable frame (RFC 8878, sections 3.1.1 and 3.1.2).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Self::Layer(Encoding::Zstd)
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
                if rest.starts_with(&BLOCK) || rest.starts_with(&END) =>
            {
                Self::Bzip2
            }
            _ => Self::Layer(Encoding::Plain),
        }
    }

    /// Returns the name that messages use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Layer(Encoding::Plain) => "a plain tar",
            Self::Layer(Encoding::Gzip) => "gzip",
            Self::Layer(Encoding::Zstd) => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    /// Decompresses a stream.
    pub(crate) fn decoder<'a>(self, packed: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Layer(Encoding::Plain) => Box::new(packed),
            Self::Layer(Encoding::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Self::Layer(Encoding::Zstd) => Box::new(zstd::Decoder::with_buffer(packed)?),
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(packed)),
            Self::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(packed, true, MAX_XZ_MEMORY)),
        })
    }
}

/// Names a compression that cooper does not read, by the first bytes of what is not a tar.
pub(super) fn unread_compression(start: &[u8]) -> Option<&'static str> {
    Some(match start {
        [0x04, 0x22, 0x4d, 0x18, ..] => "lz4",
        [b'L', b'Z', b'I', b'P', ..] => "lzip",
        [0x89, b'L', b'Z', b'O', ..] => "lzop",
        [0x5d, 0, 0, ..] => "lzma",
        [0x1f, 0x9d, ..] => "compress",
        [b'P', b'K', 3, 4, ..] => "zip",
        [b'7', b'z', 0xbc, 0xaf, ..] => "7z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_of_zstd_is_recognized_and_read() {
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        for low in 0x50..=0x5f {
            let skippable = [&[low, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
            for blob in [
                [&skippable[..], &zstd(b"one"), &zstd(b"two")].concat(),
                [&zstd(b"one"), &skippable[..], &zstd(b"two")].concat(),
                [&skippable[..], &skippable, &zstd(b"onetwo"), &skippable].concat(),
            ] {
                let magic = Magic::of(&blob);
                let mut read = Vec::new();
                magic.decoder(&blob[..]).unwrap().read_to_end(&mut read).unwrap();
                assert_eq!((magic, &read[..]), (Magic::Layer(Encoding::Zstd), &b"onetwo"[..]));
            }
        }
        for other in [[0x4f, 0x2a, 0x4d, 0x18], [0x60, 0x2a, 0x4d, 0x18], [0x50, 0x2a, 0x4d, 0x19]]
        {
            assert_eq!(Magic::of(&other), Magic::Layer(Encoding::Plain));
        }
    }

    #[test]
    fn name_that_begins_like_a_magic_number_is_a_tar() {
        for start in ["BZh9-notes.txt", "BZh.tar\0\0\0", "xz", "7zXZ", ""] {
            assert_eq!(Magic::of(start.as_bytes()), Magic::Layer(Encoding::Plain), "{start}");
        }
    }

    #[test]
    fn xz_that_wants_more_memory_than_allowed_is_refused() {
        let mut options = lzma_rust2::XzOptions::with_preset(1);
        for (size, is_read) in [(64 << 20, true), (256 << 20, false)] {
            options.lzma_options.dict_size = size;
            let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options.clone()).unwrap();
            io::Write::write_all(&mut writer, b"text").unwrap();
            let blob = writer.finish().unwrap();
            let read = io::copy(&mut Magic::Xz.decoder(&blob[..]).unwrap(), &mut io::sink());
            assert_eq!(read.is_ok(), is_read, "{size}: {read:?}");
        }
    }
}
