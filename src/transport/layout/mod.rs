//! Writes OCI image layouts: a directory of blobs with an index (image-spec, image-layout.md).
//!
//! A layer in the cache is not copied where it can be shared: its blob becomes a clone of the
//! cache's file, or a hard link to it. A write to a hard-linked blob damages the cache's blob, and
//! that of every other layout with the same link. The next build detects that, builds the layer again
//! and replaces the blob in its layout.

pub(in crate::transport) mod index_json;
mod writer;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

mod brought;

use self::index_json::IndexJson;
use super::graph::{Blob, TaggedImage};
use super::source::{IMAGE_NAME, REF_NAME};
use super::{TransportError, full_name};
use crate::fs;
use crate::fs::{AtomicFile, Context, FileError, FileOp, FileStamp};
use crate::image::{Descriptor, Document, Image};
use crate::progress::{Reporter, Task};
use crate::spec::{ImageName, Tag};

use brought::clear;
pub use writer::LayerWriter;

/// So many blobs are copied at a time.
const AT_ONCE: usize = 4;

const BLOBS: &str = "blobs/sha256";
const INDEX: &str = "index.json";
const OCI_LAYOUT_FILE: &str = "oci-layout";
/// What `oci-layout` holds.
pub(super) const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// An index is a list of short entries.
const INDEX_LIMIT: u64 = 4 << 20;

/// Adds images to the layout at `dir`, making it if there is none. Blobs that are there stay;
/// a tag of the same name moves. Any number of processes may write into one layout.
pub fn write(images: &[Image], dir: &Path, reporter: &dyn Reporter) -> Result<(), TransportError> {
    LayerWriter::new(dir).finish(images, reporter)
}

/// What people read while something is written.
fn writing(dir: &Path) -> String {
    format!("writing to `{}`", dir.display())
}

/// Adds images and indexes; see [`write()`].
pub fn write_graphs(
    graphs: &[TaggedImage],
    dir: &Path,
    reporter: &dyn Reporter,
) -> Result<(), TransportError> {
    add(graphs, LayerWriter::new(dir), reporter)
}

/// Adds images and indexes of which some layers are there already.
fn add(
    graphs: &[TaggedImage],
    layers: LayerWriter,
    reporter: &dyn Reporter,
) -> Result<(), TransportError> {
    let dir = layers.brought.dir();
    let blobs = dir.join(BLOBS);
    // Held until the end: another process must not read the index before ours is in it.
    let _lock = layers.brought.open(fs::LockMode::Exclusive)?;
    // What killed processes left.
    fs::remove_stale_temps(dir);
    fs::remove_stale_temps(&blobs);
    let mut index = read_index(dir)?;
    for entry in graphs.iter().flat_map(|named| &named.entries) {
        index.insert(entry.clone());
    }
    let bytes = index.into_bytes().map_err(|e| TransportError::Json(INDEX, e))?;
    let size = bytes.len() as u64;
    if size > INDEX_LIMIT {
        return Err(TransportError::Full { path: dir.into(), size, limit: INDEX_LIMIT });
    }
    write_blobs(graphs, &blobs, &layers, |bytes| reporter.start(&writing(dir), Some(bytes)))?;
    write_if_other(&dir.join(INDEX), &bytes)?;
    layers.brought.keep();
    Ok(())
}

/// Whether images may be added to the folder: it is a layout of the version that cooper writes,
/// empty, or not there yet. Nothing is changed.
pub fn check(dir: &Path) -> Result<(), TransportError> {
    let refused = |why: &str| Err(not_a_layout(dir, why.into()));
    let meta = match std::fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        meta => meta.context(FileOp::Read, dir)?,
    };
    if !meta.is_dir() {
        return refused("it is no folder; name another path");
    }
    // Root may write there all the same, and a finished store path would then be another one.
    if meta.permissions().readonly() {
        return refused("nobody may write to it, as to all in a Nix store; name another folder");
    }
    for folder in [Path::new(BLOBS).parent().unwrap_or(dir), Path::new(BLOBS)] {
        // Whoever made it decides where bytes go, and that is not where people look for them.
        if std::fs::symlink_metadata(dir.join(folder)).is_ok_and(|meta| meta.is_symlink()) {
            return refused(&format!(
                "its `{}` is a link, and nothing is written through one; make it a folder",
                folder.display()
            ));
        }
    }
    // In this order: what another process makes of an empty folder meanwhile begins with that file.
    let is_empty = is_empty(dir)?;
    if dir.join(OCI_LAYOUT_FILE).exists() {
        return check_version(dir);
    }
    match is_empty {
        true => Ok(()),
        false => refused(
            "it has other files in it and no `oci-layout`; name an empty folder or a new one",
        ),
    }
}

/// Whether there is nothing in a folder but what a killed process left, or another one takes away.
fn is_empty(dir: &Path) -> Result<bool, FileError> {
    for entry in std::fs::read_dir(dir).context(FileOp::List, dir)? {
        let entry = entry.context(FileOp::List, dir)?;
        let is_unfinished = fs::is_temporary(&entry.file_name())
            && entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_unfinished && entry.file_name() != OCI_LAYOUT_FILE {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The index entries of an image: one a tag, in the order of the tags.
pub(super) fn index_entries(image: &Image) -> Vec<Descriptor> {
    let entry = |tag| Descriptor {
        platform: Some(image.platform.clone()),
        annotations: names(&image.name, tag),
        ..image.manifest.descriptor.clone()
    };
    image.tags.iter().map(entry).collect()
}

/// An index entry's annotations for a name with a tag.
pub(super) fn names(name: &ImageName, tag: &Tag) -> BTreeMap<String, String> {
    BTreeMap::from([
        (REF_NAME.into(), format!("{tag}")),
        (IMAGE_NAME.into(), full_name(name.as_str(), tag)),
    ])
}

/// Writes the blobs that are missing.
fn write_blobs(
    graphs: &[TaggedImage],
    dir: &Path,
    layers: &LayerWriter,
    start: impl FnOnce(u64) -> Box<dyn Task>,
) -> Result<(), TransportError> {
    let mut missing: BTreeMap<PathBuf, (Bytes<'_>, u64)> = BTreeMap::new();
    for TaggedImage { graph, .. } in graphs {
        let blobs = graph.blobs().map(|blob| (&blob.descriptor, Bytes::Blob(blob)));
        let documents = graph.documents().iter().map(|d| (&d.descriptor, Bytes::Document(d)));
        for (descriptor, bytes) in blobs.chain(documents) {
            let path = dir.join(descriptor.digest.hex());
            let has_blob = match bytes.here() {
                Some(bytes) => has_bytes(&path, bytes),
                None => has_blob(&path, descriptor.size, bytes.look()),
            };
            if !has_blob {
                missing.insert(path, (bytes, descriptor.size));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let task = start(missing.values().map(|(_, size)| size).sum());
    write_all(missing.into_iter(), |(path, (bytes, _))| {
        layers.brought.bring(&path, || bytes.write_file(&path, &*task))
    })?;
    Ok(fs::sync_dir(dir)?)
}

/// Writes what comes, several at a time: much of it is waiting for the disk. After a failure
/// nothing more is taken.
fn write_all<I: Iterator + Send>(
    what: I,
    write: impl Fn(I::Item) -> Result<(), TransportError> + Sync,
) -> Result<(), TransportError> {
    let queue = Mutex::new(Some(what));
    let queue = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || {
        // Bound to a name, so that the lock is not held while it is written.
        while let Some(next) = { queue().as_mut().and_then(Iterator::next) } {
            write(next).inspect_err(|_| drop(queue().take()))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let start = |_| std::thread::Builder::new().spawn_scoped(scope, work);
        // Without threads more it only takes longer.
        let others: Vec<_> = (1..AT_ONCE).map_while(|number| start(number).ok()).collect();
        let here = work();
        let joined = others.into_iter().map(std::thread::ScopedJoinHandle::join);
        let joined = joined.map(|result| result.unwrap_or_else(|panic| resume_unwind(panic)));
        joined.fold(here, Result::and)
    })
}

/// Where a blob's bytes come from.
enum Bytes<'a> {
    Blob(&'a Blob),
    Document(&'a Document),
}

impl Bytes<'_> {
    /// Those of a document.
    fn here(&self) -> Option<&[u8]> {
        match self {
            Self::Blob(blob) => blob.here(),
            Self::Document(document) => Some(&document.bytes),
        }
    }

    fn look(&self) -> Option<FileStamp> {
        match self {
            Self::Blob(blob) => blob.look(),
            Self::Document(_) => None,
        }
    }

    fn write_file(&self, path: &Path, task: &dyn Task) -> Result<(), TransportError> {
        match self {
            Self::Blob(blob) => blob.write_file(path, task),
            Self::Document(document) => {
                let mut file = AtomicFile::create(path)?;
                file.file().write_all(&document.bytes).context(FileOp::Write, path)?;
                task.advance(document.bytes.len() as u64);
                Ok(file.commit_without_dir_sync()?)
            }
        }
    }
}

/// A blob is renamed into place whole, so one of the right size is the right one: that of a layer
/// if it is the same file still, or a copy with that file's time. Another may be what the layer was
/// made again for: this very file, shared with the cache or with another layout, may have been
/// damaged.
fn has_blob(path: &Path, size: u64, layer: Option<FileStamp>) -> bool {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return false };
    let look = FileStamp::of(&meta);
    meta.is_file()
        && meta.len() == size
        && layer.is_none_or(|layer| layer == look || has_time(look, layer))
}

/// Some file systems round times down: to ten milliseconds, to a second or to two.
fn has_time(copy: FileStamp, layer: FileStamp) -> bool {
    let is_round = copy.mtime.1 % 10_000_000 == 0;
    let is_near = copy.mtime <= layer.mtime && copy.mtime.0 >= layer.mtime.0.saturating_sub(2);
    copy.mtime == layer.mtime || is_round && is_near
}

fn has_bytes(path: &Path, bytes: &[u8]) -> bool {
    let size = bytes.len() as u64;
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == size)
        && fs::read(path, size).is_ok_and(|there| there == bytes)
}

/// Leaves a file alone that has these bytes already.
fn write_if_other(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    if has_bytes(path, bytes) {
        return Ok(());
    }
    clear(path)?;
    fs::write_atomically(path, bytes)
}

fn check_version(dir: &Path) -> Result<(), TransportError> {
    let path = dir.join(OCI_LAYOUT_FILE);
    let bytes = fs::read(&path, INDEX_LIMIT)?;
    let version = serde_json::from_slice::<serde_json::Value>(&bytes)
        .ok()
        .and_then(|value| value.get("imageLayoutVersion")?.as_str().map(str::to_owned));
    match version.as_deref() {
        Some("1.0.0") => Ok(()),
        Some(other) => Err(not_a_layout(dir, format!("its version is {other}, not 1.0.0"))),
        None => Err(not_a_layout(dir, "its file `oci-layout` has no `imageLayoutVersion`".into())),
    }
}

fn read_index(dir: &Path) -> Result<IndexJson, TransportError> {
    let path = dir.join(INDEX);
    if !path.exists() {
        return Ok(IndexJson::default());
    }
    let bytes = fs::read(&path, INDEX_LIMIT)?;
    IndexJson::parse(&bytes)
        .map_err(|why| not_a_layout(dir, format!("its index.json is no image index: {why}")))
}

fn not_a_layout(dir: &Path, why: String) -> TransportError {
    TransportError::NotALayout { path: dir.into(), why }
}
