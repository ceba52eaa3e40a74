//! A blob's bytes on their way into requests: read ahead by a thread, passed on in chunks.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, stream};
use reqwest::Body;
use tokio::sync::mpsc;

use crate::transport::graph::Blob;

/// What is handed over at once: less costs time, more only memory.
const CHUNK: u64 = 512 << 10;
/// Chunks that wait for a slow registry.
const WAITING: usize = 2;
/// Progress is seen in steps of this size: small enough for the least rate.
const PIECE: usize = 64 << 10;

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

/// The bytes of a body that have left, as the sender of the request sees them.
#[derive(Debug)]
pub(super) struct BodyProgress {
    size: u64,
    sent: AtomicU64,
    is_waiting: AtomicBool,
}

impl BodyProgress {
    fn new(size: u64) -> Arc<Self> {
        Arc::new(Self { size, sent: AtomicU64::new(0), is_waiting: AtomicBool::new(false) })
    }

    /// The size of the body.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The number of bytes that the connection took.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Returns true if the connection waits for bytes that the source has not delivered.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A body of bytes in memory, passed on in pieces so that its progress can be seen.
pub(super) fn body_of(bytes: &[u8]) -> (Body, Arc<BodyProgress>) {
    let progress = BodyProgress::new(bytes.len() as u64);
    let pieces: Vec<Vec<u8>> = bytes.chunks(PIECE).map(<[u8]>::to_vec).collect();
    let counter = Arc::clone(&progress);
    let pieces = stream::iter(pieces).map(move |piece| {
        counter.add(piece.len());
        Ok::<_, io::Error>(piece)
    });
    (Body::wrap_stream(pieces), progress)
}

/// A blob that a thread reads, a few chunks ahead of the request that sends them.
pub(super) struct ChunkReader {
    receiver: mpsc::Receiver<io::Result<Vec<u8>>>,
    progress: Arc<BodyProgress>,
    failed: Arc<Mutex<Option<io::Error>>>,
    pieces: VecDeque<Vec<u8>>,
    rest: Vec<u8>,
}

impl ChunkReader {
    pub(super) fn start(blob: Blob) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let progress = BodyProgress::new(blob.descriptor.size);
        tokio::task::spawn_blocking(move || {
            // A request that is over needs no more bytes, and no error.
            if let Err(error) = blob.open_trusted().and_then(|from| feed(from, &sender)) {
                let _ = sender.blocking_send(Err(error));
            }
        });
        Self {
            receiver,
            progress,
            failed: Arc::default(),
            pieces: VecDeque::new(),
            rest: Vec::new(),
        }
    }

    pub(super) fn progress(&self) -> Arc<BodyProgress> {
        Arc::clone(&self.progress)
    }

    /// The error that ended the reading, once there is one.
    pub(super) fn failed(&self) -> Arc<Mutex<Option<io::Error>>> {
        Arc::clone(&self.failed)
    }

    /// The whole blob as the body of one request.
    pub(super) fn into_body(self) -> Body {
        Body::wrap_stream(stream::unfold(self, async |mut reader| {
            let piece = reader.piece().await?;
            Some((piece, reader))
        }))
    }

    async fn piece(&mut self) -> Option<io::Result<Vec<u8>>> {
        if self.pieces.is_empty() {
            self.progress.is_waiting.store(true, Ordering::Relaxed);
            let chunk = self.receiver.recv().await;
            self.progress.is_waiting.store(false, Ordering::Relaxed);
            match chunk? {
                Ok(chunk) => self.pieces.extend(chunk.chunks(PIECE).map(<[u8]>::to_vec)),
                Err(error) => {
                    let copy = io::Error::new(error.kind(), error.to_string());
                    if let Ok(mut failed) = self.failed.lock() {
                        *failed = Some(error);
                    }
                    return Some(Err(copy));
                }
            }
        }
        let piece = self.pieces.pop_front()?;
        self.progress.add(piece.len());
        Some(Ok(piece))
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
