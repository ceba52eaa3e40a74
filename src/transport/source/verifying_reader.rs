//! A blob's bytes, hashed on their way.

use std::fmt;
use std::io::{self, Read};

use super::{Source, SourceError};
use crate::digest::{Digest, Hasher};
use crate::image::Descriptor;

/// Reads a blob and compares digest and size at its end, where a wrong one is an error instead
/// of the end; a blob that is too long is an error at the first byte too many.
pub struct VerifyingReader {
    inner: Box<dyn Read + Send>,
    hasher: Option<Hasher>,
    digest: Digest,
    size: u64,
}

impl VerifyingReader {
    /// Opens what a descriptor names.
    pub fn new(source: &dyn Source, descriptor: &Descriptor) -> Result<Self, SourceError> {
        Ok(Self::around(source.open(descriptor)?, descriptor))
    }

    /// Checks a stream that is open already.
    pub fn around(inner: Box<dyn Read + Send>, descriptor: &Descriptor) -> Self {
        let hasher = Some(Hasher::new());
        Self { inner, hasher, digest: descriptor.digest, size: descriptor.size }
    }

    fn compare(&mut self) -> Result<(), SourceError> {
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        let hashed = hasher.finish();
        let (expected, actual) = (self.digest, hashed.digest());
        if hashed.size != self.size {
            return Err(self.wrong_size(hashed.size));
        }
        if actual == expected { Ok(()) } else { Err(SourceError::WrongDigest { expected, actual }) }
    }

    fn wrong_size(&self, actual: u64) -> SourceError {
        SourceError::WrongSize { digest: self.digest, expected: self.size, actual }
    }
}

impl Read for VerifyingReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = match self.inner.read(buf) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                // What comes after a broken stream is no shorter blob, it is nothing.
                self.hasher = None;
                return Err(error);
            }
            result => result?,
        };
        if count == 0 && !buf.is_empty() {
            return self.compare().map(|()| 0).map_err(io::Error::other);
        }
        let Some(hasher) = &mut self.hasher else { return Ok(count) };
        hasher.update(buf.get(..count).unwrap_or_default());
        match hasher.size() {
            read if read > self.size => Err(io::Error::other(self.wrong_size(read))),
            _ => Ok(count),
        }
    }
}

impl fmt::Debug for VerifyingReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("digest", &self.digest).finish_non_exhaustive()
    }
}
