//! A body that is written.

use std::io::{self, Write};

use tokio::sync::mpsc::Sender;

use crate::layer::Sink;

/// A writer whose bytes come out of a channel. Dropped, it ends the body: what is not flushed is
/// lost, and what breaks must be broken off.
pub(in crate::transport) struct BodyWriter {
    sender: Sender<io::Result<Vec<u8>>>,
    size: usize,
    chunk: Vec<u8>,
}

impl BodyWriter {
    /// Hands over `size` bytes at once: fewer cost time, more only memory.
    pub(in crate::transport) fn new(sender: Sender<io::Result<Vec<u8>>>, size: usize) -> Self {
        Self { sender, size, chunk: Vec::new() }
    }

    /// Makes the body an error.
    pub(in crate::transport) fn break_off(self, error: io::Error) {
        // A request that is over needs no error.
        let _ = self.sender.blocking_send(Err(error));
    }

    fn send(&self, chunk: Vec<u8>) -> io::Result<()> {
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for BodyWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.chunk.capacity() == 0 {
            self.chunk.reserve_exact(self.size);
        }
        let room = self.size.saturating_sub(self.chunk.len());
        let taken = buf.get(..room).unwrap_or(buf);
        self.chunk.extend_from_slice(taken);
        if self.chunk.len() >= self.size {
            let full = std::mem::take(&mut self.chunk);
            self.send(full)?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.chunk) {
            chunk if chunk.is_empty() => Ok(()),
            chunk => self.send(chunk),
        }
    }
}

impl Sink for BodyWriter {}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::sync::mpsc::channel;

    use super::*;
    use crate::transport::http::{chunks, runtime};

    /// What arrives when a thread writes: the sizes of the chunks, and whether all was well.
    fn arrives(write: impl FnOnce(BodyWriter) + Send) -> (Vec<usize>, bool) {
        let (sender, receiver) = channel(2);
        let all: Vec<_> = std::thread::scope(|scope| {
            scope.spawn(move || write(BodyWriter::new(sender, 1000)));
            runtime().unwrap().block_on(chunks(receiver).collect())
        });
        let well = all.iter().all(Result::is_ok);
        (all.into_iter().flatten().map(|chunk| chunk.len()).collect(), well)
    }

    #[test]
    fn what_is_written_in_pieces_of_any_size_goes_out_in_blocks_of_one() {
        let pieces = |mut to: BodyWriter| {
            for size in [1, 300, 699, 1500, 0] {
                to.write_all(&vec![7; size]).unwrap();
            }
            to.flush().unwrap();
        };
        assert_eq!(arrives(pieces), (vec![1000, 1000, 500], true));
    }

    #[test]
    fn what_breaks_off_never_looks_like_something_shorter() {
        let broken = |mut to: BodyWriter| {
            to.write_all(&[7; 1001]).unwrap();
            to.break_off(io::Error::other("gone"));
        };
        assert_eq!(arrives(broken), (vec![1000], false));
    }
}
