//! One layer, read from its first byte to its last.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use super::entries::{Scan, Stop, entries};
use super::limits::Workspace;
use super::{Finding, Kind, kind_of};
use crate::digest::Hasher;
use crate::error_chain;
use crate::transport::source::tar::{self, TarReader};
use crate::transport::source::{self, Layer, Magic, Source, SourceError};

/// Reads a layer's blob: its digest, its tar's, and every entry.
pub fn scan(workspace: &Arc<Workspace>, source: &dyn Source, layer: &Layer) -> Scan {
    let mut scan = Scan::new(workspace);
    let obstacle = layer.obstacle();
    let mut raw = match source::VerifyingReader::new(source, &layer.descriptor) {
        Ok(raw) => raw,
        Err(error) if layer.foreign && error.is_missing() => {
            scan.findings.extend(obstacle.map(|why| Finding::warning("", why)));
            return scan;
        }
        Err(error) => {
            scan.findings.push(of_source(&error));
            return scan;
        }
    };
    let broken = scan_tar(workspace, &mut raw, layer, &mut scan).err();
    // The rest of the blob counts for its digest, even where its tar is over or broken.
    let rest = io::copy(&mut raw, &mut io::sink());
    let of_blob = |error| source::read_error(source, layer.descriptor.digest, error);
    match (broken, rest) {
        // Of a blob with other bytes it is no news that its tar is broken.
        (_, Err(error)) | (Some(Broken::Blob(error)), Ok(_)) => match of_blob(error) {
            error if layer.foreign && error.is_missing() => {
                scan.findings.extend(obstacle.map(|why| Finding::warning("", why)));
            }
            error => scan.findings.push(of_source(&error)),
        },
        (Some(Broken::Tar(why)), Ok(_)) => {
            scan.findings.push(Finding::error(Kind::Bytes, "", why));
        }
        (Some(Broken::Limit(why)), Ok(_)) => {
            scan.findings.push(Finding::error(Kind::Limit, "", why));
        }
        (None, Ok(_)) => {}
    }
    scan
}

fn of_source(error: &SourceError) -> Finding {
    Finding::error(kind_of(error), "", error_chain::one_line(error))
}

/// Why a tar was not read to its end.
enum Broken {
    /// The blob's bytes did not come, or are not the blob's.
    Blob(io::Error),
    /// The tar or its compression.
    Tar(String),
    /// A limit of cooper's.
    Limit(String),
}

impl Broken {
    fn of(error: io::Error) -> Self {
        match error.get_ref() {
            Some(inner) if inner.is::<SourceError>() => Self::Blob(error),
            // A decoder's errors have no number of the system's.
            _ if error.raw_os_error().is_some() => Self::Blob(error),
            Some(inner) if inner.is::<InflatesTooMuch>() => Self::Limit(inner.to_string()),
            _ => Self::Tar(format!("it cannot be decompressed: {}", error_chain::one_line(&error))),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the layers decompress to more than the limit of {limit} bytes, and to more than {times} times \
     their size (`--inflate-limit`)"
)]
struct InflatesTooMuch {
    limit: u64,
    times: u64,
}

fn scan_tar(
    workspace: &Arc<Workspace>,
    raw: &mut source::VerifyingReader,
    layer: &Layer,
    scan: &mut Scan,
) -> Result<(), Broken> {
    let mut buffered = BufReader::with_capacity(1 << 18, Counted { inner: raw, workspace });
    let start = io::BufRead::fill_buf(&mut buffered).map_err(Broken::of)?;
    let actual = Magic::of(start);
    let Some(named) = layer.encoding.map(Magic::Layer) else {
        return Err(Broken::Tar(layer.obstacle().unwrap_or_default()));
    };
    if actual != named {
        let (named, actual) = (named.name(), actual.name());
        return Err(Broken::Tar(format!("it is named {named}, and its bytes are {actual}")));
    }
    let plain = actual.decoder(buffered).map_err(Broken::of)?;
    let mut tee = HashingReader { inner: plain, hasher: Hasher::new(), workspace };
    let stopped = entries(&mut TarReader::streaming(&mut tee), workspace, scan).err();
    if let Some(Stop::Tar(tar::TarError::Read(error))) = stopped {
        return Err(Broken::of(error));
    }
    let rest = trailing(&mut tee).map_err(Broken::of)?;
    let hashed = tee.hasher.finish();
    scan.diff_id = Some(hashed.diff_id());
    scan.tar_size = hashed.size;
    match stopped {
        // Some tools leave the end marker out, and all unpackers bear with it; that the blob is
        // whole is known by its digest.
        Some(Stop::Tar(error @ tar::TarError::NoEnd(_))) if hashed.size > 0 => {
            scan.findings.push(Finding::warning("", error_chain::one_line(&error)));
        }
        Some(Stop::Tar(error)) => return Err(Broken::Tar(error_chain::one_line(&error))),
        Some(Stop::Memory(error)) => return Err(Broken::Limit(error.to_string())),
        None if rest => {
            scan.findings.push(Finding::warning("", "there are bytes after the end of its tar"));
        }
        None => {}
    }
    Ok(())
}

/// Reads to the end; whether anything but zeros came.
fn trailing(tee: &mut HashingReader<'_>) -> io::Result<bool> {
    let mut buf = vec![0; 1 << 16];
    let mut found = false;
    loop {
        match tee.read(&mut buf)? {
            0 => return Ok(found),
            count => found |= buf.get(..count).unwrap_or_default().iter().any(|byte| *byte != 0),
        }
    }
}

/// Counts the bytes of a blob.
struct Counted<'a> {
    inner: &'a mut source::VerifyingReader,
    workspace: &'a Workspace,
}

impl Read for Counted<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.workspace.count_read(count as u64);
        Ok(count)
    }
}

/// Hashes what is read, and ends what decompresses to more than the limit.
struct HashingReader<'a> {
    inner: Box<dyn Read + 'a>,
    hasher: Hasher,
    workspace: &'a Workspace,
}

impl Read for HashingReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.hasher.update(buf.get(..count).unwrap_or_default());
        match self.workspace.count_inflated(count as u64) {
            true => Ok(count),
            false => Err(io::Error::other(InflatesTooMuch {
                limit: self.workspace.limits().inflated,
                times: source::MAX_RATIO,
            })),
        }
    }
}
