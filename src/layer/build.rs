//! Making layers in parallel.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::pipeline::{Blocks, Pipeline};
use super::store::{Kept, Key, Lookup, Record, Store};
use super::tar::Source;
use super::{Blob, Content, Layer, LayerError, Request};
use crate::digest::Digest;
use crate::report::Reporter;
use crate::spec::Compression;

/// Hears of finished layers. An error says that nobody wants more of them.
pub type Made<'a> = dyn Fn(&Layer) -> io::Result<()> + Sync + 'a;

/// Makes the layers, on `jobs` threads (0: as many as there are cores); the answer has the order
/// of the requests.
pub fn build(
    requests: &[Request<'_>],
    store: &dyn Store,
    jobs: usize,
    reporter: &dyn Reporter,
) -> Result<Vec<Layer>, LayerError> {
    build_and_tell(requests, store, jobs, reporter, &|_| Ok(()))
}

/// As [`build`], and tells of the layers while others are still being made: in an order that
/// the requests alone decide, the largest first.
pub fn build_and_tell(
    requests: &[Request<'_>],
    store: &dyn Store,
    jobs: usize,
    reporter: &dyn Reporter,
    told: &Made<'_>,
) -> Result<Vec<Layer>, LayerError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build()?;
    let blocks = Blocks::new(pool.current_num_threads());
    let work = Work { store, reporter, blocks };
    let queue = Queue::new(requests);
    let in_order = InOrder { told, state: Mutex::default() };
    let made = pool.broadcast(|_| {
        let mut made = Vec::new();
        while let Some((place, index, request)) = queue.next() {
            let layer = work.layer(request).and_then(|layer| in_order.finished(place, layer));
            let layer = layer.map_err(|source| LayerError::Write {
                number: index + 1,
                of: requests.len(),
                name: request.name.clone(),
                source: Box::new(source),
            });
            queue.failed.fetch_or(layer.is_err(), Ordering::Relaxed);
            made.push((index, layer));
        }
        made
    });
    let mut made: Vec<_> = made.into_iter().flatten().collect();
    made.sort_by_key(|(index, _)| *index);
    made.into_iter().map(|(_, layer)| layer).collect()
}

/// Layers that wait to be made. The largest go first, so that no core is left with a large one
/// when the others have nothing more to do.
struct Queue<'a> {
    requests: Vec<(usize, &'a Request<'a>)>,
    next: AtomicUsize,
    failed: AtomicBool,
}

impl<'a> Queue<'a> {
    fn new(requests: &'a [Request<'a>]) -> Self {
        let mut requests: Vec<_> = requests.iter().enumerate().collect();
        requests.sort_by_key(|(index, request)| (Reverse(nar_size(request.content)), *index));
        Self { requests, next: AtomicUsize::new(0), failed: AtomicBool::new(false) }
    }

    /// The next one, with its place in the queue and among the requests; none after a failure.
    fn next(&self) -> Option<(usize, usize, &'a Request<'a>)> {
        if self.failed.load(Ordering::Relaxed) {
            return None;
        }
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        self.requests.get(place).map(|(index, request)| (place, *index, *request))
    }
}

/// Tells of layers in the order of the queue, whichever is finished first.
struct InOrder<'a> {
    told: &'a Made<'a>,
    /// The place whose turn it is, and finished layers that wait for theirs.
    state: Mutex<(usize, BTreeMap<usize, Layer>)>,
}

impl InOrder<'_> {
    fn finished(&self, place: usize, layer: Layer) -> Result<Layer, LayerError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (turn, waiting) = &mut *state;
        waiting.insert(place, layer.clone());
        while let Some(layer) = waiting.remove(turn) {
            (self.told)(&layer).map_err(LayerError::Sink)?;
            *turn += 1;
        }
        Ok(layer)
    }
}

/// What the tar will be large, roughly.
fn nar_size(content: Content<'_>) -> Option<u64> {
    match content {
        Content::StorePaths(infos) => Some(infos.iter().map(|info| info.nar_size).sum()),
        Content::Rootfs(..) => None,
    }
}

struct Work<'a> {
    store: &'a dyn Store,
    reporter: &'a dyn Reporter,
    blocks: Arc<Blocks>,
}

impl Work<'_> {
    fn layer(&self, request: &Request<'_>) -> Result<Layer, LayerError> {
        let (source, key) = match request.content {
            Content::StorePaths(infos) => {
                let paths = infos.iter().map(|info| info.path.clone()).collect();
                let key = Key::new(infos, request.compression, request.mtime);
                (Source::StorePaths(paths), Some(key))
            }
            Content::Rootfs(rootfs, infos) => {
                let key = Key::of_files(rootfs, infos, request.compression, request.mtime);
                (Source::Rootfs(Arc::new(rootfs.clone())), key)
            }
        };
        let found = key.map(|key| self.store.get(&key)).transpose()?.unwrap_or(Lookup::Miss(None));
        let (record, kept, seen) = match found {
            Lookup::Hit(record, kept) => {
                self.reporter.skip(nar_size(request.content).unwrap_or_default());
                (record, kept, None)
            }
            Lookup::Miss(_claim) => self.make(request, &source, key)?,
            Lookup::Damaged(why, _claim) => {
                let name = &request.name;
                self.reporter.warn(&format!("the cached layer of {name} is made again: {why}"));
                self.make(request, &source, key)?
            }
        };
        let Record { digest, blob_size, .. } = record;
        let blob = match kept {
            Some(kept) if seen.is_some() => {
                Blob::written(kept.path, digest, blob_size, kept.guard)?
            }
            Some(kept) => Blob::file(kept.path, digest, blob_size, kept.guard),
            None => Blob::tar(source, request.mtime, digest, blob_size, seen),
        };
        Ok(Layer {
            name: request.name.clone(),
            digest: record.digest,
            diff_id: record.diff_id,
            blob_size: record.blob_size,
            tar_size: record.tar_size,
            compression: request.compression,
            blob,
        })
    }

    fn make(
        &self,
        request: &Request<'_>,
        source: &Source,
        key: Option<Key>,
    ) -> Result<(Record, Option<Kept>, Option<Digest>), LayerError> {
        let task = self.reporter.start(&request.name, nar_size(request.content));
        let plain = matches!(request.compression, Compression::None {});
        let mut blob = if plain { None } else { Some(self.store.create()?) };
        let mut reader = source.open(request.mtime);
        let deliver = |bytes: &[u8]| match &mut blob {
            Some(blob) => Ok(blob.write_all(bytes)?),
            None => Ok(()),
        };
        let blocks = Arc::clone(&self.blocks);
        let mut pipeline = Pipeline::new(request.compression, blocks, deliver);
        loop {
            let mut buffer = pipeline.buffer();
            let count = reader.fill(&mut buffer)?;
            if count == 0 {
                break;
            }
            task.advance(pipeline.push(buffer, count)?);
        }
        let (tar, packed, done) = pipeline.finish()?;
        task.advance(done);
        let record = Record {
            digest: packed.digest(),
            diff_id: tar.diff_id(),
            blob_size: packed.size,
            tar_size: tar.size,
        };
        let kept = self.store.put(key.as_ref(), &record, blob)?;
        Ok((record, kept, Some(reader.seen())))
    }
}
