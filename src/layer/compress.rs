//! Compressing a tar block by block.
//!
//! A tar is cut into blocks of [`BLOCK`] bytes, and each becomes a gzip member or a zstd frame of
//! its own; both formats say that a concatenation of those is a whole. So any number of cores may
//! work at one layer, and the bytes depend on the content and the level alone.

use super::LayerError;
use crate::spec::Compression;

/// How many bytes of tar become one member or frame.
pub(super) const BLOCK: usize = 1 << 20;

/// The libraries that make the bytes, for the cache key. A test holds them against the lock file.
pub(super) const LIBDEFLATE: &str = "1.26.1";
pub(super) const ZSTD: &str = "2.1.2+zstd.1.5.7";

/// Names compressor, level and block size, so that no key outlives a change of them.
pub(super) fn describe(compression: Compression) -> String {
    match compression {
        Compression::None {} => "none".into(),
        Compression::Gzip { level } => format!("gzip {level} libdeflate {LIBDEFLATE} {BLOCK}"),
        Compression::Zstd { level } => format!("zstd {level} zstd-sys {ZSTD} {BLOCK}"),
    }
}

/// Compresses one block.
pub(super) fn block(compression: Compression, bytes: &[u8]) -> Result<Vec<u8>, LayerError> {
    match compression {
        Compression::None {} => Ok(bytes.to_vec()),
        Compression::Gzip { level } => gzip(level, bytes),
        Compression::Zstd { level } => {
            let level = i32::try_from(level).unwrap_or(3);
            zstd::bulk::compress(bytes, level)
                .map_err(|e| LayerError::Compress("zstd", e.to_string()))
        }
    }
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
