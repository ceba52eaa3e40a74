//! [`BlockPool`]: reused buffers and a limit for blocks in progress; [`Watch`]: a value to wait for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Reused buffers, and the number of blocks that any layer may take in addition to its own.
#[derive(Debug)]
pub(in crate::layer) struct BlockPool {
    spare: Mutex<Vec<Vec<u8>>>,
    extra: AtomicUsize,
}

impl BlockPool {
    /// Creates a pool with `extra` additional blocks.
    pub(in crate::layer) fn new(extra: usize) -> Arc<Self> {
        Arc::new(Self { spare: Mutex::default(), extra: AtomicUsize::new(extra) })
    }

    pub(in crate::layer) fn take_extra(&self) -> bool {
        let less = |extra: usize| extra.checked_sub(1);
        self.extra.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    pub(in crate::layer) fn give_extra(&self) {
        self.extra.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns a buffer of `size` bytes, a reused one if possible.
    pub(in crate::layer) fn buffer(&self, size: usize) -> Vec<u8> {
        let spare = lock(&self.spare).pop();
        let mut buffer = spare.unwrap_or_default();
        buffer.resize(size, 0);
        buffer
    }
}

/// Locks a mutex. A poisoned one means that a thread panicked and the process is ending.
pub(in crate::layer) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A block of a tar or of a blob. The drop returns the buffer of a tar's block to the pool.
#[derive(Debug)]
pub(in crate::layer) struct Block {
    buffer: Vec<u8>,
    len: usize,
    blocks: Option<Arc<BlockPool>>,
}

impl Block {
    /// Wraps the first `len` bytes of a buffer of the pool.
    pub(in crate::layer) fn of_tar(
        buffer: Vec<u8>,
        len: usize,
        blocks: &Arc<BlockPool>,
    ) -> Arc<Self> {
        Arc::new(Self { buffer, len, blocks: Some(Arc::clone(blocks)) })
    }

    pub(in crate::layer) fn of_blob(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { len: bytes.len(), buffer: bytes, blocks: None })
    }

    pub(in crate::layer) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(blocks) = &self.blocks {
            lock(&blocks.spare).push(std::mem::take(&mut self.buffer));
        }
    }
}

/// A value that one thread sets and another waits for.
#[derive(Debug)]
pub(in crate::layer) struct Watch<T> {
    /// The value, and the number of times it was set.
    value: Mutex<(T, u64)>,
    changed: Condvar,
}

impl<T> Watch<T> {
    pub(in crate::layer) fn new(value: T) -> Self {
        Self { value: Mutex::new((value, 0)), changed: Condvar::new() }
    }

    pub(in crate::layer) fn set(&self, set: impl FnOnce(&mut T)) {
        let mut value = lock(&self.value);
        set(&mut value.0);
        value.1 += 1;
        self.changed.notify_all();
    }

    /// Waits until `take` returns a value. While it waits, it runs other tasks of the pool, or
    /// `more` if there are none. It sleeps only if there is no task: then another thread is already
    /// running the task that sets this value.
    pub(in crate::layer) fn wait<R>(
        &self,
        mut take: impl FnMut(&mut T) -> Option<R>,
        more: impl Fn() -> bool,
    ) -> R {
        loop {
            let mut value = lock(&self.value);
            let seen = value.1;
            if let Some(taken) = take(&mut value.0) {
                return taken;
            }
            drop(value);
            if rayon::yield_now() != Some(rayon::Yield::Executed) && !more() {
                drop(self.changed.wait_while(lock(&self.value), |(_, now)| *now == seen));
            }
        }
    }
}
