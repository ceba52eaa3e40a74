//! [`Sink`]: a writer that may also take bytes of a file with `splice(2)`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;

use crate::fs::WritebackWriter;

/// A writer for the bytes of a blob. The default methods are for writers that are not pipes.
pub trait Sink: Write {
    /// Returns the capacity of the pipe in bytes; `None` if this is not a pipe.
    fn capacity(&self) -> Option<u64> {
        None
    }

    /// Moves up to `most` of the file's next bytes into the pipe, after everything written before.
    /// Returns their number; after 0, the caller must read and write them.
    ///
    /// The pipe refers to the pages of the file: its reader gets the bytes that the file has at the
    /// time of reading.
    fn splice(&mut self, file: &File, most: u64) -> io::Result<u64> {
        let _ = (file, most);
        Ok(0)
    }
}

impl Sink for Vec<u8> {}

impl Sink for File {}

impl Sink for WritebackWriter<'_> {}

impl<W: Write + AsFd> Sink for BufWriter<W> {
    #[cfg(target_os = "linux")]
    fn capacity(&self) -> Option<u64> {
        rustix::pipe::fcntl_getpipe_size(self.get_ref()).ok()?.try_into().ok()
    }

    #[cfg(target_os = "linux")]
    fn splice(&mut self, file: &File, most: u64) -> io::Result<u64> {
        use rustix::io::Errno;
        use rustix::pipe::{SpliceFlags, splice};

        self.flush()?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        loop {
            match splice(file, None, self.get_ref(), None, most, SpliceFlags::empty()) {
                Ok(count) => return Ok(count as u64),
                Err(Errno::INTR) => {}
                Err(error @ (Errno::PIPE | Errno::AGAIN)) => return Err(error.into()),
                // Some file systems do not support splice. Any other error appears again when
                // the caller reads or writes.
                Err(_) => return Ok(0),
            }
        }
    }
}
