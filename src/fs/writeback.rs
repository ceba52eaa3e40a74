//! A writer that starts write-back early, so that the final sync does not wait for every byte.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// Bytes between two starts of write-back: large enough for a disk, small enough to overlap with
/// the production of the next bytes.
const STEP: u64 = 8 << 20;

/// Writes a file from its start, and starts write-back of every 8 MiB. A sync at the end waits for
/// the last bytes only.
#[derive(Debug)]
pub struct WritebackWriter<'a> {
    file: &'a mut File,
    written: u64,
    /// The offset up to which write-back was started.
    begun: u64,
}

impl<'a> WritebackWriter<'a> {
    /// Wraps an empty file.
    pub fn new(file: &'a mut File) -> Self {
        Self { file, written: 0, begun: 0 }
    }

    fn begin(&mut self) {
        // DONTNEED starts write-back of dirty pages and drops clean ones; these pages are dirty. If
        // the kernel ignores the advice, only the sync at the end takes longer.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(
            &*self.file,
            self.begun,
            std::num::NonZeroU64::new(self.written - self.begun),
            rustix::fs::Advice::DontNeed,
        );
        self.begun = self.written;
    }
}

impl Write for WritebackWriter<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let count = self.file.write(buf)?;
        self.written += count as u64;
        if self.written - self.begun >= STEP {
            self.begin();
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl AsFd for WritebackWriter<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
