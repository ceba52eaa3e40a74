//! A blob's bytes on their way into requests: read ahead by a thread, passed on in chunks.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use reqwest::Body;
use tokio::sync::mpsc;

use crate::transport::graph::Blob;
use crate::transport::http;

/// What is handed over at once: less costs time, more only memory.
const CHUNK: u64 = 512 << 10;
/// Chunks that wait for a slow registry.
const WAITING: usize = 2;

/// Hands over chunk after chunk, until the end or until nobody takes them.
fn feed(mut from: impl Read, to: &mpsc::Sender<io::Result<Vec<u8>>>) -> io::Result<()> {
    loop {
        let mut chunk = Vec::with_capacity(usize::try_from(CHUNK).unwrap_or_default());
        (&mut from).take(CHUNK).read_to_end(&mut chunk)?;
        if chunk.is_empty() || to.blocking_send(Ok(chunk)).is_err() {
            return Ok(());
        }
    }
}

/// A blob read by a thread of its own, a few chunks ahead of who sends it.
pub(super) struct ChunkReader {
    receiver: mpsc::Receiver<io::Result<Vec<u8>>>,
    pub(super) sent: Arc<AtomicU64>,
    pub(super) failed: Arc<Mutex<Option<io::Error>>>,
    rest: Vec<u8>,
}

impl ChunkReader {
    pub(super) fn start(blob: Blob) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || {
            // A request that is over needs no more bytes, and no error.
            if let Err(error) = blob.open_seen().and_then(|from| feed(from, &sender)) {
                let _ = sender.blocking_send(Err(error));
            }
        });
        Self { receiver, sent: Arc::default(), failed: Arc::default(), rest: Vec::new() }
    }

    pub(super) fn into_body(self) -> Body {
        let Self { receiver, sent, failed, .. } = self;
        let chunks = http::chunks(receiver).map(move |chunk| match chunk {
            Ok(chunk) => {
                sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                Ok(chunk)
            }
            Err(error) => {
                let copy = io::Error::new(error.kind(), error.to_string());
                if let Ok(mut failed) = failed.lock() {
                    *failed = Some(error);
                }
                Err(copy)
            }
        });
        Body::wrap_stream(chunks)
    }

    /// The next bytes, `size` of them unless the blob ends.
    pub(super) async fn part(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        while self.rest.len() < size {
            match self.receiver.recv().await {
                None => break,
                Some(chunk) => self.rest.extend(chunk?),
            }
        }
        let rest = self.rest.split_off(size.min(self.rest.len()));
        Ok(std::mem::replace(&mut self.rest, rest))
    }
}
