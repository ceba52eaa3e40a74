//! An OCI image layout: a folder of blobs with an index (image-spec, image-layout.md).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::graph::{Graph, Named};
use super::source::{IMAGE_NAME, REF_NAME};
use super::{TransportError, full_name};
use crate::digest::Digest;
use crate::file::{self, AtomicFile, Context, FileError};
use crate::image::{Descriptor, Image, ImageIndex, MEDIA_TYPE_INDEX, json};
use crate::spec::{ImageName, Tag};

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

/// Adds images and indexes; see [`write`].
pub fn write_graphs(graphs: &[Named], dir: &Path) -> Result<(), TransportError> {
    let blobs = dir.join("blobs/sha256");
    create_dir(&blobs)?;
    // Held until the end: another process must not read the index before ours is in it.
    let lock = File::open(dir).context("open", dir)?;
    lock.lock().context("lock", dir)?;
    check_version(dir)?;
    let mut index = read_index(dir)?;
    for named in graphs {
        write_blobs(&named.graph, &blobs)?;
        for entry in &named.entries {
            index.manifests.retain(|old| !same_name(old, entry));
            index.manifests.push(entry.clone());
        }
    }
    file::write_atomically(&dir.join("oci-layout"), OCI_LAYOUT)?;
    let bytes = json::to_bytes(&index).map_err(|e| TransportError::Json("index.json", e))?;
    file::write_atomically(&dir.join("index.json"), &bytes)?;
    Ok(())
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

fn write_blobs(graph: &Graph, blobs: &Path) -> Result<(), TransportError> {
    for blob in graph.blobs() {
        let Descriptor { digest, size, .. } = blob.descriptor;
        write_blob(blobs, digest, size, |to| blob.write_to(to))?;
    }
    for document in graph.documents() {
        let Descriptor { digest, size, .. } = document.descriptor;
        write_blob(blobs, digest, size, |to| {
            to.write_all(&document.bytes).map_err(TransportError::Stream)
        })?;
    }
    Ok(())
}

fn write_blob(
    blobs: &Path,
    digest: Digest,
    size: u64,
    write: impl FnOnce(&mut dyn Write) -> Result<(), TransportError>,
) -> Result<(), TransportError> {
    let path = blobs.join(digest.hex());
    // A blob is renamed into place whole, so one of the right size is the right one.
    if fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() == size) {
        return Ok(());
    }
    let mut blob = AtomicFile::create(&path)?;
    write(blob.file())?;
    blob.commit()?;
    Ok(())
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
    if !path.exists() {
        return Ok(());
    }
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
