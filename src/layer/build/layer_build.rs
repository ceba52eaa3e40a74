//! [`LayerBuild`]: one layer, from its request to its blob.

use std::sync::Arc;

use super::pipeline::{Pipeline, Shared};
use crate::layer::cache::{BuildLock, CachedBytes, LayerBytes, LayerCache, LayerRecord, Lookup};
use crate::layer::key::LayerKey;
use crate::layer::tar::{TarContent, TarReader};
use crate::layer::trust::Seen;
use crate::layer::{Blob, Content, Layer, LayerError, Request};
use crate::progress::{Reporter, Task};
use crate::spec::Compression;

/// The cache, reporter and pools that all layers of a build share.
pub(in crate::layer) struct BuildContext<'a> {
    pub(in crate::layer) store: &'a dyn LayerCache,
    pub(in crate::layer) reporter: &'a dyn Reporter,
    pub(in crate::layer) shared: Shared,
}

/// The result of starting a layer.
pub(in crate::layer) enum BuildStart<'a> {
    /// The cache has the layer.
    Cached(Box<Layer>),
    Started(Box<LayerBuild<'a>>),
    /// Another process or thread is building the layer.
    InProgress,
}

impl BuildContext<'_> {
    /// Looks up a layer, or starts to build it. Waits for another builder only if `may_wait`.
    pub(in crate::layer) fn begin<'a>(
        &self,
        request: &'a Request<'a>,
        may_wait: bool,
    ) -> Result<BuildStart<'a>, LayerError> {
        let (source, key) = match request.content {
            Content::StorePaths(infos) => {
                let paths = infos.iter().map(|info| info.path.clone()).collect();
                let key = LayerKey::new(infos, request.compression, request.mtime);
                (TarContent::StorePaths(paths), Some(key))
            }
            Content::Rootfs(rootfs, infos) => {
                let key = LayerKey::of_files(rootfs, infos, request.compression, request.mtime);
                (TarContent::Rootfs(Arc::clone(rootfs)), key)
            }
        };
        let found = key.map(|key| self.store.get(&key, may_wait)).transpose()?;
        let claim = match found.unwrap_or(Lookup::Miss(None)) {
            Lookup::Hit(record, had) => {
                self.reporter.skip(request.content.nar_size().unwrap_or_default());
                let (digest, size) = (record.digest, record.blob_size);
                let blob = match had {
                    CachedBytes::Blob(kept) => Blob::from_file(kept, digest, size, false),
                    CachedBytes::Plain(before) => {
                        Blob::tar(source, request.mtime, digest, size, Seen::Before(before))
                    }
                };
                return Ok(BuildStart::Cached(Box::new(layer(request, record, blob))));
            }
            Lookup::InProgress => return Ok(BuildStart::InProgress),
            Lookup::Miss(claim) => claim,
            Lookup::Damaged(why, claim) => {
                let name = &request.name;
                self.reporter.warn(&format!("the cached layer of {name} is made again: {why}"));
                claim
            }
        };
        let task = self.reporter.start(&request.name, request.content.nar_size());
        let plain = matches!(request.compression, Compression::None {});
        let file = if plain { None } else { Some(self.store.create()?) };
        let pipeline = Pipeline::new(request.compression, &self.shared, file);
        let reader = source.open(request.mtime);
        Ok(BuildStart::Started(Box::new(LayerBuild {
            request,
            source,
            key,
            reader,
            pipeline,
            task,
            _claim: claim,
        })))
    }
}

/// A layer in progress.
pub(in crate::layer) struct LayerBuild<'a> {
    request: &'a Request<'a>,
    source: TarContent,
    key: Option<LayerKey>,
    reader: TarReader,
    pipeline: Pipeline,
    task: Box<dyn Task>,
    _claim: BuildLock,
}

impl LayerBuild<'_> {
    /// Reads a block of the tar and pushes it into the pipeline. Returns true if there may be
    /// another block.
    pub(in crate::layer) fn step(&mut self) -> Result<bool, LayerError> {
        let mut buffer = self.pipeline.buffer();
        let size = buffer.len();
        let count = self.reader.fill(&mut buffer)?;
        if count > 0 {
            self.task.advance(self.pipeline.push(buffer, count)?);
        }
        Ok(count == size)
    }

    pub(in crate::layer) fn finish(self, store: &dyn LayerCache) -> Result<Layer, LayerError> {
        let finished = self.pipeline.finish()?;
        self.task.advance(finished.done);
        let record = LayerRecord {
            digest: finished.blob.digest(),
            diff_id: finished.tar.diff_id(),
            blob_size: finished.blob.size,
            tar_size: finished.tar.size,
        };
        let (digest, size) = (record.digest, record.blob_size);
        let seen = self.reader.seen();
        let bytes = finished.file.map_or(LayerBytes::Plain(seen), LayerBytes::Blob);
        let blob = if let Some(kept) = store.put(self.key.as_ref(), &record, bytes)? {
            Blob::from_file(kept, digest, size, true)
        } else {
            Blob::tar(self.source, self.request.mtime, digest, size, Seen::Now(seen))
        };
        Ok(layer(self.request, record, blob))
    }
}

fn layer(request: &Request<'_>, record: LayerRecord, blob: Blob) -> Layer {
    Layer {
        name: request.name.clone(),
        digest: record.digest,
        diff_id: record.diff_id,
        blob_size: record.blob_size,
        tar_size: record.tar_size,
        compression: request.compression,
        blob,
    }
}
