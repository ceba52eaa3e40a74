//! One layer's way from tar to blob, on as many cores as are idle.
//!
//! A driver, one a layer at work, reads blocks of the tar. Each block is hashed for the diff id,
//! in order, and compressed, in any order; both are tasks that any thread of the pool takes. The
//! driver hands the compressed blocks on in order. When so many blocks are under way as may be,
//! it takes tasks itself, and it sleeps only when every task it waits for is being worked at.
//! So with a layer a core everything of a layer happens on its core, and a layer that is left
//! alone at the end gets all of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{LayerError, compress};
use crate::digest::{Hashed, Hasher};
use crate::spec::Compression;

/// Blocks that each driver may have under way, whatever the others have.
const OWN_BLOCKS: usize = 2;
/// Blocks for each thread that whichever drivers are at work may have in addition.
const SHARED_BLOCKS: usize = 2;

/// What all drivers of a build share: buffers to be used again, and how many are in use.
#[derive(Debug)]
pub(super) struct Blocks {
    spare: Mutex<Vec<Vec<u8>>>,
    extra: AtomicUsize,
}

impl Blocks {
    pub(super) fn new(threads: usize) -> Arc<Self> {
        let extra = AtomicUsize::new(threads * SHARED_BLOCKS);
        Arc::new(Self { spare: Mutex::default(), extra })
    }

    fn take_extra(&self) -> bool {
        let less = |extra: usize| extra.checked_sub(1);
        self.extra.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    fn buffer(&self, size: usize) -> Vec<u8> {
        let spare = lock(&self.spare).pop();
        let mut buffer = spare.unwrap_or_default();
        buffer.resize(size, 0);
        buffer
    }
}

/// A poisoned lock means that a thread panicked, and that the process is ending.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A block of the tar; its buffer goes back when nobody needs it any more.
#[derive(Debug)]
struct Block {
    buffer: Vec<u8>,
    len: usize,
    blocks: Arc<Blocks>,
}

impl Block {
    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        lock(&self.blocks.spare).push(std::mem::take(&mut self.buffer));
    }
}

/// A value that one thread sets and another waits for.
#[derive(Debug)]
struct Promise<T> {
    value: Mutex<T>,
    set: Condvar,
}

impl<T> Promise<T> {
    fn new(value: T) -> Self {
        Self { value: Mutex::new(value), set: Condvar::new() }
    }

    /// Works at other tasks of the pool until the value is ready, then sleeps until it is.
    fn wait(&self, is_ready: impl Fn(&T) -> bool) -> MutexGuard<'_, T> {
        loop {
            let value = lock(&self.value);
            if is_ready(&value) {
                return value;
            }
            drop(value);
            if rayon::yield_now() != Some(rayon::Yield::Executed) {
                // No task is left to take, so the one that sets this value is being worked at.
                let value = lock(&self.value);
                let waited = self.set.wait_while(value, |value| !is_ready(value));
                return waited.unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// Hashes blocks in order, wherever there is a thread for it.
#[derive(Debug)]
struct Chain {
    hasher: Mutex<Hasher>,
    queue: Mutex<Queue>,
    hashed: Promise<u64>,
}

#[derive(Debug, Default)]
struct Queue {
    blocks: VecDeque<Arc<Block>>,
    running: bool,
}

impl Chain {
    fn new() -> Arc<Self> {
        let hasher = Mutex::new(Hasher::new());
        Arc::new(Self { hasher, queue: Mutex::default(), hashed: Promise::new(0) })
    }

    fn push(self: &Arc<Self>, block: Arc<Block>) {
        let mut queue = lock(&self.queue);
        queue.blocks.push_back(block);
        if !std::mem::replace(&mut queue.running, true) {
            let chain = Arc::clone(self);
            rayon::spawn_fifo(move || chain.run());
        }
    }

    fn run(&self) {
        while let Some(block) = self.next() {
            lock(&self.hasher).update(block.bytes());
            drop(block);
            *lock(&self.hashed.value) += 1;
            self.hashed.set.notify_all();
        }
    }

    fn next(&self) -> Option<Arc<Block>> {
        let mut queue = lock(&self.queue);
        let block = queue.blocks.pop_front();
        queue.running = block.is_some();
        block
    }
}

/// The outcome of compressing one block.
type Packed = Promise<Option<Result<Vec<u8>, LayerError>>>;

/// A block under way.
#[derive(Debug)]
struct Flight {
    packed: Option<Arc<Packed>>,
    size: usize,
    extra: bool,
}

/// The pipeline of one layer. `deliver` gets the blob's bytes in order.
pub(super) struct Pipeline<F> {
    compression: Compression,
    blocks: Arc<Blocks>,
    chain: Arc<Chain>,
    flights: VecDeque<Flight>,
    retired: u64,
    packed: Hasher,
    deliver: F,
}

impl<F: FnMut(&[u8]) -> Result<(), LayerError>> Pipeline<F> {
    pub(super) fn new(compression: Compression, blocks: Arc<Blocks>, deliver: F) -> Self {
        Self {
            compression,
            blocks,
            chain: Chain::new(),
            flights: VecDeque::new(),
            retired: 0,
            packed: Hasher::new(),
            deliver,
        }
    }

    fn is_plain(&self) -> bool {
        matches!(self.compression, Compression::None {})
    }

    /// A buffer for the next block, to be filled to its end unless the tar ends.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.blocks.buffer(compress::block_size(self.compression))
    }

    /// Sends a block on its way: so many bytes of a buffer. Returns how many bytes of the tar
    /// were finished meanwhile.
    pub(super) fn push(&mut self, buffer: Vec<u8>, len: usize) -> Result<u64, LayerError> {
        let mut done = 0;
        let mut extra = false;
        while self.flights.len() >= OWN_BLOCKS {
            extra = self.blocks.take_extra();
            if extra {
                break;
            }
            done += self.retire()?;
        }
        let block = Arc::new(Block { buffer, len, blocks: Arc::clone(&self.blocks) });
        self.chain.push(Arc::clone(&block));
        let packed = (!self.is_plain()).then(|| compress_soon(self.compression, block));
        self.flights.push_back(Flight { packed, size: len, extra });
        Ok(done)
    }

    /// Waits for the oldest block and hands it on.
    fn retire(&mut self) -> Result<u64, LayerError> {
        let Some(flight) = self.flights.pop_front() else { return Ok(0) };
        let packed = flight.packed.map(|packed| packed.wait(Option::is_some).take());
        let number = self.retired;
        drop(self.chain.hashed.wait(|hashed| *hashed > number));
        self.retired += 1;
        if flight.extra {
            self.blocks.extra.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(packed) = packed.flatten() {
            let packed = packed?;
            self.packed.update(&packed);
            (self.deliver)(&packed)?;
        }
        Ok(flight.size as u64)
    }

    /// What the tar and the blob are, in this order, and how many bytes were finished now.
    pub(super) fn finish(mut self) -> Result<(Hashed, Hashed, u64), LayerError> {
        let mut done = 0;
        while !self.flights.is_empty() {
            done += self.retire()?;
        }
        let tar = lock(&self.chain.hasher).clone().finish();
        let blob = if self.is_plain() { tar } else { self.packed.clone().finish() };
        Ok((tar, blob, done))
    }
}

fn compress_soon(compression: Compression, block: Arc<Block>) -> Arc<Packed> {
    let packed = Arc::new(Packed::new(None));
    let promise = Arc::clone(&packed);
    rayon::spawn_fifo(move || {
        let result = compress::block(compression, block.bytes());
        drop(block);
        *lock(&promise.value) = Some(result);
        promise.set.notify_all();
    });
    packed
}
