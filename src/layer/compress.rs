//! Compresses a tar block by block.
//!
//! Each block of the tar becomes one gzip member (RFC 1952, section 2.2) or one zstd frame (RFC
//! 8878, section 3.1); both formats allow concatenation. So any number of cores can compress one
//! layer, and the bytes depend on content and level alone. Tests unpack layers of several members
//! and frames with gzip, zstd and GNU tar, skopeo, umoci, crane, podman, containerd and Docker.
//! umoci 0.4 and Docker 20.10 do not support zstd.
//!
//! Measured with Debian's packages on one core of a machine that hashes 1,860 MB/s. libdeflate is
//! faster and denser than zlib-rs because it gets whole blocks:
//!
//! | | level | MB/s | size |
//! |---|---|---|---|
//! | libdeflate, members of 1 MiB | 1 | 188 | 0.410 |
//! | | 4 | 125 | 0.389 |
//! | | **6** | 103 | 0.379 |
//! | | 9 | 42 | 0.377 |
//! | zlib-rs, one member | 1 | 199 | 0.491 |
//! | | 6 | 72 | 0.392 |
//! | zstd, frames of 1 MiB | 3 | 313 | 0.372 |
//! | zstd, frames of 4 MiB | **3** | 301 | 0.355 |
//! | | 9 | 72 | 0.326 |
//! | zstd, one frame | 3 | 293 | 0.353 |
//!
//! zlib-ng is faster than libdeflate at level 1 and slower at level 6. On other packages, where
//! libdeflate reached 0.359 and 0.305, zlib-ng reached 0.459 at level 1 with 1.1 times the speed,
//! and 0.340 at level 6 with 0.6 times the speed. Members of 1 MiB did not slow it down.
//!
//! The default level of gzip is 6 because a layer is built once and pulled often: level 4 is 20 %
//! faster (up to 50 % on other machines) and adds 2.6 % to every pull. On two cores of another
//! machine, zstd at level 3 reached 608 MB/s with frames of 4 MiB, and 497 MB/s with one frame and
//! two threads of zstd, which was 0.3 % smaller.

use super::LayerError;
use crate::spec::Compression;

/// Bytes of tar in one gzip member. Deflate has a window of 32 KiB, so larger blocks gain nothing.
const GZIP_BLOCK: usize = 1 << 20;
/// Bytes of tar in one zstd frame. The window of zstd has megabytes.
const ZSTD_BLOCK: usize = 4 << 20;
/// Bytes of a plain tar in one block. A block of this size stays in the cache of a core between
/// reading and hashing.
const PLAIN_BLOCK: usize = 256 << 10;

/// Versions of the compressors, for the cache key. A test compares them with `Cargo.lock`.
pub(super) const LIBDEFLATE: &str = "1.26.1";
pub(super) const ZSTD: &str = "2.1.2+zstd.1.5.7";

/// Returns the bytes of tar in one block.
pub(super) fn block_size(compression: Compression) -> usize {
    match compression {
        Compression::None {} => PLAIN_BLOCK,
        Compression::Gzip { .. } => GZIP_BLOCK,
        Compression::Zstd { .. } => ZSTD_BLOCK,
    }
}

/// Returns compressor, level and block size as text, which is part of the cache key.
pub(super) fn describe(compression: Compression) -> String {
    let block = block_size(compression);
    match compression {
        Compression::None {} => "none".into(),
        Compression::Gzip { level } => format!("gzip {level} libdeflate {LIBDEFLATE} {block}"),
        Compression::Zstd { level } => format!("zstd {level} zstd-sys {ZSTD} {block}"),
    }
}

/// Compresses one block.
pub(super) fn block(compression: Compression, bytes: &[u8]) -> Result<Vec<u8>, LayerError> {
    let mut packed = match compression {
        Compression::None {} => Ok(bytes.to_vec()),
        Compression::Gzip { level } => gzip(level, bytes),
        Compression::Zstd { level } => {
            let level = i32::try_from(level).unwrap_or(3);
            zstd::bulk::compress(bytes, level)
                .map_err(|e| LayerError::Compress("zstd", e.to_string()))
        }
    }?;
    // The buffer has the size of incompressible data, and it may wait a while to be written.
    packed.shrink_to_fit();
    Ok(packed)
}

/// Compresses to one gzip member. The header of libdeflate has no time, no name, and "unknown" as
/// the operating system.
fn gzip(level: u32, bytes: &[u8]) -> Result<Vec<u8>, LayerError> {
    let failed = |why: String| LayerError::Compress("gzip", why);
    let level = i32::try_from(level)
        .ok()
        .and_then(|level| libdeflater::CompressionLvl::new(level).ok())
        .ok_or_else(|| failed(format!("it has no level {level}")))?;
    let mut compressor = libdeflater::Compressor::new(level);
    let mut out = vec![0; compressor.gzip_compress_bound(bytes.len())];
    let size = compressor.gzip_compress(bytes, &mut out).map_err(|e| failed(e.to_string()))?;
    out.truncate(size);
    Ok(out)
}
