//! Builds layers in parallel.
//!
//! Each thread of a pool is a [`Worker`] with several open [`LayerBuild`]s. Blocks of their tars are
//! compressed and hashed as tasks of the same pool (`pipeline`, `hasher_pool`), and finished layers
//! are delivered in an order that depends on the requests alone (`ordered_delivery`).

pub(in crate::layer) mod block_pool;
pub(in crate::layer) mod hasher_pool;
pub(in crate::layer) mod layer_build;
pub(in crate::layer) mod ordered_delivery;
pub(in crate::layer) mod pipeline;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use self::layer_build::{BuildContext, BuildStart, LayerBuild};
use self::ordered_delivery::{OrderedDelivery, Queue, QueuedLayer};
use self::pipeline::Shared;
use super::{Layer, LayerCache, LayerError, OnLayerDone, Request};
use crate::digest::Hasher;
use crate::fs::FileError;
use crate::progress::Reporter;

/// Builds the layers on `jobs` threads (0: one for each core). The result has the order of the
/// requests.
pub fn build(
    requests: &[Request<'_>],
    store: &dyn LayerCache,
    jobs: usize,
    reporter: &dyn Reporter,
) -> Result<Vec<Layer>, LayerError> {
    build_with_callback(requests, store, jobs, reporter, &|_| Ok(()))
}

/// Does the same as [`build`], and calls `on_done` for each layer while others are in progress,
/// the smallest layer first. The order depends on the requests alone.
pub fn build_with_callback(
    requests: &[Request<'_>],
    store: &dyn LayerCache,
    jobs: usize,
    reporter: &dyn Reporter,
    on_done: &OnLayerDone<'_>,
) -> Result<Vec<Layer>, LayerError> {
    build_with(requests, store, jobs, reporter, on_done, Hasher::streams_at_once())
}

/// Does the same as [`build_with_callback`], and hashes at most `at_once` streams together.
pub(crate) fn build_with(
    requests: &[Request<'_>],
    store: &dyn LayerCache,
    jobs: usize,
    reporter: &dyn Reporter,
    on_done: &OnLayerDone<'_>,
    at_once: usize,
) -> Result<Vec<Layer>, LayerError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build()?;
    let threads = pool.current_num_threads();
    let shared = Shared::new(requests, threads, at_once);
    let work = BuildContext { store, reporter, shared };
    let queue = Queue::new(requests);
    let delivery = OrderedDelivery::new(on_done);
    let failed = AtomicBool::new(false);
    let made = pool.broadcast(|thread| {
        // A thread that returns from here takes tasks of the other threads.
        let most = work.shared.at_a_time(thread.index());
        let open = VecDeque::with_capacity(most);
        let waits = Vec::new();
        let mut worker = Worker { work: &work, queue: &queue, most, open, waits };
        let mut made = Vec::new();
        // No layer is started after a failure.
        while !failed.load(Ordering::Relaxed)
            && let Some((next, layer)) = worker.next()
        {
            let layer = layer.and_then(|layer| delivery.finished(next.place, layer));
            let layer = layer.map_err(|source| LayerError::Write {
                number: next.index + 1,
                of: requests.len(),
                name: next.request.name.clone(),
                source: Box::new(source),
            });
            failed.fetch_or(layer.is_err(), Ordering::Relaxed);
            made.push((next.index, layer));
        }
        made
    });
    let mut made: Vec<_> = made.into_iter().flatten().collect();
    made.sort_by_key(|(index, _)| *index);
    made.into_iter().map(|(_, layer)| layer).collect()
}

/// A thread of the build. It has several layers open and reads one block of each in turn.
struct Worker<'a> {
    work: &'a BuildContext<'a>,
    queue: &'a Queue<'a>,
    /// Maximum number of open layers; reduced when the queue is empty.
    most: usize,
    open: VecDeque<(QueuedLayer<'a>, Box<LayerBuild<'a>>)>,
    /// Layers that another process or thread is building. A thread that holds build locks does not
    /// wait for another lock: two such threads could deadlock.
    waits: Vec<QueuedLayer<'a>>,
}

impl<'a> Worker<'a> {
    /// Works until a layer is finished or failed. Returns `None` when no layers are left.
    fn next(&mut self) -> Option<(QueuedLayer<'a>, Result<Layer, LayerError>)> {
        if let Some(done) = self.open_more() {
            return Some(done);
        }
        loop {
            let (next, mut build) = self.open.pop_front()?;
            let made = match build.step() {
                Ok(true) => {
                    self.open.push_back((next, build));
                    continue;
                }
                Ok(false) => build.finish(self.work.store),
                Err(error) => {
                    drop(build);
                    Err(error)
                }
            };
            let made = match made {
                Err(LayerError::File(error)) => self.again(next, error).transpose(),
                made => Some(made),
            };
            if let Some(made) = made {
                return Some((next, made));
            }
        }
    }

    /// Starts a layer again if the cache switched to its fallback directory.
    fn again(
        &mut self,
        next: QueuedLayer<'a>,
        error: FileError,
    ) -> Result<Option<Layer>, LayerError> {
        let why = self.work.store.fallback_reason(error)?;
        let name = &next.request.name;
        self.work.reporter.warn(&format!("the layer of {name} is made again: {why}"));
        match self.work.begin(next.request, self.open.is_empty())? {
            BuildStart::Cached(layer) => return Ok(Some(*layer)),
            BuildStart::Started(build) => self.open.push_back((next, build)),
            BuildStart::InProgress => self.waits.push(next),
        }
        Ok(None)
    }

    /// Gives the blocks of layers that this thread will not start to open layers.
    fn leave_rest(&mut self) {
        (self.open.len()..self.most).for_each(|_| self.work.shared.release_own_blocks());
        self.most = self.open.len();
    }

    /// Starts layers. Returns one that is cached or that cannot be started.
    fn open_more(&mut self) -> Option<(QueuedLayer<'a>, Result<Layer, LayerError>)> {
        loop {
            let next = self.waits.pop().or_else(|| {
                let has_room = self.open.len() < self.most;
                has_room.then(|| self.queue.next()).flatten()
            });
            let Some(next) = next else {
                self.leave_rest();
                return None;
            };
            match self.work.begin(next.request, self.open.is_empty()) {
                Err(LayerError::File(error)) => {
                    if let Some(made) = self.again(next, error).transpose() {
                        return Some((next, made));
                    }
                }
                Ok(BuildStart::Cached(layer)) => return Some((next, Ok(*layer))),
                Ok(BuildStart::Started(build)) => self.open.push_back((next, build)),
                Ok(BuildStart::InProgress) => {
                    self.waits.push(next);
                    return None;
                }
                Err(error) => return Some((next, Err(error))),
            }
        }
    }
}
