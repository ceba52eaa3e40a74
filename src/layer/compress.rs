//! Compressing a tar block by block.
//!
//! A tar is cut into blocks, and each becomes a gzip member or a zstd frame of its own; both
//! formats say that a concatenation of those is a whole. So any number of cores may work at one
//! layer, and the bytes depend on the content and the level alone. Tests compare what others
//! unpack of such layers, of several members and frames each, with what went in: the programs gzip
//! and zstd with GNU tar, skopeo (which makes one of the other), umoci, crane, podman, containerd
//! and Docker. umoci 0.4 and Docker 20.10 know no zstd, whoever wrote it.
//!
//! What it costs, measured on Debian's packages on one core of a machine that hashes 1,860 MB/s;
//! libdeflate is both faster and denser than zlib-rs, because it is given whole blocks:
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
//! zlib-ng is faster than libdeflate where it packs least and slower where it packs well: beside
//! libdeflate's 0.359 and 0.305 on other packages it made 0.459 at level 1, 1.1 times as fast, and
//! 0.340 at level 6, 0.6 times as fast; members of 1 MiB cost it nothing.
//!
//! The default of gzip is 6 and not 4: a layer is made once and pulled often, and 4 is a fifth
//! faster (elsewhere up to a half) for 2.6 % more bytes in every pull. On two cores of another
//! machine frames of 4 MiB make 608 MB/s at level 3, and one frame with two of zstd's own threads
//! 497, a third of a percent smaller.

use super::LayerError;
use crate::spec::Compression;

/// How many bytes of tar become one member. Deflate looks back 32 KiB, so more gains nothing.
const GZIP_BLOCK: usize = 1 << 20;
/// How many bytes of tar become one frame. zstd looks back megabytes.
const ZSTD_BLOCK: usize = 4 << 20;
/// Plain tars have no members; smaller blocks stay in a core's own cache from reading to hashing.
const PLAIN_BLOCK: usize = 256 << 10;

/// The libraries that make the bytes, for the cache key. A test holds them against the lock file.
pub(super) const LIBDEFLATE: &str = "1.26.1";
pub(super) const ZSTD: &str = "2.1.2+zstd.1.5.7";

/// How many bytes of tar are handled at a time.
pub(super) fn block_size(compression: Compression) -> usize {
    match compression {
        Compression::None {} => PLAIN_BLOCK,
        Compression::Gzip { .. } => GZIP_BLOCK,
        Compression::Zstd { .. } => ZSTD_BLOCK,
    }
}

/// Names compressor, level and block size, so that no key outlives a change of them.
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
    // It had room for what cannot be compressed, and may wait for a while to be written.
    packed.shrink_to_fit();
    Ok(packed)
}

/// libdeflate's header has no time, no name and "unknown" as the system.
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
