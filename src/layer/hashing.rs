//! Hashing the tars and blobs of all layers under way, each a chain of blocks.
//!
//! A chain's blocks are hashed in order, one after the other; chains do not wait for each other.
//! Where the CPU hashes several streams faster at once, their blocks are put together: a task
//! starts when there are as many chains with a block to hash as go at once. A thread that waits
//! and finds no task hashes what there is, so that no block waits for company that never comes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::blocks::{Block, Promise, lock};
use crate::digest::{Hashed, Hasher};

/// What the layers of a build share.
#[derive(Debug)]
pub(super) struct Hashing {
    at_once: usize,
    /// Chains that have a block and are not being hashed.
    ready: Mutex<VecDeque<Arc<Chain>>>,
}

impl Hashing {
    /// For so many streams at once.
    pub(super) fn new(at_once: usize) -> Self {
        Self { at_once, ready: Mutex::default() }
    }

    /// Starts a tar or a blob.
    pub(super) fn chain(&self) -> Arc<Chain> {
        let hasher = if self.at_once > 1 { Hasher::beside_others() } else { Hasher::new() };
        Arc::new(Chain {
            hasher: Mutex::new(hasher),
            queue: Mutex::default(),
            hashed: Promise::new(0),
        })
    }

    /// Adds a block to a chain; it is hashed by a task of the pool that this is called in.
    pub(super) fn push(self: &Arc<Self>, chain: &Arc<Chain>, block: Arc<Block>) {
        let mut queue = lock(&chain.queue);
        queue.blocks.push_back(block);
        if std::mem::replace(&mut queue.ready, true) {
            return;
        }
        drop(queue);
        let mut ready = lock(&self.ready);
        ready.push_back(Arc::clone(chain));
        if ready.len() >= self.at_once {
            let hashing = Arc::clone(self);
            rayon::spawn_fifo(move || while hashing.step(hashing.at_once) {});
        }
    }

    /// Waits until so many blocks of the chain are hashed.
    pub(super) fn wait(&self, chain: &Chain, count: u64) {
        chain.hashed.wait(|hashed| (*hashed >= count).then_some(()), || self.any());
    }

    /// Hashes what there is, in company or alone; whether there was anything.
    pub(super) fn any(&self) -> bool {
        self.step(1)
    }

    /// Hashes a block of each of several chains, if there are at least so many.
    fn step(&self, at_least: usize) -> bool {
        let mut ready = lock(&self.ready);
        if ready.len() < at_least {
            return false;
        }
        let count = ready.len().min(self.at_once);
        let chains: Vec<Arc<Chain>> = ready.drain(..count).collect();
        drop(ready);
        let blocks: Vec<_> = chains.iter().map(|chain| chain.next()).collect();
        let mut hashers: Vec<_> = chains.iter().map(|chain| lock(&chain.hasher)).collect();
        let streams = hashers.iter_mut().zip(&blocks);
        Hasher::update_all(streams.map(|(hasher, block)| {
            (&mut **hasher, block.as_ref().map_or(&[][..], |block| block.bytes()))
        }));
        drop((hashers, blocks));
        for chain in chains {
            // Before anybody wakes up: who does may find it there.
            if chain.is_ready() {
                lock(&self.ready).push_back(Arc::clone(&chain));
            }
            chain.hashed.set(|hashed| *hashed += 1);
        }
        true
    }
}

/// A tar or a blob on its way.
#[derive(Debug)]
pub(super) struct Chain {
    hasher: Mutex<Hasher>,
    queue: Mutex<Queue>,
    hashed: Promise<u64>,
}

#[derive(Debug, Default)]
struct Queue {
    blocks: VecDeque<Arc<Block>>,
    /// Whether it is among the ready ones, or being hashed.
    ready: bool,
}

impl Chain {
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
    pub(super) fn hashed(&self) -> Hashed {
        lock(&self.hasher).clone().finish()
    }
}
