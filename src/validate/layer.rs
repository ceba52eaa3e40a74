//! One layer, read from its first byte to its last.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use super::finding::push_some;
use super::path::{self, Place};
use super::{Finding, Kind, chain, kind_of};
use crate::digest::{DiffId, Hasher};
use crate::transport::source::tar::{self, TarReader};
use crate::transport::source::{self, Encoding, Layer, Source, SourceError};

/// Of so many entries the list still fits into memory; real layers have some hundred thousand.
const MOST: Most = Most { entries: 4 << 20, names: 256 << 20 };
/// Linux takes no longer path, and no longer target of a link (`PATH_MAX`).
const LONGEST_NAME: usize = 4096;
/// So much of a longer one is shown.
const SHOWN: usize = 100;
/// So many findings show what is wrong with a layer.
pub(super) const MOST_FINDINGS: usize = 1000;

/// What an entry of a layer is, once its path has one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Without leading slash.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: tar::Kind,
    /// The target of a link, as it stands; of a hard link, in its one spelling.
    pub link: Vec<u8>,
    /// Permission bits, owner and group.
    pub meta: Meta,
    /// How many bytes a file has.
    pub size: u64,
    /// The bytes of a file that images are extended by, such as `etc/passwd`.
    pub bytes: Option<Vec<u8>>,
}

/// Who may do what with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// The twelve permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// Lists of accounts: an image that adds some needs those that are there.
const KEPT: [&[u8]; 2] = [b"etc/passwd", b"etc/group"];
const KEPT_LIMIT: u64 = 1 << 20;

/// What reading a layer brought to light.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// Names the tar; none if it could not be read to its end.
    pub diff_id: Option<DiffId>,
    /// Bytes of the tar.
    pub tar_size: u64,
    /// The entries, in their order.
    pub entries: Vec<Entry>,
    /// What is wrong with the layer by itself.
    pub findings: Vec<Finding>,
}

/// Reads a layer's blob: its digest, its tar's, and every entry.
pub fn scan(source: &dyn Source, layer: &Layer) -> Scan {
    let mut scan = Scan::default();
    let mut raw = match source::Checked::new(source, &layer.descriptor) {
        Ok(raw) => raw,
        Err(error) => {
            scan.blob(&error);
            return scan;
        }
    };
    let broken = scan_tar(&mut raw, layer, &mut scan).err();
    // The rest of the blob counts for its digest, even where its tar is over or broken.
    let rest = io::copy(&mut raw, &mut io::sink());
    let of_blob = |error| source::read_error(source, layer.descriptor.digest, error);
    match (broken, rest) {
        // Of a blob with other bytes it is no news that its tar is broken.
        (_, Err(error)) | (Some(Broken::Blob(error)), Ok(_)) => scan.blob(&of_blob(error)),
        (Some(Broken::Tar(why)), Ok(_)) => {
            scan.findings.push(Finding::error(Kind::Bytes, "", why));
        }
        (None, Ok(_)) => {}
    }
    scan
}

impl Scan {
    fn blob(&mut self, error: &SourceError) {
        self.findings.push(Finding::error(kind_of(error), "", chain(error)));
    }

    fn path(&mut self, path: &[u8], message: &str) {
        self.found(|| Finding::error(Kind::Path, path::shown(path), message));
    }

    /// A finding of one of many entries.
    fn found(&mut self, finding: impl FnOnce() -> Finding) {
        push_some(&mut self.findings, MOST_FINDINGS, finding);
    }
}

/// Why a tar was not read to its end.
enum Broken {
    /// The blob's bytes did not come, or are not the blob's.
    Blob(io::Error),
    /// The tar or its compression.
    Tar(String),
}

impl Broken {
    fn of(error: io::Error) -> Self {
        let source = error.get_ref().and_then(|inner| inner.downcast_ref::<SourceError>());
        // A decoder's errors have no number of the system's.
        match source.is_some() || error.raw_os_error().is_some() {
            true => Self::Blob(error),
            false => Self::Tar(format!("it cannot be decompressed: {}", chain(&error))),
        }
    }
}

fn scan_tar(raw: &mut source::Checked, layer: &Layer, scan: &mut Scan) -> Result<(), Broken> {
    let mut buffered = BufReader::with_capacity(1 << 18, raw);
    let start = io::BufRead::fill_buf(&mut buffered).map_err(Broken::of)?;
    let actual = Encoding::of_magic(start);
    if actual != layer.encoding {
        let (named, actual) = (name(layer.encoding), name(actual));
        return Err(Broken::Tar(format!("it is named {named}, and its bytes are {actual}")));
    }
    let plain = actual.decoder(buffered).map_err(Broken::of)?;
    let most = source::most_inflated(layer.descriptor.size);
    let mut tee = Tee { inner: plain, hasher: Hasher::new(), most };
    let result = entries(&mut TarReader::streaming(&mut tee), scan, MOST);
    if let Err(tar::TarError::Read(error)) = result {
        return Err(Broken::of(error));
    }
    let rest = trailing(&mut tee).map_err(Broken::of)?;
    let hashed = tee.hasher.finish();
    scan.diff_id = Some(hashed.diff_id());
    scan.tar_size = hashed.size;
    match result {
        // Some tools leave the end marker out, and all unpackers bear with it; that the blob is
        // whole is known by its digest.
        Err(error @ tar::TarError::NoEnd(_)) if hashed.size > 0 => {
            scan.findings.push(Finding::warning("", chain(&error)));
        }
        Err(error) => return Err(Broken::Tar(chain(&error))),
        Ok(()) if rest => {
            scan.findings.push(Finding::warning("", "there are bytes after the end of its tar"));
        }
        Ok(()) => {}
    }
    Ok(())
}

fn name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Plain => "a plain tar",
        Encoding::Gzip => "gzip",
        Encoding::Zstd => "zstd",
    }
}

/// Reads to the end; whether anything but zeros came.
fn trailing(tee: &mut Tee<'_>) -> io::Result<bool> {
    let mut buf = vec![0; 1 << 16];
    let mut found = false;
    loop {
        match tee.read(&mut buf)? {
            0 => return Ok(found),
            count => found |= buf.get(..count).unwrap_or_default().iter().any(|byte| *byte != 0),
        }
    }
}

/// Hashes what is read, and ends what grows beyond all measure.
struct Tee<'a> {
    inner: Box<dyn Read + 'a>,
    hasher: Hasher,
    most: u64,
}

impl Read for Tee<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.hasher.update(buf.get(..count).unwrap_or_default());
        match self.hasher.size() > self.most {
            true => Err(source::inflates_too_much()),
            false => Ok(count),
        }
    }
}

/// The most that is kept of a layer: so many entries, and so many bytes of names and links.
#[derive(Clone, Copy)]
pub(super) struct Most {
    pub(super) entries: usize,
    pub(super) names: usize,
}

/// Reads entries, to the end or until there are too many to keep.
pub(super) fn entries<R: Read>(
    reader: &mut TarReader<R>,
    scan: &mut Scan,
    most: Most,
) -> Result<(), tar::TarError> {
    let mut seen: BTreeMap<Vec<u8>, tar::Kind> = BTreeMap::new();
    let mut names = 0;
    let result = loop {
        let entry = match reader.next_entry() {
            Ok(Some(_)) if scan.entries.len() >= most.entries => {
                break Err(tar::TarError::TooMany(most.entries));
            }
            Ok(Some(entry)) => entry,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        if let Some(long) = [&entry.path, &entry.link].into_iter().find(|n| n.len() > LONGEST_NAME)
        {
            let start = long.get(..SHOWN).unwrap_or_default();
            let message = format!("it is longer than the {LONGEST_NAME} bytes that Linux takes");
            scan.path(start, &message);
            continue;
        }
        names += entry.path.len() + entry.link.len();
        if names > most.names {
            break Err(tar::TarError::Names(most.names));
        }
        let path = match path::place(&entry.path, b"") {
            Place::Within(path) => path,
            Place::Root => continue,
            Place::Outside => {
                scan.path(&entry.path, "its path leaves the image by `..`");
                continue;
            }
        };
        if entry.path.starts_with(b"/") {
            scan.path(&path, "its path starts with a slash");
        }
        if let tar::Kind::Other(flag) = entry.kind {
            scan.path(&path, &format!("its type `{}` is none of POSIX's", flag.escape_ascii()));
        }
        if path::parents(&path).any(|dir| seen.get(dir) == Some(&tar::Kind::Symlink)) {
            scan.path(&path, "it lies below a symbolic link of the same layer");
        }
        let link = link(&entry, &path, &seen, scan);
        if seen.insert(path.clone(), entry.kind).is_some() {
            scan.path(&path, "it is in the layer twice");
        }
        let kept = KEPT.contains(&path.as_slice()) && entry.kind == tar::Kind::File;
        let bytes = if kept { small(reader, entry.size)? } else { None };
        let meta = Meta { mode: entry.mode, uid: entry.uid, gid: entry.gid };
        let size = if entry.kind == tar::Kind::File { entry.size } else { 0 };
        scan.entries.push(Entry { path, kind: entry.kind, link, meta, size, bytes });
    };
    forward_links(&seen, scan);
    result
}

fn small<R: Read>(reader: &mut TarReader<R>, size: u64) -> io::Result<Option<Vec<u8>>> {
    if size > KEPT_LIMIT {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The target of a link; one that leaves is reported.
fn link(
    entry: &tar::Entry,
    path: &[u8],
    seen: &BTreeMap<Vec<u8>, tar::Kind>,
    scan: &mut Scan,
) -> Vec<u8> {
    match entry.kind {
        tar::Kind::HardLink => match path::place(&entry.link, b"") {
            Place::Within(target) => {
                if target == path {
                    scan.path(path, "it is a hard link to itself");
                } else if seen.get(&target) == Some(&tar::Kind::Directory) {
                    scan.path(path, "it is a hard link to a directory");
                }
                target
            }
            Place::Root | Place::Outside => {
                scan.path(path, "it is a hard link that leaves the image");
                Vec::new()
            }
        },
        tar::Kind::Symlink => {
            if path::place(&entry.link, path::parent(path)) == Place::Outside {
                let target = String::from_utf8_lossy(&entry.link).into_owned();
                let message =
                    format!("its link `{target}` leaves the image; runtimes stop at its root");
                scan.found(|| Finding::warning(path::shown(path), message));
            }
            entry.link.clone()
        }
        _ => Vec::new(),
    }
}

/// Hard links whose target comes after them: most unpackers fail there.
fn forward_links(seen: &BTreeMap<Vec<u8>, tar::Kind>, scan: &mut Scan) {
    let mut before: std::collections::BTreeSet<&[u8]> = std::collections::BTreeSet::new();
    let mut forward = Vec::new();
    for entry in &scan.entries {
        let is_forward = entry.kind == tar::Kind::HardLink
            && !before.contains(entry.link.as_slice())
            && entry.link != entry.path
            && seen.contains_key(&entry.link);
        if is_forward {
            forward.push(entry.path.clone());
        }
        before.insert(&entry.path);
    }
    for path in forward {
        scan.path(&path, "it is a hard link to an entry that comes after it");
    }
}
