//! The layers of a run, read by several threads and handed over in order.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::entries::Scan;
use super::layer::scan;
use super::limits::Workspace;
use crate::progress::Reporter;
use crate::transport::source::{Layer, Source};

/// How far the threads are.
#[derive(Default)]
struct Progress {
    /// The next layer to read.
    next: usize,
    /// The number of layers that were handed over.
    delivered: usize,
    done: BTreeMap<usize, Scan>,
    is_stopped: bool,
}

#[derive(Default)]
struct Shared {
    progress: Mutex<Progress>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, progress: MutexGuard<'a, Progress>) -> MutexGuard<'a, Progress> {
        self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// The next layer to read. At most `ahead` are read that were not handed over yet.
    fn claim(&self, layers: usize, ahead: usize) -> Option<usize> {
        let mut progress = self.lock();
        while !progress.is_stopped && progress.next < layers {
            if progress.next < progress.delivered + ahead {
                let at = progress.next;
                progress.next += 1;
                return Some(at);
            }
            progress = self.wait(progress);
        }
        None
    }

    /// Waits for a layer; none if a thread has panicked.
    fn result(&self, at: usize) -> Option<Scan> {
        let mut progress = self.lock();
        loop {
            if let Some(scan) = progress.done.remove(&at) {
                return Some(scan);
            }
            if progress.is_stopped {
                return None;
            }
            progress = self.wait(progress);
        }
    }
}

/// Stops the other threads when its own ends before its time.
struct Stop<'a>(&'a Shared);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.update(|progress| progress.is_stopped = true);
        }
    }
}

/// Reads layers and hands each over, in their order, with its place in `layers`. The memory of no
/// more layers than there are threads is in use at the same time, in addition to what `each` keeps.
pub fn scan_layers<E>(
    workspace: &Arc<Workspace>,
    source: &dyn Source,
    layers: &[&Layer],
    reporter: &dyn Reporter,
    mut each: impl FnMut(usize, Scan) -> Result<(), E>,
) -> Result<(), E> {
    if layers.is_empty() {
        return Ok(());
    }
    let bytes = layers.iter().map(|layer| layer.descriptor.size).fold(0, u64::saturating_add);
    let task = reporter.start(&format!("reading {}", source.name()), Some(bytes));
    let jobs = workspace.limits().jobs.clamp(1, layers.len());
    let shared = Shared::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let _stop = Stop(&shared);
                while let Some(at) = shared.claim(layers.len(), jobs) {
                    let Some(layer) = layers.get(at) else { break };
                    let scan = scan(workspace, source, layer);
                    task.advance(layer.descriptor.size);
                    shared.update(|progress| drop(progress.done.insert(at, scan)));
                }
            });
        }
        for at in 0..layers.len() {
            let Some(scan) = shared.result(at) else { break };
            let result = each(at, scan);
            shared.update(|progress| {
                progress.delivered += 1;
                progress.is_stopped |= result.is_err();
            });
            result?;
        }
        Ok(())
    })
}
