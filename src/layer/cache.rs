//! What building layers asks of the place where they are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::blob::KeepAlive;
use super::{LayerError, compress, tar};
use crate::digest::{DiffId, Digest, Hasher};
use crate::fs::{Context, FileError, FileOp, FileStamp, Temp, TempDir};
use crate::rootfs::{Kind, Rootfs};
use crate::spec::Compression;
use crate::store_path::{PathInfo, StorePath};

/// Names a layer by all that decides its bytes: store paths with the hashes of their content,
/// options, and the versions of what writes and compresses the tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayerKey(Digest);

impl LayerKey {
    pub(crate) fn new(paths: &[PathInfo], compression: Compression, mtime: u64) -> Self {
        let options = compress::describe(compression);
        let mut text = format!("cooper layer\ntar {}\n{options}\nmtime {mtime}\n", tar::VERSION);
        for info in paths {
            // No store path and no hash has a blank or a line feed in it.
            text.push_str(info.path.as_str());
            text.push(' ');
            text.push_str(&info.nar_hash);
            text.push('\n');
        }
        Self(Digest::of(text.as_bytes()))
    }

    /// Names the layer of the image's own files. None where a file is copied from somewhere that
    /// nothing is registered about.
    pub(crate) fn of_files(
        rootfs: &Rootfs,
        infos: &[PathInfo],
        compression: Compression,
        mtime: u64,
    ) -> Option<Self> {
        let known: BTreeMap<_, _> = infos.iter().map(|info| (&info.path, info)).collect();
        let options = compress::describe(compression);
        let mut key = Hasher::new();
        // Each part after its length, so that no two lists of parts look the same.
        let mut add = |bytes: &[u8]| {
            key.update(&(bytes.len() as u64).to_le_bytes());
            key.update(bytes);
        };
        add(format!("own files\ntar {}\n{options}\nmtime {mtime}\n", tar::VERSION).as_bytes());
        for (path, node) in &rootfs.entries {
            add(path);
            add(format!("{:o} {} {} {}", node.mode, node.uid, node.gid, node.xattrs.len())
                .as_bytes());
            for (name, value) in &node.xattrs {
                add(name.as_bytes());
                add(value);
            }
            match &node.kind {
                Kind::Directory => add(b"directory"),
                Kind::Bytes(bytes) => [&b"bytes"[..], bytes].into_iter().for_each(&mut add),
                Kind::Symlink(target) => [&b"link"[..], target].into_iter().for_each(&mut add),
                Kind::Copy(origin) => {
                    // Where its links lead, and what is registered about that.
                    let target = std::fs::canonicalize(origin).ok()?;
                    let (path, below) = StorePath::parse_prefix(target.to_str()?).ok()?;
                    let info = known.get(&path)?;
                    [path.as_str(), below, &info.nar_hash]
                        .iter()
                        .for_each(|text| add(text.as_bytes()));
                }
            }
        }
        Some(Self(key.finish().digest()))
    }

    /// 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.hex()
    }
}

impl fmt::Display for LayerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

/// What is known of a layer once it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerRecord {
    /// Names the blob.
    pub digest: Digest,
    /// Names the tar.
    pub diff_id: DiffId,
    /// The blob's size.
    pub blob_size: u64,
    /// The tar's size.
    pub tar_size: u64,
}

/// A file in a store, and what keeps it there while it is in use.
#[derive(Debug, Clone)]
pub struct StoredFile {
    /// The file.
    pub path: PathBuf,
    /// How it looked when it was last known to hold the right bytes.
    pub look: FileStamp,
    /// To be held as long as the file is needed.
    pub guard: Option<KeepAlive>,
    /// The record that names the file, if one does: it is removed when the bytes are wrong.
    pub record: Option<Arc<dyn Renew>>,
}

/// A made layer's bytes, for a store.
#[derive(Debug)]
pub enum LayerBytes {
    /// A compressed blob.
    Blob(NewBlob),
    /// A plain tar, made of store paths that are there anyway; names how they looked when they
    /// were hashed.
    Plain(Digest),
}

/// A layer's bytes, from a store.
#[derive(Debug)]
pub enum CachedBytes {
    /// A compressed blob.
    Blob(StoredFile),
    /// A plain tar, to be made anew.
    Plain(Before),
}

/// What a store keeps of the store paths that a plain tar is made of.
#[derive(Debug, Clone)]
pub struct Before {
    /// Names how they looked when they were hashed, if what looks so still is what it was.
    pub seen: Option<Digest>,
    /// Hears how they look when they had to be hashed again, and still were what they should be.
    pub renew: Arc<dyn Renew>,
}

/// Whatever remembers for later runs how store paths looked when they were hashed.
pub trait Renew: fmt::Debug + Send + Sync {
    /// What looks so has the right bytes. Failing costs the next run a hash, and nothing now.
    fn renew(&self, seen: Digest);

    /// The bytes are not what they should be: the layer is made again when it is asked for again.
    fn forget(&self);
}

/// What a store answers about a key.
#[derive(Debug)]
pub enum Lookup {
    /// The layer was made before.
    Hit(LayerRecord, CachedBytes),
    /// Nothing is known.
    Miss(BuildLock),
    /// It was made before, but what is left of it is broken: says what.
    Damaged(String, BuildLock),
    /// Another process or thread is making it.
    BlobOpener,
}

/// Whatever keeps others from making the same layer meanwhile; to be held until it is put into
/// the store.
pub type BuildLock = Option<Box<dyn fmt::Debug + Send>>;

/// A blob that is being written. Dropped before it is put into its store, it is gone.
#[derive(Debug)]
pub struct NewBlob {
    temp: Temp,
    place: PathBuf,
    guard: Option<KeepAlive>,
}

impl NewBlob {
    /// A new file in a folder of the store's. Layouts may come to share it, so it has the mode
    /// that theirs have; where that cannot be set they will have copies. Errors say that it is in
    /// `place`, which whoever runs this has named.
    pub fn create(dir: &Path, place: &Path, guard: Option<KeepAlive>) -> Result<Self, FileError> {
        let temp = Temp::create(dir, ("blob-", "")).context(FileOp::CreateTemp, place)?;
        Ok(Self { temp, place: place.into(), guard })
    }

    /// Where errors say that it is.
    pub fn place(&self) -> &Path {
        &self.place
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.temp.file_mut().write_all(bytes).context(FileOp::WriteTemp, &self.place)
    }

    /// Gives the file its name, replacing what had it; on the same file system.
    pub fn persist(self, path: PathBuf) -> Result<StoredFile, FileError> {
        let written = self.temp.persist(&path)?;
        let look = FileStamp::of(&written.metadata().context(FileOp::Read, &path)?);
        Ok(StoredFile { path, look, guard: self.guard, record: None })
    }
}

/// Where layers are kept. [`build`](super::build) asks it for those that were made before, and
/// puts there what it makes.
pub trait LayerCache: fmt::Debug + Send + Sync {
    /// Looks a layer up. While somebody else is making it, waits if it may.
    fn get(&self, key: &LayerKey, may_wait: bool) -> Result<Lookup, LayerError>;

    /// Starts a blob.
    fn create(&self) -> Result<NewBlob, LayerError>;

    /// Keeps a layer: its blob, if there is one, and under its key, if it has one, what is known
    /// of it. Gives the blob's file.
    fn put(
        &self,
        key: Option<&LayerKey>,
        record: &LayerRecord,
        bytes: LayerBytes,
    ) -> Result<Option<StoredFile>, LayerError>;

    /// Returns true if entries were removed since the last call, because their bytes were wrong when
    /// they were read. Work that failed at them succeeds when it is done again.
    fn has_evicted(&self) -> bool {
        false
    }

    /// Whether a layer that could not be written is to be begun once more, as blobs are written
    /// elsewhere now: says why. Else the error, with what the store knows about it.
    fn fallback_reason(&self, error: FileError) -> Result<String, LayerError> {
        Err(error.into())
    }
}

/// A store that lives as long as this process needs it, for machines without a home.
#[derive(Debug)]
pub struct EphemeralCache {
    /// Goes away with the last blob in it.
    dir: Arc<TempDir>,
}

impl EphemeralCache {
    /// Makes a folder in the system's folder for such (`TMPDIR`).
    pub fn new() -> Result<Self, LayerError> {
        Ok(Self { dir: Arc::new(TempDir::new()?) })
    }
}

impl LayerCache for EphemeralCache {
    fn get(&self, _: &LayerKey, _: bool) -> Result<Lookup, LayerError> {
        Ok(Lookup::Miss(None))
    }

    fn create(&self) -> Result<NewBlob, LayerError> {
        let guard: KeepAlive = Arc::clone(&self.dir) as KeepAlive;
        Ok(NewBlob::create(self.dir.path(), &std::env::temp_dir(), Some(guard))?)
    }

    fn put(
        &self,
        _: Option<&LayerKey>,
        record: &LayerRecord,
        bytes: LayerBytes,
    ) -> Result<Option<StoredFile>, LayerError> {
        let LayerBytes::Blob(blob) = bytes else { return Ok(None) };
        Ok(Some(blob.persist(self.dir.path().join(record.digest.hex()))?))
    }
}
