//! The records of cached layers.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::digest::{Digest, Hasher};
use crate::fs;
use crate::fs::{Context, FileError, FileOp, FileStamp, TempFile, UnsafePermissions};
use crate::layer::{LayerRecord, Renew};
use crate::progress::{Reporter, Task};

const FIRST_LINE: &str = "cooper layer";
/// A record is some five hundred bytes.
const LIMIT: u64 = 4096;

/// The stamp of a blob file when its bytes were last known to be correct. A write changes the
/// `mtime`, and only a crash of the machine loses written bytes. [`FileStamp`] states why `ctime` is
/// not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) look: FileStamp,
    /// The boot id of that time. `None` if the kernel has none, or if other users can write to the
    /// file and reset its times: a change of a layout's owner also changes that of a linked blob.
    boot_id: Option<String>,
}

impl Witness {
    /// Returns true if a file with the stamp `now` need not be hashed.
    pub(super) fn matches(&self, now: &Self) -> bool {
        self.boot_id.is_some() && self == now
    }

    /// Takes the stamp of a file; `None` if it is missing or not a regular file.
    pub(super) fn of(path: &Path, boot: &str) -> Result<Option<Self>, FileError> {
        let meta = match std::fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(FileOp::Read, path),
        };
        let says = !boot.is_empty() && UnsafePermissions::of(&meta).is_none();
        let boot_id = says.then(|| boot.to_owned());
        Ok(meta.is_file().then(|| Self { look: FileStamp::of(&meta), boot_id }))
    }
}

/// The stamp of a layer's bytes when they were last known to be correct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// The stamp of the blob file.
    Blob(Witness),
    /// The tree stamp of a plain layer's store paths, and the boot id; `None` without a boot id. The
    /// tree stamp includes `ctime`, which no user can set back; only a crash loses written bytes.
    Plain(Option<(Digest, String)>),
}

impl Seen {
    pub(super) fn of_plain(digest: Digest, boot: &str) -> Self {
        Self::Plain((!boot.is_empty()).then(|| (digest, boot.to_owned())))
    }
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CacheRecord {
    pub(super) record: LayerRecord,
    pub(super) seen: Seen,
    /// True if the hashes of its store paths were verified before it was built.
    pub(super) verified: bool,
}

/// The result of reading a record.
pub(super) enum Read {
    Found(CacheRecord),
    Absent,
    Damaged,
}

impl CacheRecord {
    /// Reads a record. One that other users can write to counts as damaged, because a record decides
    /// which bytes become the layer.
    pub(super) fn read(path: &Path) -> Result<Read, FileError> {
        if std::fs::metadata(path).is_ok_and(|meta| UnsafePermissions::of(&meta).is_some()) {
            return Ok(Read::Damaged);
        }
        match fs::read(path, LIMIT) {
            Ok(bytes) => Ok(Self::parse(&bytes).map_or(Read::Damaged, Read::Found)),
            Err(error) => match error.source.kind() {
                io::ErrorKind::NotFound => Ok(Read::Absent),
                io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge => Ok(Read::Damaged),
                _ => Err(error),
            },
        }
    }

    /// Writes the record atomically, with a mode that lets other users read it, as they can a blob.
    pub(super) fn write(&self, path: &Path, temps: &Path) -> Result<(), FileError> {
        let mut temp =
            TempFile::create(temps, ("layer-", "")).context(FileOp::CreateTemp, temps)?;
        let written = temp.file_mut().write_all(self.text().as_bytes());
        written.context(FileOp::WriteTemp, temps)?;
        temp.persist(path).map(drop)
    }

    /// Returns the record as lines of a field and its value. The last line is the digest of the
    /// lines before it.
    fn text(&self) -> String {
        let LayerRecord { digest, diff_id, blob_size, tar_size } = self.record;
        let seen = match &self.seen {
            Seen::Blob(Witness { look, boot_id }) => {
                let FileStamp { inode, size, mtime: (seconds, nanos) } = look;
                let boot_id = boot_id.as_deref().unwrap_or("-");
                format!("blob {inode} {size} {seconds} {nanos} {boot_id}")
            }
            Seen::Plain(Some((digest, boot_id))) => format!("plain {digest} {boot_id}"),
            Seen::Plain(None) => "plain".to_owned(),
        };
        let text = format!(
            "{FIRST_LINE}\ndigest {digest}\ndiff_id {diff_id}\nblob_size {blob_size}\n\
             tar_size {tar_size}\nseen {seen}\nverified {}\n",
            self.verified
        );
        let sum = Digest::of(text.as_bytes());
        format!("{text}sum {sum}\n")
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (body, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let summed = text.get(..=body.len())?;
        if sum.strip_prefix("sum ")?.parse() != Ok(Digest::of(summed.as_bytes())) {
            return None;
        }
        let mut lines = body.lines();
        if lines.next() != Some(FIRST_LINE) {
            return None;
        }
        let mut value = |word: &str| lines.next()?.strip_prefix(word)?.strip_prefix(' ');
        let record = LayerRecord {
            digest: value("digest")?.parse().ok()?,
            diff_id: value("diff_id")?.parse().ok()?,
            blob_size: value("blob_size")?.parse().ok()?,
            tar_size: value("tar_size")?.parse().ok()?,
        };
        let seen = parse_seen(value("seen")?)?;
        let verified = value("verified")?.parse().ok()?;
        let entry = Self { record, seen, verified };
        entry.is_consistent().then_some(entry)
    }

    /// Returns true if the fields do not contradict each other: a blob's file has the blob's size, and
    /// a plain layer is its own tar.
    fn is_consistent(&self) -> bool {
        let LayerRecord { digest, diff_id, blob_size, tar_size } = &self.record;
        match &self.seen {
            Seen::Blob(witness) => witness.look.size == *blob_size,
            Seen::Plain(_) => digest.hex() == diff_id.hex() && blob_size == tar_size,
        }
    }
}

/// A record that is in use. It is rewritten when the tree stamp changed and the bytes did not, as
/// after a reboot or `nix store optimise`. It is removed when the bytes are wrong.
#[derive(Debug)]
pub(super) struct Renewal {
    pub(super) path: PathBuf,
    pub(super) temps: PathBuf,
    pub(super) entry: CacheRecord,
    pub(super) boot: String,
    pub(super) evicted: Arc<Evicted>,
    pub(super) reporter: Arc<dyn Reporter>,
}

/// The records whose bytes were wrong when they were read.
#[derive(Debug, Default)]
pub(super) struct Evicted {
    /// Lookups ignore these, even if the records cannot be removed.
    paths: Mutex<BTreeSet<PathBuf>>,
    is_new: AtomicBool,
}

impl Evicted {
    pub(super) fn contains(&self, path: &Path) -> bool {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// Forgets a path whose entry was written again.
    pub(super) fn remove(&self, path: &Path) {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    /// Returns true if records were added since the last call.
    pub(super) fn take_new(&self) -> bool {
        self.is_new.swap(false, Ordering::Relaxed)
    }

    fn insert(&self, path: &Path) -> bool {
        self.is_new.store(true, Ordering::Relaxed);
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).insert(path.into())
    }
}

impl Renew for Renewal {
    fn renew(&self, seen: Digest) {
        let entry = CacheRecord { seen: Seen::of_plain(seen, &self.boot), ..self.entry.clone() };
        let _ = entry.write(&self.path, &self.temps);
    }

    fn forget(&self) {
        if self.evicted.insert(&self.path) {
            let digest = self.entry.record.digest;
            let what = match self.entry.seen {
                Seen::Blob(_) => format!("the cached blob of layer {digest} is damaged"),
                Seen::Plain(_) => format!("the store paths of layer {digest} were changed"),
            };
            self.reporter.warn(&format!("{what}; its entry is removed from the cache"));
        }
        // Another process may have rebuilt the layer.
        if matches!(CacheRecord::read(&self.path), Ok(Read::Found(entry)) if entry == self.entry) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn parse_seen(text: &str) -> Option<Seen> {
    let words: Vec<&str> = text.split(' ').collect();
    Some(match *words {
        ["blob", inode, size, seconds, nanos, boot_id] => {
            let mtime = (seconds.parse().ok()?, nanos.parse().ok()?);
            let look = FileStamp { inode: inode.parse().ok()?, size: size.parse().ok()?, mtime };
            let boot_id = Some(boot_id).filter(|boot_id| *boot_id != "-").map(str::to_owned);
            Seen::Blob(Witness { look, boot_id })
        }
        ["plain", digest, boot_id] if !boot_id.is_empty() => {
            Seen::Plain(Some((digest.parse().ok()?, boot_id.to_owned())))
        }
        ["plain"] => Seen::Plain(None),
        _ => return None,
    })
}

/// Returns true if the size and the digest of the file are those of the record.
pub(super) fn holds(path: &Path, record: &LayerRecord, task: &dyn Task) -> Result<bool, FileError> {
    let mut file = File::open(path).context(FileOp::Open, path)?;
    if file.metadata().context(FileOp::Read, path)?.len() != record.blob_size {
        return Ok(false);
    }
    let mut hasher = Hasher::new();
    let mut buf = vec![0; 1 << 18];
    loop {
        match io::Read::read(&mut file, &mut buf).context(FileOp::Read, path)? {
            0 => return Ok(hasher.finish().digest() == record.digest),
            count => {
                hasher.update(buf.get(..count).unwrap_or_default());
                task.advance(count as u64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seen: Seen, verified: bool) -> CacheRecord {
        let mut record = LayerRecord {
            digest: Digest::of(b"blob"),
            diff_id: crate::digest::DiffId::of(b"tar"),
            blob_size: 4,
            tar_size: 3,
        };
        if matches!(seen, Seen::Plain(_)) {
            (record.digest, record.blob_size) = (Digest::of(b"tar"), 3);
        }
        CacheRecord { record, seen, verified }
    }

    fn blob(size: u64, boot_id: Option<&str>) -> Seen {
        let look = FileStamp { inode: 1, size, mtime: (3, 4) };
        Seen::Blob(Witness { look, boot_id: boot_id.map(str::to_owned) })
    }

    #[test]
    fn record_parses_its_own_text() {
        let plain = Seen::of_plain(Digest::of(b"seen"), "life");
        for seen in [blob(4, None), blob(4, Some("life")), plain, Seen::Plain(None)] {
            for verified in [false, true] {
                let entry = entry(seen.clone(), verified);
                assert_eq!(CacheRecord::parse(entry.text().as_bytes()), Some(entry));
            }
        }
    }

    #[test]
    fn record_that_contradicts_itself_is_damaged() {
        let other_size = entry(blob(5, Some("life")), true);
        let mut other_digest = entry(Seen::Plain(None), true);
        other_digest.record.digest = Digest::of(b"blob");
        let mut other_tar = entry(Seen::of_plain(Digest::of(b"seen"), "life"), true);
        other_tar.record.tar_size = 4;
        for entry in [other_size, other_digest, other_tar] {
            assert_eq!(CacheRecord::parse(entry.text().as_bytes()), None, "{entry:?}");
        }
    }
}
