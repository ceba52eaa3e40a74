//! Writing that does not leave all of its waiting for the disk to the end.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// So many bytes make a disk work well, and are on their way while the next ones are made.
const STEP: u64 = 8 << 20;

/// Writes a file from its start, and has the kernel bring the bytes to the disk meanwhile. Whoever
/// wants them durable then waits for the last ones only.
#[derive(Debug)]
pub struct WritebackWriter<'a> {
    file: &'a mut File,
    written: u64,
    /// Up to where they are on their way.
    begun: u64,
}

impl<'a> WritebackWriter<'a> {
    /// Writes to a file that is empty.
    pub fn new(file: &'a mut File) -> Self {
        Self { file, written: 0, begun: 0 }
    }

    fn begin(&mut self) {
        // Who says that bytes are not needed any more has them written; only what was written is
        // forgotten, and these were not. Where the kernel does nothing, the end takes longer.
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
