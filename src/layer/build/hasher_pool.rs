//! Hashing the tars and blobs of all layers under way, each a stream of blocks.
//!
//! A stream's blocks are hashed in order, one after the other; streams do not wait for each other.
//! Where the CPU hashes several streams faster at once, their blocks are put together: a task
//! starts when there are as many streams with a block to hash as go at once, or as there are layers
//! under way, so that the last layer is hashed while it is compressed. A thread that waits and
//! finds no task hashes what there is, so that no block waits for company that never comes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::block_pool::{Block, Watch, lock};
use crate::digest::{Hashed, Hasher};

/// What the layers of a build share.
#[derive(Debug)]
pub(in crate::layer) struct HasherPool {
    at_once: usize,
    /// How many layers are under way.
    layers: AtomicUsize,
    /// Chains that have a block and are not being hashed.
    ready: Mutex<VecDeque<Arc<HashStream>>>,
}

/// A layer under way, as long as this lives.
#[derive(Debug)]
pub(in crate::layer) struct ActiveLayer(Arc<HasherPool>);

impl Drop for ActiveLayer {
    fn drop(&mut self) {
        self.0.layers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HasherPool {
    /// For so many streams at once.
    pub(in crate::layer) fn new(at_once: usize) -> Self {
        Self { at_once, layers: AtomicUsize::new(0), ready: Mutex::default() }
    }

    /// Starts a layer.
    pub(in crate::layer) fn layer(self: &Arc<Self>) -> ActiveLayer {
        self.layers.fetch_add(1, Ordering::Relaxed);
        ActiveLayer(Arc::clone(self))
    }

    /// Starts a tar or a blob.
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

    /// Has a stream hashed that has a block, when it is enough company for others or for itself.
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

    /// So many streams are not kept waiting for more.
    fn enough(&self) -> usize {
        self.at_once.min(self.layers.load(Ordering::Relaxed)).max(1)
    }

    /// Waits until so many blocks of the stream are hashed.
    pub(in crate::layer) fn wait(self: &Arc<Self>, stream: &HashStream, count: u64) {
        stream.hashed.wait(|hashed| (*hashed >= count).then_some(()), || self.any());
    }

    /// Hashes what there is, in company or alone; whether there was anything.
    pub(in crate::layer) fn any(self: &Arc<Self>) -> bool {
        self.step(1)
    }

    /// Hashes a block of each of several streams, if there are at least so many.
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
            // Before anybody wakes up: who does may find it there.
            if stream.is_ready() {
                self.offer(Arc::clone(&stream));
            }
            stream.hashed.set(|hashed| *hashed += 1);
        }
        true
    }
}

/// A tar or a blob on its way.
#[derive(Debug)]
pub(in crate::layer) struct HashStream {
    hasher: Mutex<Hasher>,
    queue: Mutex<Queue>,
    hashed: Watch<u64>,
}

#[derive(Debug, Default)]
struct Queue {
    blocks: VecDeque<Arc<Block>>,
    /// Whether it is among the ready ones, or being hashed.
    ready: bool,
}

impl HashStream {
    fn next(&self) -> Option<Arc<Block>> {
        lock(&self.queue).blocks.pop_front()
    }

    /// Whether there is another block.
    fn is_ready(&self) -> bool {
        let mut queue = lock(&self.queue);
        queue.ready = !queue.blocks.is_empty();
        queue.ready
    }

    /// What there was, when all blocks are hashed.
    pub(in crate::layer) fn hashed(&self) -> Hashed {
        lock(&self.hasher).clone().finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets so many layers be under way and gives so many streams three blocks each; how many of
    /// those are hashed when all tasks are done, and nobody waited.
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
    fn the_only_layer_active_is_hashed_without_company() {
        assert_eq!(hashed(1, 1), [3]);
    }

    #[test]
    fn a_layer_is_hashed_in_company_where_there_is_another() {
        assert_eq!(hashed(2, 1), [0]);
        assert_eq!(hashed(2, 2), [3, 3]);
    }
}
