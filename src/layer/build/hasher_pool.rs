//! [`HasherPool`]: hashes the tars and blobs of all open layers, each one a [`HashStream`].
//!
//! The blocks of a stream are hashed in order; streams are independent. If the CPU hashes several
//! streams together faster, a task takes one block of each of several streams. A task starts when
//! enough streams have a block: as many as are hashed together, or as many as layers are open, so
//! that the last layer is hashed while it is compressed. A thread that waits and finds no task
//! hashes the blocks that are ready, so a block does not wait for other streams forever.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::block_pool::{Block, Watch, lock};
use crate::digest::{Hashed, Hasher};

/// The hash streams of a build.
#[derive(Debug)]
pub(in crate::layer) struct HasherPool {
    at_once: usize,
    /// The number of open layers.
    layers: AtomicUsize,
    /// Streams that have a block and are not being hashed.
    ready: Mutex<VecDeque<Arc<HashStream>>>,
}

/// A guard that counts an open layer.
#[derive(Debug)]
pub(in crate::layer) struct ActiveLayer(Arc<HasherPool>);

impl Drop for ActiveLayer {
    fn drop(&mut self) {
        self.0.layers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HasherPool {
    /// Creates a pool that hashes at most `at_once` streams together.
    pub(in crate::layer) fn new(at_once: usize) -> Self {
        Self { at_once, layers: AtomicUsize::new(0), ready: Mutex::default() }
    }

    /// Counts a layer as open until the guard is dropped.
    pub(in crate::layer) fn layer(self: &Arc<Self>) -> ActiveLayer {
        self.layers.fetch_add(1, Ordering::Relaxed);
        ActiveLayer(Arc::clone(self))
    }

    /// Starts the stream of a tar or a blob.
    pub(in crate::layer) fn stream(&self) -> Arc<HashStream> {
        let hasher = if self.at_once > 1 { Hasher::interleaved() } else { Hasher::new() };
        Arc::new(HashStream {
            hasher: Mutex::new(hasher),
            queue: Mutex::default(),
            hashed: Watch::new(0),
        })
    }

    /// Adds a block to a stream; it is hashed by a task of the pool that this is called in.
    pub(in crate::layer) fn push(self: &Arc<Self>, stream: &Arc<HashStream>, block: Arc<Block>) {
        let mut queue = lock(&stream.queue);
        queue.blocks.push_back(block);
        if std::mem::replace(&mut queue.ready, true) {
            return;
        }
        drop(queue);
        self.offer(Arc::clone(stream));
    }

    /// Adds a stream with a block to the ready ones, and starts a task if there are enough.
    fn offer(self: &Arc<Self>, stream: Arc<HashStream>) {
        let mut ready = lock(&self.ready);
        ready.push_back(stream);
        let enough = self.enough();
        if ready.len() >= enough {
            let hashing = Arc::clone(self);
            rayon::spawn_fifo(move || {
                hashing.step(enough);
            });
        }
    }

    /// Returns the number of ready streams that start a task.
    fn enough(&self) -> usize {
        self.at_once.min(self.layers.load(Ordering::Relaxed)).max(1)
    }

    /// Waits until `count` blocks of the stream are hashed.
    pub(in crate::layer) fn wait(self: &Arc<Self>, stream: &HashStream, count: u64) {
        stream.hashed.wait(|hashed| (*hashed >= count).then_some(()), || self.any());
    }

    /// Hashes a block of each ready stream. Returns true if there was one.
    pub(in crate::layer) fn any(self: &Arc<Self>) -> bool {
        self.step(1)
    }

    /// Hashes a block of each ready stream, if at least `at_least` streams are ready.
    fn step(self: &Arc<Self>, at_least: usize) -> bool {
        let mut ready = lock(&self.ready);
        if ready.len() < at_least {
            return false;
        }
        let count = ready.len().min(self.at_once);
        let streams: Vec<Arc<HashStream>> = ready.drain(..count).collect();
        drop(ready);
        let blocks: Vec<_> = streams.iter().map(|stream| stream.next()).collect();
        let mut hashers: Vec<_> = streams.iter().map(|stream| lock(&stream.hasher)).collect();
        let pairs = hashers.iter_mut().zip(&blocks);
        Hasher::update_all(pairs.map(|(hasher, block)| {
            (&mut **hasher, block.as_ref().map_or(&[][..], |block| block.bytes()))
        }));
        drop((hashers, blocks));
        for stream in streams {
            // Offered before the wake-up, so that the woken thread can find the stream.
            if stream.is_ready() {
                self.offer(Arc::clone(&stream));
            }
            stream.hashed.set(|hashed| *hashed += 1);
        }
        true
    }
}

/// The blocks of a tar or a blob, in order, and their hash.
#[derive(Debug)]
pub(in crate::layer) struct HashStream {
    hasher: Mutex<Hasher>,
    queue: Mutex<Queue>,
    hashed: Watch<u64>,
}

#[derive(Debug, Default)]
struct Queue {
    blocks: VecDeque<Arc<Block>>,
    /// True while the stream is among the ready ones or being hashed.
    ready: bool,
}

impl HashStream {
    fn next(&self) -> Option<Arc<Block>> {
        lock(&self.queue).blocks.pop_front()
    }

    /// Returns true if there is another block.
    fn is_ready(&self) -> bool {
        let mut queue = lock(&self.queue);
        queue.ready = !queue.blocks.is_empty();
        queue.ready
    }

    /// Returns the hash of the blocks so far.
    pub(in crate::layer) fn hashed(&self) -> Hashed {
        lock(&self.hasher).clone().finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens layers, gives each stream three blocks and runs all tasks without waiting for a stream.
    /// Returns the number of hashed blocks of each stream.
    fn hashed(layers: usize, streams: usize) -> Vec<u64> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(|| {
            let hashing = Arc::new(HasherPool::new(2));
            let finished = hashing.layer();
            let _active: Vec<_> = (0..layers).map(|_| hashing.layer()).collect();
            drop(finished);
            let streams: Vec<_> = (0..streams).map(|_| hashing.stream()).collect();
            for _ in 0..3 {
                for stream in &streams {
                    hashing.push(stream, Block::of_blob(vec![1; 100]));
                }
            }
            while rayon::yield_now() == Some(rayon::Yield::Executed) {}
            streams
                .iter()
                .map(|stream| stream.hashed.wait(|count| Some(*count), || false))
                .collect()
        })
    }

    #[test]
    fn hasher_pool_single_layer_is_hashed_alone() {
        assert_eq!(hashed(1, 1), [3]);
    }

    #[test]
    fn hasher_pool_two_layers_are_hashed_together() {
        assert_eq!(hashed(2, 1), [0]);
        assert_eq!(hashed(2, 2), [3, 3]);
    }
}
