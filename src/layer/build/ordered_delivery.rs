//! The order in which layers are started ([`Queue`]) and delivered ([`OrderedDelivery`]).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::layer::{Layer, LayerError, OnLayerDone, Request};

/// Layers that wait to be built. The largest is started first because it takes longest; the
/// others follow from the smallest on, so that the callback gets its first layer early.
pub(in crate::layer) struct Queue<'a> {
    /// Sorted by size, the smallest first, with their indexes among the requests.
    requests: Vec<(usize, &'a Request<'a>)>,
    next: AtomicUsize,
}

/// A layer of the queue: its place in the order of size and its index among the requests.
#[derive(Clone, Copy)]
pub(in crate::layer) struct QueuedLayer<'a> {
    pub(in crate::layer) place: usize,
    pub(in crate::layer) index: usize,
    pub(in crate::layer) request: &'a Request<'a>,
}

impl<'a> Queue<'a> {
    pub(in crate::layer) fn new(requests: &'a [Request<'a>]) -> Self {
        let mut requests: Vec<_> = requests.iter().enumerate().collect();
        requests.sort_by_key(|(index, request)| (request.content.nar_size(), *index));
        Self { requests, next: AtomicUsize::new(0) }
    }

    pub(in crate::layer) fn next(&self) -> Option<QueuedLayer<'a>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let last = self.requests.len().checked_sub(1)?;
        let place = if number == 0 { last } else { number - 1 };
        let (index, request) = self.requests.get(place).filter(|_| number <= last)?;
        Some(QueuedLayer { place, index: *index, request })
    }
}

/// Calls the callback in the order of size, independent of the order in which layers finish.
pub(in crate::layer) struct OrderedDelivery<'a> {
    on_done: &'a OnLayerDone<'a>,
    /// The next place to deliver, and finished layers that wait for their turn.
    state: Mutex<(usize, BTreeMap<usize, Layer>)>,
}

impl<'a> OrderedDelivery<'a> {
    pub(in crate::layer) fn new(on_done: &'a OnLayerDone<'a>) -> Self {
        Self { on_done, state: Mutex::default() }
    }

    pub(in crate::layer) fn finished(
        &self,
        place: usize,
        layer: Layer,
    ) -> Result<Layer, LayerError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (turn, waiting) = &mut *state;
        waiting.insert(place, layer.clone());
        while let Some(layer) = waiting.remove(turn) {
            (self.on_done)(&layer).map_err(LayerError::Sink)?;
            *turn += 1;
        }
        Ok(layer)
    }
}
