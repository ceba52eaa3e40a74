//! Bytes that somebody hears of on their way.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::TransportError;
use crate::fs::{AtomicFile, FileStamp};
use crate::layer::{Blob, Sink};
use crate::progress::Task;

/// Tells a task how many bytes have passed.
#[derive(Debug)]
pub struct ProgressWriter<'a, S: ?Sized> {
    /// Where they go.
    pub to: &'a mut S,
    /// Who hears of them.
    pub task: &'a dyn Task,
}

impl<S: Sink + ?Sized> Write for ProgressWriter<'_, S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.to.write(buf)?;
        self.task.advance(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<S: Sink + ?Sized> Sink for ProgressWriter<'_, S> {
    fn capacity(&self) -> Option<u64> {
        self.to.capacity()
    }

    fn splice(&mut self, file: &File, most: u64) -> io::Result<u64> {
        let taken = self.to.splice(file, most)?;
        self.task.advance(taken);
        Ok(taken)
    }
}

/// Gives a copy the time of the file that it is one of, by which it is known later.
fn give_time(path: &Path, look: FileStamp) {
    let (seconds, nanoseconds) = look.mtime;
    let since = u64::try_from(seconds).ok().zip(u32::try_from(nanoseconds).ok());
    let time = since.and_then(|(s, ns)| UNIX_EPOCH.checked_add(Duration::new(s, ns)));
    if let (Some(time), Ok(file)) = (time, File::open(path))
        && file.metadata().is_ok_and(|meta| FileStamp::of(&meta) != look)
    {
        // Without it the next run makes another copy.
        let _ = file.set_modified(time);
    }
}

/// Makes `path` a file with a layer's bytes; durable but for its name. What another file holds is
/// not read where it can be shared, and told of when it is there.
pub(super) fn write_file(
    blob: &Blob,
    size: u64,
    path: &Path,
    task: &dyn Task,
) -> Result<(), TransportError> {
    let unwritten = |error| TransportError::from(error).of_file(path);
    if let Some(look) = blob.look() {
        blob.write_file(path).map_err(unwritten)?;
        give_time(path, look);
        task.advance(size);
        return Ok(());
    }
    let mut file = AtomicFile::create(path)?;
    blob.write_to(&mut ProgressWriter { to: &mut file.writer(), task }).map_err(unwritten)?;
    Ok(file.commit_without_dir_sync()?)
}
