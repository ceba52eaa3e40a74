//! [`Pipeline`]: one layer from tar to blob, on all idle cores.
//!
//! Each block of the tar is hashed for the diff id, in order, and compressed, in any order; both
//! are tasks of the pool. Compressed blocks are written and hashed for the digest in order. When
//! the limit of blocks in progress is reached, the thread that reads the tar runs tasks itself. It
//! sleeps only while other threads run every task that it waits for. So with one layer for each
//! core, a layer stays on its core, and the last layer gets all cores.

use std::collections::VecDeque;
use std::sync::Arc;

use super::block_pool::{Block, BlockPool, Watch};
use super::hasher_pool::{ActiveLayer, HashStream, HasherPool};
use crate::digest::Hashed;
use crate::layer::{LayerError, NewBlob, Request, compress};
use crate::spec::Compression;

/// Blocks in progress that are reserved for the layers of one thread; the pool has the same number
/// for each thread in addition, for any layer. Several layers of a thread share its blocks, at least
/// one each. Reserved blocks of layers that are never started go to the pool.
const BLOCKS: usize = 2;
/// Maximum size of the blocks in progress for one thread, if a block is at most half of it.
const BYTES: usize = 8 << 20;
/// Maximum number of open layers, for any number of threads. Each takes up to three file
/// descriptors, and cooper must work with 64.
const OPEN: usize = 14;
/// Maximum size of the blocks of all layers if threads have several layers open.
const OPEN_BYTES: usize = 16 << 20;

/// The pools and limits that all layers of a build share.
#[derive(Debug, Clone)]
pub(in crate::layer) struct Shared {
    blocks: Arc<BlockPool>,
    hashing: Arc<HasherPool>,
    /// Blocks in progress that are reserved for one layer.
    own_blocks: usize,
    /// Threads that open layers; the others compress and hash.
    workers: usize,
    /// Maximum number of open layers of all threads.
    open: usize,
    at_once: usize,
}

impl Shared {
    /// Computes the limits for a number of threads and of streams that are hashed together.
    pub(in crate::layer) fn new(requests: &[Request<'_>], threads: usize, at_once: usize) -> Self {
        let sizes = requests.iter().map(|request| compress::block_size(request.compression));
        let size = sizes.max().unwrap_or(OPEN_BYTES);
        let workers = threads.min(OPEN);
        let open = OPEN.min(OPEN_BYTES / size).max(workers);
        let most = open.div_ceil(workers).min(at_once);
        let own_blocks = BLOCKS.min(BYTES / size / 2).div_ceil(most).max(1);
        let blocks = BlockPool::new(threads * own_blocks);
        let hashing = Arc::new(HasherPool::new(at_once));
        Self { blocks, hashing, own_blocks, workers, open, at_once }
    }

    /// Returns the number of layers that a thread of the pool may have open: as many as are hashed
    /// together, within the limits of open files and blocks.
    pub(in crate::layer) fn at_a_time(&self, thread: usize) -> usize {
        if thread >= self.workers {
            return 0;
        }
        (self.open - thread).div_ceil(self.workers).min(self.at_once)
    }

    /// Moves the reserved blocks of a layer that will not be started to the pool.
    pub(in crate::layer) fn release_own_blocks(&self) {
        (0..self.own_blocks).for_each(|_| self.blocks.give_extra());
    }
}

/// The outcome of compressing one block.
type Packed = Watch<Option<Result<Vec<u8>, LayerError>>>;

/// A block in progress.
#[derive(Debug)]
struct InFlightBlock {
    packed: Option<Arc<Packed>>,
    size: usize,
    extra: bool,
}

/// The pipeline of one layer.
#[derive(Debug)]
pub(in crate::layer) struct Pipeline {
    compression: Compression,
    shared: Shared,
    in_flight: VecDeque<InFlightBlock>,
    tar: Arc<HashStream>,
    _active: ActiveLayer,
    /// The number of finished blocks.
    retired: u64,
    /// The blob of a compressed layer, and its hash stream.
    packed: Option<(NewBlob, Arc<HashStream>)>,
}

/// The result of a pipeline.
pub(in crate::layer) struct Finished {
    pub(in crate::layer) tar: Hashed,
    pub(in crate::layer) blob: Hashed,
    /// The file of the blob; `None` for a plain tar.
    pub(in crate::layer) file: Option<NewBlob>,
    /// Bytes of the tar that were finished since the last call of `push`.
    pub(in crate::layer) done: u64,
}

impl Pipeline {
    /// Creates a pipeline that writes to `blob`; `None` for a plain tar.
    pub(in crate::layer) fn new(
        compression: Compression,
        shared: &Shared,
        blob: Option<NewBlob>,
    ) -> Self {
        Self {
            compression,
            in_flight: VecDeque::new(),
            tar: shared.hashing.stream(),
            _active: shared.hashing.layer(),
            retired: 0,
            packed: blob.map(|blob| (blob, shared.hashing.stream())),
            shared: shared.clone(),
        }
    }

    /// Returns a buffer for the next block. Only the last block may be shorter.
    pub(in crate::layer) fn buffer(&self) -> Vec<u8> {
        self.shared.blocks.buffer(compress::block_size(self.compression))
    }

    /// Starts to process the first `len` bytes of a buffer. Returns the number of bytes of the tar
    /// that were finished during the call.
    pub(in crate::layer) fn push(
        &mut self,
        buffer: Vec<u8>,
        len: usize,
    ) -> Result<u64, LayerError> {
        let mut done = 0;
        let mut extra = false;
        while self.in_flight.iter().filter(|block| !block.extra).count() >= self.shared.own_blocks {
            extra = self.shared.blocks.take_extra();
            if extra {
                break;
            }
            done += self.retire()?;
        }
        let block = Block::of_tar(buffer, len, &self.shared.blocks);
        self.shared.hashing.push(&self.tar, Arc::clone(&block));
        let packed = self.packed.is_some().then(|| compress_soon(self.compression, block));
        self.in_flight.push_back(InFlightBlock { packed, size: len, extra });
        Ok(done)
    }

    /// Waits for the oldest block, writes it, and returns its size in the tar.
    fn retire(&mut self) -> Result<u64, LayerError> {
        let Some(block) = self.in_flight.pop_front() else { return Ok(0) };
        let hashing = &self.shared.hashing;
        let packed = block.packed.map(|packed| packed.wait(Option::take, || hashing.any()));
        hashing.wait(&self.tar, self.retired + 1);
        if block.extra {
            self.shared.blocks.give_extra();
        }
        if let (Some(packed), Some((blob, stream))) = (packed, &mut self.packed) {
            let packed = packed?;
            blob.write_all(&packed)?;
            // Waits for the block before, so that hashing overlaps with compression.
            hashing.wait(stream, self.retired);
            hashing.push(stream, Block::of_blob(packed));
        }
        self.retired += 1;
        Ok(block.size as u64)
    }

    pub(in crate::layer) fn finish(mut self) -> Result<Finished, LayerError> {
        let mut done = 0;
        while !self.in_flight.is_empty() {
            done += self.retire()?;
        }
        let tar = self.tar.hashed();
        let Some((file, stream)) = self.packed else {
            return Ok(Finished { tar, blob: tar, file: None, done });
        };
        self.shared.hashing.wait(&stream, self.retired);
        Ok(Finished { tar, blob: stream.hashed(), file: Some(file), done })
    }
}

fn compress_soon(compression: Compression, block: Arc<Block>) -> Arc<Packed> {
    let packed = Arc::new(Packed::new(None));
    let watch = Arc::clone(&packed);
    rayon::spawn_fifo(move || {
        let result = compress::block(compression, block.bytes());
        drop(block);
        watch.set(|packed| *packed = Some(result));
    });
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    const GZIP: Compression = Compression::Gzip { level: 1 };

    fn shared(compression: Compression, threads: usize) -> Shared {
        let content = crate::layer::Content::StorePaths(&[]);
        let request = Request { name: "test".into(), content, compression, mtime: 1 };
        Shared::new(&[request], threads, 1)
    }

    #[test]
    fn pipeline_uses_reserved_pool_and_released_blocks() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(|| {
            let shared = shared(GZIP, 1);
            let mut pipeline = Pipeline::new(GZIP, &shared, None);
            let mut most_after = |pushes: usize| {
                let under_way = (0..pushes).map(|_| {
                    pipeline.push(pipeline.buffer(), 10).unwrap();
                    pipeline.in_flight.len()
                });
                under_way.collect::<Vec<_>>()
            };
            assert_eq!(most_after(7), [1, 2, 3, 4, 4, 4, 4]);
            shared.release_own_blocks();
            assert_eq!(most_after(7), [5, 6, 6, 6, 6, 6, 6]);
            pipeline.finish().unwrap();
        });
    }

    #[test]
    fn blocks_in_progress_take_at_most_8_mib_a_thread() {
        let zstd = Compression::Zstd { level: 3 };
        for (compression, threads) in [(GZIP, 1), (GZIP, 64), (zstd, 4), (zstd, 8), (zstd, 64)] {
            let shared = shared(compression, threads);
            let extra = std::iter::from_fn(|| shared.blocks.take_extra().then_some(())).count();
            let layers: usize = (0..threads).map(|thread| shared.at_a_time(thread)).sum();
            let bytes = (extra + layers * shared.own_blocks) * compress::block_size(compression);
            assert!(bytes <= threads * BYTES, "{compression:?}, {threads} threads: {bytes} bytes");
        }
    }
}
