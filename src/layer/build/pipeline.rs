//! One layer's way from tar to blob, on as many cores as are idle.
//!
//! Each block of the tar is hashed for the diff id, in order, and compressed, in any order; both
//! are tasks that any thread of the pool takes. Compressed blocks are written in order, and
//! hashed for the digest like the tar's. When so many blocks are under way as may be, the thread
//! that reads the tar takes tasks itself, and it sleeps only when every task it waits for is
//! being worked at. So with a layer a core everything of a layer happens on its core, and a
//! layer that is left alone at the end gets all of them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::block_pool::{Block, BlockPool, Watch};
use super::hasher_pool::{ActiveLayer, HashStream, HasherPool};
use crate::digest::Hashed;
use crate::layer::{LayerError, NewBlob, Request, compress};
use crate::spec::Compression;

/// Blocks that a thread's layer may have under way, whatever the others have, and as many for each
/// thread that whichever layers are under way may have beside those. Where a thread has several
/// layers, each has its part of them, and at least one. When there are no more layers to begin, the
/// others may have those.
const BLOCKS: usize = 2;
/// Bytes that the blocks of a thread take at most, if they are not larger than half of this.
const BYTES: usize = 8 << 20;
/// Layers that are under way at most, on however many threads: each takes up to three of the 64
/// file descriptors that have to be enough.
const OPEN: usize = 14;
/// Bytes that the blocks of all may take together where a thread has several.
const OPEN_BYTES: usize = 16 << 20;

/// What all layers of a build share.
#[derive(Debug, Clone)]
pub(in crate::layer) struct Shared {
    blocks: Arc<BlockPool>,
    hashing: Arc<HasherPool>,
    /// Blocks that a layer may have under way, whatever the others have.
    own_blocks: usize,
    /// So many threads have layers under way; the others compress and hash.
    workers: usize,
    /// So many layers they share.
    open: usize,
    at_once: usize,
}

impl Shared {
    /// For a build on so many threads, which hashes so many streams at once.
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

    /// How many layers a thread of the pool has under way: as many as are hashed at once, if so
    /// many files and blocks may be open.
    pub(in crate::layer) fn at_a_time(&self, thread: usize) -> usize {
        if thread >= self.workers {
            return 0;
        }
        (self.open - thread).div_ceil(self.workers).min(self.at_once)
    }

    /// Leaves the blocks of a layer that nobody will begin to whichever layers are under way.
    pub(in crate::layer) fn release_own_blocks(&self) {
        (0..self.own_blocks).for_each(|_| self.blocks.give_extra());
    }
}

/// The outcome of compressing one block.
type Packed = Watch<Option<Result<Vec<u8>, LayerError>>>;

/// A block under way.
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
    /// How many blocks are done.
    retired: u64,
    /// The blob of a layer that is compressed.
    packed: Option<(NewBlob, Arc<HashStream>)>,
}

/// What became of a layer's tar.
pub(in crate::layer) struct Finished {
    pub(in crate::layer) tar: Hashed,
    pub(in crate::layer) blob: Hashed,
    /// The blob's bytes, unless it is the tar.
    pub(in crate::layer) file: Option<NewBlob>,
    /// How many bytes of the tar were finished just now.
    pub(in crate::layer) done: u64,
}

impl Pipeline {
    /// Writes to `blob`, unless the layer is a plain tar.
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

    /// A buffer for the next block, to be filled to its end unless the tar ends.
    pub(in crate::layer) fn buffer(&self) -> Vec<u8> {
        self.shared.blocks.buffer(compress::block_size(self.compression))
    }

    /// Sends a block on its way: so many bytes of a buffer. Returns how many bytes of the tar
    /// were finished meanwhile.
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

    /// Waits for the oldest block and hands it on.
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
            // One is waited for while the next is compressed.
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
    fn a_layer_has_its_own_blocks_beside_those_of_all_and_what_others_leave() {
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
    fn blocks_under_way_take_eight_mebibytes_a_thread_at_most() {
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
