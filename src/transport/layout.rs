//! An OCI image layout: a folder of blobs with an index (image-spec, image-layout.md).

use std::collections::BTreeMap;
use std::fs::{self, DirEntry, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::graph::{Blob, Named};
use super::source::{IMAGE_NAME, REF_NAME};
use super::{TransportError, full_name};
use crate::digest::Digest;
use crate::file::{self, AtomicFile, Context, FileError};
use crate::image::{Descriptor, Document, Image, ImageIndex, MEDIA_TYPE_INDEX, json};
use crate::spec::{ImageName, Tag};

/// So many blobs are copied at a time.
const AT_ONCE: usize = 4;

/// What `oci-layout` holds.
pub(super) const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// An index is a list of short entries.
const INDEX_LIMIT: u64 = 4 << 20;

/// Adds images to the layout at `dir`, making it if there is none. Blobs that are there stay;
/// a tag of the same name moves. Any number of processes may write into one layout.
pub fn write(images: &[Image], dir: &Path) -> Result<(), TransportError> {
    let named: Vec<Named> = images.iter().map(Named::of_image).collect();
    write_graphs(&named, dir)
}

/// Adds images and indexes; see [`write()`].
pub fn write_graphs(graphs: &[Named], dir: &Path) -> Result<(), TransportError> {
    let blobs = dir.join("blobs/sha256");
    create_dir(dir)?;
    // Held until the end: another process must not read the index before ours is in it.
    let lock = File::open(dir).context("open", dir)?;
    file::lock(&lock, dir, file::Lock::Alone)?;
    check(dir)?;
    remove_unfinished(dir)?;
    // First of all, so that what a killed process leaves is a layout to go on with.
    write_if_other(&dir.join("oci-layout"), OCI_LAYOUT)?;
    create_dir(&blobs)?;
    remove_unfinished(&blobs)?;
    let mut index = read_index(dir)?;
    write_blobs(graphs, &blobs)?;
    for entry in graphs.iter().flat_map(|named| &named.entries) {
        match index.manifests.iter_mut().find(|old| same_name(old, entry)) {
            Some(old) => *old = entry.clone(),
            None => index.manifests.push(entry.clone()),
        }
    }
    let bytes = json::to_bytes(&index).map_err(|e| TransportError::Json("index.json", e))?;
    write_if_other(&dir.join("index.json"), &bytes)?;
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
    let is_layout = dir.join("oci-layout").exists();
    if !is_layout && !is_empty(dir)? {
        return refused(
            "it has other files in it and no `oci-layout`; name an empty folder or a new one",
        );
    }
    if is_layout { check_version(dir) } else { Ok(()) }
}

/// Whether there is nothing in a folder but what a killed process left.
fn is_empty(dir: &Path) -> Result<bool, FileError> {
    for entry in fs::read_dir(dir).context("list", dir)? {
        if !is_unfinished(&entry.context("list", dir)?) {
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

/// An index of the given entries.
pub(super) fn index_of(manifests: Vec<Descriptor>) -> ImageIndex {
    ImageIndex {
        schema_version: 2,
        media_type: MEDIA_TYPE_INDEX.into(),
        manifests,
        annotations: BTreeMap::new(),
    }
}

fn same_name(a: &Descriptor, b: &Descriptor) -> bool {
    let name = |d: &Descriptor| {
        d.annotations.get(IMAGE_NAME).or_else(|| d.annotations.get(REF_NAME)).cloned()
    };
    match (name(a), name(b)) {
        // What has no name is the same only by its bytes.
        (None, None) => a.digest == b.digest,
        (a_name, b_name) => a_name == b_name && a.platform == b.platform,
    }
}

/// Copies the blobs that are missing, several at a time: much of it is waiting for the disk.
fn write_blobs(graphs: &[Named], dir: &Path) -> Result<(), TransportError> {
    let mut missing: BTreeMap<Digest, Bytes<'_>> = BTreeMap::new();
    for Named { graph, .. } in graphs {
        let blobs = graph.blobs().map(|blob| (&blob.descriptor, Bytes::Blob(blob)));
        let documents = graph.documents().iter().map(|d| (&d.descriptor, Bytes::Document(d)));
        for (descriptor, bytes) in blobs.chain(documents) {
            if !is_there(dir, descriptor) {
                missing.insert(descriptor.digest, bytes);
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let queue = Mutex::new(missing.into_iter());
    let copy = || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            match next {
                Some((digest, bytes)) => write_blob(dir, digest, &bytes)?,
                None => return Ok(()),
            }
        }
    };
    let results: Vec<Result<(), TransportError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(copy)).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|result| result.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    results.into_iter().collect::<Result<(), _>>()?;
    Ok(file::sync_dir(dir)?)
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

/// What a blob is copied from.
enum Bytes<'a> {
    Blob(&'a Blob),
    Document(&'a Document),
}

/// A blob is renamed into place whole, so one of the right size is the right one.
fn is_there(blobs: &Path, descriptor: &Descriptor) -> bool {
    let meta = fs::symlink_metadata(blobs.join(descriptor.digest.hex()));
    meta.is_ok_and(|meta| meta.is_file() && meta.len() == descriptor.size)
}

fn write_blob(blobs: &Path, digest: Digest, bytes: &Bytes<'_>) -> Result<(), TransportError> {
    let path = blobs.join(digest.hex());
    let mut file = AtomicFile::create(&path)?;
    match bytes {
        Bytes::Blob(blob) => blob.copy_to(file.file())?,
        Bytes::Document(document) => {
            file.file().write_all(&document.bytes).context("write", &path)?;
        }
    }
    Ok(file.commit_without_name()?)
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
    let path = dir.join("oci-layout");
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

fn read_index(dir: &Path) -> Result<ImageIndex, TransportError> {
    let path = dir.join("index.json");
    if !path.exists() {
        return Ok(index_of(Vec::new()));
    }
    let bytes = file::read(&path, INDEX_LIMIT)?;
    serde_json::from_slice(&bytes)
        .map_err(|e| not_a_layout(dir, format!("its index.json is no image index: {e}")))
}

fn not_a_layout(dir: &Path, why: String) -> TransportError {
    TransportError::NotALayout { path: dir.into(), why }
}
