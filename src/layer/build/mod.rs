//! Making layers in parallel.

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

/// Makes the layers, on `jobs` threads (0: as many as there are cores); the answer has the order
/// of the requests.
pub fn build(
    requests: &[Request<'_>],
    store: &dyn LayerCache,
    jobs: usize,
    reporter: &dyn Reporter,
) -> Result<Vec<Layer>, LayerError> {
    build_with_callback(requests, store, jobs, reporter, &|_| Ok(()))
}

/// As [`build`], and tells of the layers while others are still being made: in an order that
/// the requests alone decide, the smallest first.
pub fn build_with_callback(
    requests: &[Request<'_>],
    store: &dyn LayerCache,
    jobs: usize,
    reporter: &dyn Reporter,
    on_done: &OnLayerDone<'_>,
) -> Result<Vec<Layer>, LayerError> {
    build_with(requests, store, jobs, reporter, on_done, Hasher::streams_at_once())
}

/// As [`build_with_callback`], with tars of so many layers hashed at once.
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
        // A thread that is done here takes the others' tasks.
        let most = work.shared.at_a_time(thread.index());
        let open = VecDeque::with_capacity(most);
        let waits = Vec::new();
        let mut worker = Worker { work: &work, queue: &queue, most, open, waits };
        let mut made = Vec::new();
        // None after a failure.
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

/// A thread's share of the work: as many layers at a time as are hashed together, a block of
/// each in turn.
struct Worker<'a> {
    work: &'a BuildContext<'a>,
    queue: &'a Queue<'a>,
    /// So many at a time; fewer when there are no more to begin.
    most: usize,
    open: VecDeque<(QueuedLayer<'a>, Box<LayerBuild<'a>>)>,
    /// Those that somebody else is build. While this thread holds claims itself it waits for
    /// nobody's, so that no two wait for each other.
    waits: Vec<QueuedLayer<'a>>,
}

impl<'a> Worker<'a> {
    /// Works until a layer is finished, or failed; none when there are no more.
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

    /// Begins a layer once more if its blob is written elsewhere then.
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

    /// What this thread has for layers that it will not begin goes to those under way.
    fn leave_rest(&mut self) {
        (self.open.len()..self.most).for_each(|_| self.work.shared.release_own_blocks());
        self.most = self.open.len();
    }

    /// Gives one that needs no work, or cannot be begun.
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
