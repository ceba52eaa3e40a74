//! All layers of an image, in parallel.

use std::io::Write;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{Blob, Content, Layer, LayerError, Request, tar};
use crate::digest::HashingWriter;
use crate::file::{AtomicFile, Context};
use crate::report::Reporter;
use crate::spec::Compression;

/// Where blobs are put.
pub trait Store: std::fmt::Debug + Sync {
    /// The folder for new blobs.
    fn blobs(&self) -> &Path;
}

/// A store for one process.
#[derive(Debug)]
pub struct TempStore(tempfile::TempDir);

impl TempStore {
    /// Makes the folder.
    pub fn new() -> Result<Self, LayerError> {
        Ok(Self(tempfile::tempdir().context("create a folder in", std::env::temp_dir())?))
    }
}

impl Store for TempStore {
    fn blobs(&self) -> &Path {
        self.0.path()
    }
}

/// Makes all layers; their order is kept. `jobs` 0 means one a core.
pub fn build(
    requests: &[Request<'_>],
    store: &dyn Store,
    jobs: usize,
    reporter: &dyn Reporter,
) -> Result<Vec<Layer>, LayerError> {
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(jobs).build().map_err(LayerError::Threads)?;
    let task = std::sync::Mutex::new(reporter.start("layers", None));
    let of = requests.len();
    pool.install(|| {
        requests
            .par_iter()
            .enumerate()
            .map(|(at, request)| {
                let layer =
                    one(request, store.blobs(), at).map_err(|source| LayerError::Layer {
                        number: at + 1,
                        of,
                        name: request.name.clone(),
                        source: Box::new(source),
                    })?;
                if let Ok(task) = task.lock() {
                    task.advance(layer.tar_size);
                }
                Ok(layer)
            })
            .collect()
    })
}

fn one(request: &Request<'_>, dir: &Path, at: usize) -> Result<Layer, LayerError> {
    let mut file = AtomicFile::create(&dir.join(format!("{at}.new")))?;
    let blob = HashingWriter::new(std::io::BufWriter::new(file.file()));
    let (hashed_blob, hashed_tar) = match request.compression {
        Compression::None {} => {
            let mut tar = HashingWriter::new(blob);
            write(request, &mut tar)?;
            let (blob, hashed) = tar.finish();
            (finish(blob)?, hashed)
        }
        Compression::Gzip { level } => {
            let gzip = flate2::GzBuilder::new().write(blob, flate2::Compression::new(level));
            let mut tar = HashingWriter::new(gzip);
            write(request, &mut tar)?;
            let (gzip, hashed) = tar.finish();
            (finish(gzip.finish().map_err(LayerError::Write)?)?, hashed)
        }
        Compression::Zstd { level } => {
            let level = i32::try_from(level).unwrap_or_default();
            let zstd = zstd::Encoder::new(blob, level).map_err(LayerError::Write)?;
            let mut tar = HashingWriter::new(zstd);
            write(request, &mut tar)?;
            let (zstd, hashed) = tar.finish();
            (finish(zstd.finish().map_err(LayerError::Write)?)?, hashed)
        }
    };
    file.commit()?;
    let path: PathBuf = dir.join(hashed_blob.digest().hex());
    std::fs::rename(dir.join(format!("{at}.new")), &path).context("rename a file to", &path)?;
    Ok(Layer {
        name: request.name.clone(),
        digest: hashed_blob.digest(),
        diff_id: hashed_tar.diff_id(),
        blob_size: hashed_blob.size,
        tar_size: hashed_tar.size,
        compression: request.compression,
        blob: Blob { path },
    })
}

fn finish(blob: HashingWriter<impl Write>) -> Result<crate::digest::Hashed, LayerError> {
    let (mut inner, hashed) = blob.finish();
    inner.flush().map_err(LayerError::Write)?;
    Ok(hashed)
}

fn write(request: &Request<'_>, to: &mut dyn Write) -> Result<(), LayerError> {
    match request.content {
        Content::StorePaths(infos) => tar::store_paths(infos, request.mtime, to),
        Content::Rootfs(rootfs) => tar::rootfs(rootfs, request.mtime, to),
    }
}
