//! Reading an archive: an OCI layout in a tar, a `docker save`, or both in one.

pub(in crate::transport::source) mod docker;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::docker::DockerImages;
use super::documents::{IndexEntry, parse_index};
use super::encoding::{
    Encoding, MAGIC_LENGTH, MAX_INFLATED, Magic, inflates_too_much, most_inflated,
    unread_compression,
};
use super::tar::{Entry, Kind, TarError, TarReader};
use super::{MANIFEST_LIMIT, Source, SourceError, layout, warnings};
use crate::fs;
use crate::fs::{Context, FileOp};
use crate::image::Descriptor;

/// Archives with more entries are no images: an image has at most some hundred blobs.
const MOST_ENTRIES: usize = 100_000;
/// Bytes of their names and links together; those of an image have a hundred each.
const MOST_NAMES: usize = 32 << 20;
/// `docker save` of old names a layer that several images have by links.
const MOST_LINKS: usize = 8;

/// The number of bytes that are decompressed at a time.
const BLOCK: usize = 64 << 10;

/// An archive whose entries have been looked through.
#[derive(Debug)]
pub struct Archive {
    members: Arc<Members>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Oci(Vec<IndexEntry>),
    Docker(DockerImages),
}

impl Archive {
    /// Looks through an archive. One that is compressed as a whole is decompressed into a
    /// temporary file first, as its parts are read out of order.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Self::read(path, fs::open(path)?)
    }

    /// As [`open`](Archive::open), of a file that is open already; messages call it `path`.
    pub fn read(path: &Path, mut file: File) -> Result<Self, SourceError> {
        let mut start = [0; MAGIC_LENGTH];
        let count = file.read_at(&mut start, 0).context(FileOp::Read, path)?;
        let start = start.get(..count).unwrap_or_default();
        let file = match Magic::of(start) {
            Magic::Layer(Encoding::Plain) => file,
            magic => {
                let size = file.metadata().context(FileOp::Read, path)?.len();
                let most = most_inflated(size, MAX_INFLATED);
                let plain = tempfile::tempfile();
                let mut plain = plain.context(FileOp::CreateTemp, std::env::temp_dir())?;
                let inflated = inflate(&mut file, magic, most, &mut plain);
                let is_full = |e: &io::Error| e.kind() == io::ErrorKind::StorageFull;
                match inflated.as_ref().is_err_and(is_full) {
                    true => inflated.context(FileOp::WriteTemp, std::env::temp_dir())?,
                    false => inflated.context(FileOp::Decompress, path)?,
                }
                plain
            }
        };
        let members = Members::list(path, file).map_err(|error| {
            let compression = unread_compression(start);
            let why = |name| format!("it is compressed with {name}, which cooper does not read");
            match (&error, compression) {
                (SourceError::Tar { .. }, Some(name)) => {
                    SourceError::NoImage { path: path.into(), why: why(name) }
                }
                _ => error,
            }
        })?;
        let content = match members.has("oci-layout") && members.has("index.json") {
            true => Content::Oci(members.oci_roots()?),
            false if members.has("manifest.json") => Content::Docker(DockerImages::read(&members)?),
            false => {
                let why = "it has neither `index.json` with `oci-layout` nor `manifest.json`";
                return Err(members.unusable(why));
            }
        };
        Ok(Self { members: Arc::new(members), content })
    }
}

/// Stops before the folder for temporary files is full of a bomb.
pub(super) fn inflate(file: &mut File, magic: Magic, most: u64, to: &mut File) -> io::Result<()> {
    let mut inflated = magic.decoder(BufReader::new(file))?;
    // Half of what is free stays for other programs.
    let free = rustix::fs::fstatvfs(&*to).map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) / 2)?;
    let (mut size, mut written) = (0_u64, 0_u64);
    let mut block = vec![0; BLOCK];
    loop {
        let count = match inflated.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let bytes = block.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        size = size.saturating_add(count as u64);
        if size > most {
            return Err(inflates_too_much());
        }
        // Zeros, of which most bombs are made, become a hole.
        if bytes.iter().all(|byte| *byte == 0) {
            continue;
        }
        written = written.saturating_add(count as u64);
        if written > free {
            let why = format!("it takes more than the {free} bytes that are half of what is free");
            return Err(io::Error::new(io::ErrorKind::StorageFull, why));
        }
        to.write_all_at(bytes, size - count as u64)?;
    }
    to.set_len(size)?;
    to.rewind()
}

impl Source for Archive {
    fn name(&self) -> String {
        self.members.path.display().to_string()
    }

    fn roots(&self) -> Result<Vec<Descriptor>, SourceError> {
        Ok(match &self.content {
            Content::Oci(roots) => roots.iter().filter_map(IndexEntry::read).cloned().collect(),
            Content::Docker(images) => images.roots().to_vec(),
        })
    }

    fn warnings(&self) -> Vec<String> {
        match &self.content {
            Content::Oci(roots) => warnings(roots, &self.name()),
            Content::Docker(_) => Vec::new(),
        }
    }

    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError> {
        let found = match &self.content {
            Content::Oci(_) => {
                let path = format!("blobs/sha256/{}", descriptor.digest.hex());
                self.members.open(&path)?.map(|section| Box::new(section) as Box<_>)
            }
            Content::Docker(images) => images.open(&self.members, descriptor.digest)?,
        };
        found.ok_or_else(|| SourceError::Missing {
            place: self.name(),
            digest: descriptor.digest,
            wanted_by: "its index or a manifest names".into(),
        })
    }

    fn index_json(&self) -> Result<Option<Vec<u8>>, SourceError> {
        match self.content {
            Content::Oci(_) => self.members.small("index.json", "the archive").map(Some),
            Content::Docker(_) => Ok(None),
        }
    }

    fn docker_archive(&self) -> Result<Option<Box<dyn Source>>, SourceError> {
        if matches!(self.content, Content::Docker(_)) || !self.members.has("manifest.json") {
            return Ok(None);
        }
        let content = Content::Docker(DockerImages::read(&self.members)?);
        Ok(Some(Box::new(Self { members: Arc::clone(&self.members), content })))
    }
}

/// The files of an archive by their paths in it.
#[derive(Debug)]
pub(super) struct Members {
    path: PathBuf,
    file: Arc<File>,
    by_name: BTreeMap<String, Member>,
    /// Names of which there are several; readers differ in which one they take.
    ambiguous: BTreeSet<String>,
}

#[derive(Debug)]
enum Member {
    File { offset: u64, size: u64 },
    Link(String),
}

impl Members {
    fn list(path: &Path, file: File) -> Result<Self, SourceError> {
        let tar = |source| SourceError::Tar { path: path.into(), source };
        let mut reader = TarReader::seeking(BufReader::new(file));
        let (mut by_name, mut ambiguous, mut names) = (BTreeMap::new(), BTreeSet::new(), 0);
        while let Some(entry) = reader.next_entry().map_err(tar)? {
            let Some((name, member)) = member(&entry) else { continue };
            names += entry.path.len() + entry.link.len();
            if names > MOST_NAMES {
                return Err(tar(TarError::Names(MOST_NAMES)));
            }
            if by_name.len() >= MOST_ENTRIES {
                let why = format!("it has more than {MOST_ENTRIES} entries");
                return Err(SourceError::NoImage { path: path.into(), why });
            }
            if by_name.insert(name.clone(), member).is_some() {
                ambiguous.insert(name);
            }
        }
        let file = Arc::new(reader.into_inner().into_inner());
        let length = file.metadata().context(FileOp::Read, path)?.len();
        for member in by_name.values() {
            if let Member::File { offset, size } = member
                && offset.saturating_add(*size) > length
            {
                return Err(tar(TarError::Cut(length)));
            }
        }
        Ok(Self { path: path.into(), file, by_name, ambiguous })
    }

    fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn oci_roots(&self) -> Result<Vec<IndexEntry>, SourceError> {
        let version = self.small("oci-layout", "the archive")?;
        layout::check_version(&version).map_err(|why| self.unusable(why))?;
        let index = self.small("index.json", "the archive")?;
        parse_index(&index)
            .map_err(|why| self.unusable(format!("its index.json is unusable: {why}")))
    }

    /// An error about the archive as a whole.
    pub(super) fn unusable(&self, why: impl Into<String>) -> SourceError {
        SourceError::NoImage { path: self.path.clone(), why: why.into() }
    }

    /// Opens a file of the archive, following its own links. A link that leads out of the
    /// archive leads nowhere.
    pub(super) fn open(&self, name: &str) -> Result<Option<FileRange>, SourceError> {
        let mut name = name.to_owned();
        for _ in 0..MOST_LINKS {
            // Whatever is called by its digest is compared with that.
            if self.ambiguous.contains(&name) && !name.starts_with("blobs/sha256/") {
                return Err(self.unusable(format!(
                    "it has two entries `{name}`, and readers differ in which they take"
                )));
            }
            match self.by_name.get(&name) {
                None => return Ok(None),
                Some(Member::File { offset, size }) => {
                    let file = Arc::clone(&self.file);
                    return Ok(Some(FileRange { file, offset: *offset, left: *size }));
                }
                Some(Member::Link(target)) => name.clone_from(target),
            }
        }
        Err(self.unusable(format!("its entry `{name}` is a link that leads in a circle")))
    }

    /// The bytes of a small document of the archive.
    pub(super) fn small(&self, name: &str, wanted_by: &str) -> Result<Vec<u8>, SourceError> {
        self.document(name, wanted_by, MANIFEST_LIMIT)
    }

    /// The bytes of a document of the archive, which has at most `limit` of them.
    pub(super) fn document(
        &self,
        name: &str,
        wanted_by: &str,
        limit: u64,
    ) -> Result<Vec<u8>, SourceError> {
        let section = self.open(name)?;
        let mut section = section
            .ok_or_else(|| self.unusable(format!("it has no `{name}`, which {wanted_by} names")))?;
        if section.left > limit {
            return Err(self.unusable(format!("its `{name}` is larger than {limit} bytes")));
        }
        let mut bytes = Vec::new();
        section.read_to_end(&mut bytes).context(FileOp::Read, &self.path)?;
        Ok(bytes)
    }
}

/// What is worth remembering of an entry; names that leave the archive are not.
fn member(entry: &Entry) -> Option<(String, Member)> {
    let name = plain(&entry.path, "")?;
    let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
    match entry.kind {
        Kind::File => Some((name, Member::File { offset: entry.offset, size: entry.size })),
        Kind::Symlink => Some((plain(&entry.link, parent)?, name))
            .map(|(target, name)| (name, Member::Link(target))),
        Kind::HardLink => Some((name, Member::Link(plain(&entry.link, "")?))),
        _ => None,
    }
}

/// A path within the archive, without `.` and `..`; none if it would leave.
fn plain(path: &[u8], from: &str) -> Option<String> {
    let path = std::str::from_utf8(path).ok()?;
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A part of a file, read without moving anybody else's place in it.
#[derive(Debug, Clone)]
pub(super) struct FileRange {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl FileRange {
    /// Where the next byte is.
    pub(super) fn place(&self) -> u64 {
        self.offset
    }

    /// How many bytes are left.
    pub(super) fn len(&self) -> u64 {
        self.left
    }
}

impl Read for FileRange {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let count = self.file.read_at(buf.get_mut(..most).unwrap_or_default(), self.offset)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
