//! Reading foreign tars: strict, streaming, in bounded memory.
//!
//! What two readers could understand differently is an error: a size that differs between a
//! header and its PAX record, a record with a wrong length, a sparse file, a name for all entries
//! at once. Paths are returned as
//! they stand; nothing is unpacked.

pub(in crate::transport::source) mod pax;
use std::io::{self, Read, Seek, SeekFrom};

use self::pax::Extended;

const BLOCK: usize = 512;
/// Image tools write some hundred bytes.
const EXTENSION_LIMIT: u64 = 1 << 20;

/// Why bytes are no tar that every consumer reads alike.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarError {
    /// The stream behind.
    #[error("failed to read the tar")]
    Read(#[from] io::Error),
    /// The stream ends within an entry.
    #[error("the tar is cut at byte {0}")]
    Cut(u64),
    /// The stream ends between two entries, without the two zero blocks.
    #[error("the tar has no end marker, at byte {0}")]
    NoEnd(u64),
    /// What should be a header is none.
    #[error("there is no tar header at byte {0}: its checksum is wrong")]
    Checksum(u64),
    /// A number that is none.
    #[error("the tar header at byte {offset} has no number in its field `{field}`")]
    Number {
        /// Where the header is.
        offset: u64,
        /// Its field.
        field: &'static str,
    },
    /// A PAX or GNU extension that is broken or too large.
    #[error("the tar's extended header at byte {offset} is unusable: {why}")]
    Extension {
        /// Where it is.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// Two sizes for one entry.
    #[error(
        "the tar's entry at byte {offset} has {header} bytes by its header, {pax} by its PAX record"
    )]
    TwoSizes {
        /// Where the header is.
        offset: u64,
        /// By the header.
        header: u64,
        /// By the record.
        pax: u64,
    },
    /// Names that are too many bytes to keep.
    #[error("the tar's names have more than {0} bytes together, the most that cooper keeps")]
    Names(usize),
    /// A sparse file, which image-spec tells tools not to write.
    #[error("the tar's entry at byte {0} is a sparse file; image layers may not have any")]
    Sparse(u64),
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A second name for an entry that came before.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// A device or a FIFO.
    Special,
    /// A type flag that POSIX does not define.
    Other(u8),
}

impl Kind {
    /// Old tars mark a directory by the slash at its end.
    fn of_flag(flag: u8, path: &[u8]) -> Self {
        match flag {
            b'0' | 0 | b'7' if !path.ends_with(b"/") => Self::File,
            b'0' | 0 | b'7' | b'5' => Self::Directory,
            b'1' => Self::HardLink,
            b'2' => Self::Symlink,
            b'3' | b'4' | b'6' => Self::Special,
            other => Self::Other(other),
        }
    }
}

/// One entry. Names are bytes, as they stand in the tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub path: Vec<u8>,
    /// The target of a link.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// The twelve permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// How many bytes follow.
    pub size: u64,
    /// Where they start in the stream.
    pub offset: u64,
}

/// How data that nobody reads is passed over; how much there was.
type Skip<R> = fn(&mut R, u64) -> io::Result<u64>;

/// Reads entry after entry; as a [`Read`], the bytes of the entry that came last.
#[derive(Debug)]
pub struct TarReader<R> {
    inner: R,
    skip: Skip<R>,
    offset: u64,
    left: u64,
    padding: u64,
    ended: bool,
}

impl<R: Read> TarReader<R> {
    /// Reads a stream from its beginning to its end.
    pub fn streaming(inner: R) -> Self {
        Self::new(inner, |inner, count| io::copy(&mut inner.take(count), &mut io::sink()))
    }

    fn new(inner: R, skip: Skip<R>) -> Self {
        Self { inner, skip, offset: 0, left: 0, padding: 0, ended: false }
    }

    /// The next entry; `None` after the end marker.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        let mut extended = Extended::default();
        loop {
            self.pass_over()?;
            let at = self.offset;
            let Some(block) = self.header()? else { return Ok(None) };
            let header = Header { block: &block, at };
            let size = header.number("size", 124, 12)?;
            match header.flag() {
                b'x' => extended.pax(&self.extension(at, size)?, at)?,
                b'g' => Extended::for_all(&self.extension(at, size)?, at)?,
                b'L' => extended.path = Some(until_nul(&self.extension(at, size)?).to_vec()),
                b'K' => extended.link = Some(until_nul(&self.extension(at, size)?).to_vec()),
                b'S' => return Err(TarError::Sparse(at)),
                _ => return self.entry(&header, extended, size).map(Some),
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header<'_>,
        extended: Extended,
        size: u64,
    ) -> Result<Entry, TarError> {
        let at = header.at;
        if extended.sparse {
            return Err(TarError::Sparse(at));
        }
        let size = match extended.size {
            // A header too small for the size holds zero.
            Some(pax) if size != 0 && pax != size => {
                return Err(TarError::TwoSizes { offset: at, header: size, pax });
            }
            Some(pax) => pax,
            None => size,
        };
        let path = extended.path.unwrap_or_else(|| header.path());
        let link = extended.link.unwrap_or_else(|| until_nul(header.field(157, 100)).to_vec());
        let kind = Kind::of_flag(header.flag(), &path);
        // Links and devices carry a size in old tars, and no bytes.
        let carries = matches!(kind, Kind::File | Kind::Other(_));
        let size = if carries { size } else { 0 };
        let id = |pax: Option<u64>, field, start| {
            let number = pax.map_or_else(|| header.number(field, start, 8), Ok)?;
            u32::try_from(number).map_err(|_| TarError::Number { offset: at, field })
        };
        let (uid, gid) = (id(extended.uid, "uid", 108)?, id(extended.gid, "gid", 116)?);
        let mode = u32::try_from(header.number("mode", 100, 8)? & 0o7777).unwrap_or_default();
        self.expect_data(size);
        Ok(Entry { path, link, kind, mode, uid, gid, size, offset: self.offset })
    }

    fn expect_data(&mut self, size: u64) {
        self.left = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn pass_over(&mut self) -> Result<(), TarError> {
        let count = self.left.saturating_add(self.padding);
        if count > 0 {
            let skipped = (self.skip)(&mut self.inner, count)?;
            self.offset = self.offset.saturating_add(skipped);
            // Padding that is missing at the very end hurts nobody.
            if skipped < self.left {
                return Err(TarError::Cut(self.offset));
            }
            self.left = 0;
            self.padding = 0;
        }
        Ok(())
    }

    /// The next header; `None` at the end marker.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        if self.ended {
            return Ok(None);
        }
        let at = self.offset;
        let block = self.block()?.ok_or(TarError::NoEnd(at))?;
        if block.iter().all(|byte| *byte == 0) {
            return match self.block()? {
                Some(second) if second.iter().all(|byte| *byte == 0) => {
                    self.ended = true;
                    Ok(None)
                }
                _ => Err(TarError::NoEnd(at)),
            };
        }
        Header { block: &block, at }.check()?;
        Ok(Some(block))
    }

    /// A whole block, or `None` where the stream ends before its first byte.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.inner.read(rest) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(TarError::Cut(self.offset + filled as u64)),
                Ok(count) => filled += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        self.offset += BLOCK as u64;
        Ok(Some(block))
    }

    fn extension(&mut self, offset: u64, size: u64) -> Result<Vec<u8>, TarError> {
        if size > EXTENSION_LIMIT {
            return Err(TarError::Extension { offset, why: "it is larger than 1 MiB" });
        }
        self.expect_data(size);
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        if self.left > 0 {
            return Err(TarError::Cut(self.offset));
        }
        Ok(bytes)
    }

    /// The reader behind.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read + Seek> TarReader<R> {
    /// Reads a file; what nobody asks for is passed over.
    pub fn seeking(inner: R) -> Self {
        Self::new(inner, |inner, count| {
            let by = i64::try_from(count).map_err(io::Error::other)?;
            inner.seek(SeekFrom::Current(by)).map(|_| count)
        })
    }
}

impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let count = match buf.get_mut(..most) {
            Some(part) if !part.is_empty() => self.inner.read(part)?,
            _ => 0,
        };
        self.left -= count as u64;
        self.offset += count as u64;
        Ok(count)
    }
}

struct Header<'a> {
    block: &'a [u8; BLOCK],
    at: u64,
}

impl Header<'_> {
    fn field(&self, start: usize, len: usize) -> &[u8] {
        self.block.get(start..start + len).unwrap_or_default()
    }

    fn flag(&self) -> u8 {
        self.field(156, 1).first().copied().unwrap_or_default()
    }

    /// Octal, or GNU's base 256 when the first bit is set.
    fn number(&self, field: &'static str, start: usize, len: usize) -> Result<u64, TarError> {
        let bytes = self.field(start, len);
        let wrong = || TarError::Number { offset: self.at, field };
        if let [first, rest @ ..] = bytes
            && first & 0x80 != 0
        {
            let head = u64::from(first & 0x7f);
            return rest
                .iter()
                .try_fold(head, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)))
                .filter(|number| i64::try_from(*number).is_ok())
                .ok_or_else(wrong);
        }
        let text = std::str::from_utf8(until_nul(bytes)).map_err(|_| wrong())?.trim();
        let text = if text.is_empty() { "0" } else { text };
        u64::from_str_radix(text, 8).map_err(|_| wrong())
    }

    /// The sum of all bytes, those of the checksum counted as blanks.
    fn check(&self) -> Result<(), TarError> {
        let sum: u64 = self.block.iter().map(|byte| u64::from(*byte)).sum();
        let own: u64 = self.field(148, 8).iter().map(|byte| u64::from(*byte)).sum();
        match self.number("checksum", 148, 8) {
            Ok(stated) if stated == sum - own + 8 * u64::from(b' ') => Ok(()),
            _ => Err(TarError::Checksum(self.at)),
        }
    }

    fn path(&self) -> Vec<u8> {
        let name = until_nul(self.field(0, 100));
        let prefix = until_nul(self.field(345, 155));
        // Old GNU tars keep times where ustar has the prefix.
        match self.field(257, 6) == b"ustar\0" && !prefix.is_empty() {
            true => [prefix, b"/", name].concat(),
            false => name.to_vec(),
        }
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
