//! An OCI image layout: a folder of blobs with an index (image-spec, image-layout.md).
//!
//! A layer that lies in the cache is not copied where it can be shared: its blob is then a clone of
//! the cache's, or the same file. Who writes to the same file damages the cache's blob too, and that
//! of every other layout that has it. The next build notices, makes the layer again and replaces
//! the blob in its layout; a build into one of the others replaces it there, as it is older than
//! the cache's.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

mod layers;

use super::entries::Entries;
use super::graph::{Blob, Named};
use super::source::{IMAGE_NAME, REF_NAME};
use super::{TransportError, full_name};
use crate::file::{self, AtomicFile, Context, FileError, Look};
use crate::image::{Descriptor, Document, Image};
use crate::report::{Reporter, Task};
use crate::spec::{ImageName, Tag};

pub use layers::Layers;

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
    let named: Vec<Named> = images.iter().map(Named::of_image).collect();
    write_graphs(&named, dir, reporter)
}

/// What people read while something is written.
fn writing(dir: &Path) -> String {
    format!("writing to `{}`", dir.display())
}

/// Whether the folder that is locked has the name still: whoever gave up meanwhile may have removed
/// it.
fn is_same(lock: &File, dir: &Path) -> bool {
    let now = fs::metadata(dir);
    now.is_ok_and(|now| lock.metadata().is_ok_and(|old| old.ino() == now.ino()))
}

/// Makes the layout if there is none and locks it.
fn open(dir: &Path, kind: file::Lock) -> Result<File, TransportError> {
    loop {
        create_dir(dir)?;
        let lock = File::open(dir).context("open", dir)?;
        file::lock(&lock, dir, kind)?;
        if is_same(&lock, dir) {
            check(dir)?;
            // First of all, so that what a killed process leaves is a layout to go on with.
            write_if_other(&dir.join(OCI_LAYOUT_FILE), OCI_LAYOUT)?;
            create_dir(&dir.join(BLOBS))?;
            return Ok(lock);
        }
    }
}

/// Adds images and indexes; see [`write()`].
pub fn write_graphs(
    graphs: &[Named],
    dir: &Path,
    reporter: &dyn Reporter,
) -> Result<(), TransportError> {
    let blobs = dir.join(BLOBS);
    let layers = Layers::new(dir);
    // Held until the end: another process must not read the index before ours is in it.
    let _lock = open(dir, file::Lock::Alone)?;
    remove_unfinished(dir)?;
    remove_unfinished(&blobs)?;
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
    layers.keep();
    Ok(())
}

/// Whether images may be added to the folder: it is a layout of the version that cooper writes,
/// empty, or not there yet. Nothing is changed.
pub fn check(dir: &Path) -> Result<(), TransportError> {
    let refused = |why: &str| Err(not_a_layout(dir, why.into()));
    let meta = match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        meta => meta.context("read", dir)?,
    };
    if !meta.is_dir() {
        return refused("it is no folder; name another path");
    }
    // Root may write there all the same, and a finished store path would then be another one.
    if meta.permissions().readonly() {
        return refused("nobody may write to it, as to all in a Nix store; name another folder");
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
    for entry in fs::read_dir(dir).context("list", dir)? {
        let entry = entry.context("list", dir)?;
        if !is_unfinished(&entry) && entry.file_name() != OCI_LAYOUT_FILE {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_unfinished(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(file::TEMP_PREFIX.as_bytes())
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
    graphs: &[Named],
    dir: &Path,
    layers: &Layers<'_>,
    start: impl FnOnce(u64) -> Box<dyn Task>,
) -> Result<(), TransportError> {
    let mut missing: BTreeMap<PathBuf, (Bytes<'_>, u64)> = BTreeMap::new();
    for Named { graph, .. } in graphs {
        let blobs = graph.blobs().map(|blob| (&blob.descriptor, Bytes::Blob(blob)));
        let documents = graph.documents().iter().map(|d| (&d.descriptor, Bytes::Document(d)));
        for (descriptor, bytes) in blobs.chain(documents) {
            let path = dir.join(descriptor.digest.hex());
            if !is_there(&path, descriptor.size, bytes.look()) {
                missing.insert(path, (bytes, descriptor.size));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let task = start(missing.values().map(|(_, size)| size).sum());
    write_all(missing.into_iter(), |(path, (bytes, _))| {
        bytes.write_file(&path, &*task)?;
        layers.written().push(path);
        Ok(())
    })?;
    Ok(file::sync_dir(dir)?)
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
    let results: Vec<Result<(), TransportError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|result| result.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    results.into_iter().collect()
}

/// Removes what a killed process left; who holds the lock is the only one who writes.
fn remove_unfinished(dir: &Path) -> Result<(), FileError> {
    for entry in fs::read_dir(dir).context("list", dir)? {
        let entry = entry.context("list", dir)?;
        if is_unfinished(&entry) {
            fs::remove_file(entry.path()).context("remove", entry.path())?;
        }
    }
    Ok(())
}

/// Where a blob's bytes come from.
enum Bytes<'a> {
    Blob(&'a Blob),
    Document(&'a Document),
}

impl Bytes<'_> {
    fn look(&self) -> Option<Look> {
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
                file.file().write_all(&document.bytes).context("write", path)?;
                task.advance(document.bytes.len() as u64);
                Ok(file.commit_without_name()?)
            }
        }
    }
}

/// A blob is renamed into place whole, so one of the right size is the right one, unless it is
/// older than the layer that it should be: that may have been made again because this very file,
/// shared with the cache or with another layout, was damaged.
fn is_there(path: &Path, size: u64, layer: Option<Look>) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else { return false };
    let is_older = |layer: Look| Look::of(&meta).mtime < layer.mtime;
    meta.is_file() && meta.len() == size && !layer.is_some_and(is_older)
}

/// Leaves a file alone that has these bytes already.
fn write_if_other(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() && file::read(path, INDEX_LIMIT)? == bytes => Ok(()),
        _ => file::write_atomically(path, bytes),
    }
}

/// Readable by all, whatever the umask.
fn create_dir(path: &Path) -> Result<(), FileError> {
    let mut missing: Vec<PathBuf> =
        path.ancestors().take_while(|dir| !dir.exists()).map(Path::to_path_buf).collect();
    missing.retain(|dir| !dir.as_os_str().is_empty());
    fs::create_dir_all(path).context("create", path)?;
    for dir in missing {
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))
            .context("set the mode of", &dir)?;
    }
    Ok(())
}

fn check_version(dir: &Path) -> Result<(), TransportError> {
    let path = dir.join(OCI_LAYOUT_FILE);
    let bytes = file::read(&path, INDEX_LIMIT)?;
    let version = serde_json::from_slice::<serde_json::Value>(&bytes)
        .ok()
        .and_then(|value| value.get("imageLayoutVersion")?.as_str().map(str::to_owned));
    match version.as_deref() {
        Some("1.0.0") => Ok(()),
        Some(other) => Err(not_a_layout(dir, format!("its version is {other}, not 1.0.0"))),
        None => Err(not_a_layout(dir, "its file `oci-layout` has no `imageLayoutVersion`".into())),
    }
}

fn read_index(dir: &Path) -> Result<Entries, TransportError> {
    let path = dir.join(INDEX);
    if !path.exists() {
        return Ok(Entries::default());
    }
    let bytes = file::read(&path, INDEX_LIMIT)?;
    Entries::parse(&bytes)
        .map_err(|why| not_a_layout(dir, format!("its index.json is no image index: {why}")))
}

fn not_a_layout(dir: &Path, why: String) -> TransportError {
    TransportError::NotALayout { path: dir.into(), why }
}
