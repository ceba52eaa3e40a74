//! Where a blob's bytes go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;

use crate::fs::WritebackWriter;

/// Takes bytes, as every writer does. A pipe also takes those of a file without anybody reading
/// them first; every other sink is content with what is written here as default.
pub trait Sink: Write {
    /// How many bytes can lie in the pipe that this is, written and still unread; nothing when it
    /// is no pipe.
    fn capacity(&self) -> Option<u64> {
        None
    }

    /// Takes up to `most` of the file's next bytes, behind all that was written before, and gives
    /// how many. None says nothing about the file: its bytes are then to be read and written.
    ///
    /// What was taken is a loan. Whoever reads the pipe gets what the file has at that moment.
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
                // Nothing was taken. Reading or writing will say what is wrong with the one or
                // the other, or work: some file systems know no splice.
                Err(_) => return Ok(0),
            }
        }
    }
}
