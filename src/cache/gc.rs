//! Measures a cache and keeps it within its limit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::record::{self, CacheRecord};
use super::{Cache, CacheError};
use crate::fs;
use crate::fs::{Context, FileError, FileOp, TryLock};

/// The content of a cache in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The directory.
    pub dir: PathBuf,
    /// The number of layers.
    pub layers: usize,
    /// The number of blobs. Layers may share one, and plain layers have none.
    pub blobs: usize,
    /// The size of all files in bytes.
    pub bytes: u64,
    /// The size limit in bytes.
    pub limit: u64,
}

/// The number and size of removed files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemovedFiles {
    /// The number of files.
    pub files: usize,
    /// The size in bytes; a layout with a hard link keeps its file.
    pub bytes: u64,
}

/// A file of the cache.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    used: SystemTime,
}

impl Cache {
    /// Measures the cache.
    pub fn info(&self) -> Result<Info, CacheError> {
        let layers = list(&self.dir.join("layers"))?;
        let blobs = list(&self.dir.join("blobs"))?;
        let temps = list(&self.temps())?;
        let bytes = [&layers, &blobs, &temps].into_iter().flatten().map(|item| item.size).sum();
        Ok(Info {
            dir: self.dir.clone(),
            layers: layers.len(),
            blobs: blobs.len(),
            bytes,
            limit: self.limit(),
        })
    }

    /// Removes the least recently used layers until the rest is within the limit, and the
    /// temporary files of killed processes. Waits until no other process uses the cache.
    pub fn gc(&self) -> Result<RemovedFiles, CacheError> {
        self.with_exclusive_lock(|| {
            let mut freed = RemovedFiles::default();
            self.remove_temp_paths(&mut freed)?;
            self.remove_least_used(self.limit(), &mut freed)?;
            Ok(freed)
        })
    }

    /// Runs `act` with the exclusive lock. Does nothing in a cache without a lock file, which is
    /// read-only.
    pub(super) fn with_exclusive_lock<T: Default>(
        &self,
        act: impl FnOnce() -> Result<T, FileError>,
    ) -> Result<T, CacheError> {
        let Some(lock) = &self.lock else { return Ok(T::default()) };
        let path = self.dir.join("lock");
        fs::lock(lock, &path, fs::LockMode::Exclusive)?;
        let done = act();
        fs::lock(lock, &path, fs::LockMode::Shared)?;
        Ok(done?)
    }

    /// Does the work of [`gc`](Cache::gc), unless another process uses the cache. This runs after
    /// every build that added a layer or was given a limit, so no record is read while the cache is
    /// within the limit.
    pub(super) fn trim_to_limit(&self) -> Result<RemovedFiles, CacheError> {
        let mut freed = RemovedFiles::default();
        let Some(lock) = self.lock.as_ref().filter(|lock| Arc::strong_count(lock) == 1) else {
            return Ok(freed);
        };
        if fs::try_lock(lock).context(FileOp::Lock, self.dir.join("lock"))? == TryLock::InUse {
            return Ok(freed);
        }
        self.remove_temp_paths(&mut freed)?;
        let files = [list(&self.dir.join("layers"))?, list(&self.dir.join("blobs"))?];
        if files.iter().flatten().map(|item| item.size).sum::<u64>() > self.limit() {
            // Trimmed below the limit, so that not every build has to trim.
            self.remove_least_used(self.limit() / 10 * 9, &mut freed)?;
        }
        Ok(freed)
    }

    /// Removes temporary files. The caller holds the exclusive lock.
    fn remove_temp_paths(&self, freed: &mut RemovedFiles) -> Result<(), FileError> {
        list(&self.temps())?.iter().try_for_each(|item| freed.remove(item))
    }

    /// Removes blobs without a record, then the least recently used layers until at most `most`
    /// bytes are left. The caller holds the exclusive lock.
    fn remove_least_used(&self, most: u64, freed: &mut RemovedFiles) -> Result<(), FileError> {
        let mut blobs: BTreeMap<PathBuf, Item> = BTreeMap::new();
        for item in list(&self.dir.join("blobs"))? {
            blobs.insert(item.path.clone(), item);
        }
        let mut layers = list(&self.dir.join("layers"))?;
        layers.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        let mut total: u64 = layers.iter().chain(blobs.values()).map(|item| item.size).sum();
        // Newest first: a shared blob stays until the last layer that uses it is removed.
        let mut kept = BTreeMap::new();
        for layer in layers.iter().rev() {
            if let record::Read::Found(entry) = CacheRecord::read(&layer.path)? {
                let blob = self.blob_path(&entry.record.digest.hex());
                kept.entry(blob).or_insert(&layer.path);
            }
        }
        for (path, blob) in &blobs {
            if !kept.contains_key(path) {
                total = total.saturating_sub(blob.size);
                freed.remove(blob)?;
            }
        }
        for layer in &layers {
            if total <= most {
                break;
            }
            let record = CacheRecord::read(&layer.path)?;
            total = total.saturating_sub(layer.size);
            freed.remove(layer)?;
            let record::Read::Found(entry) = record else { continue };
            let blob = self.blob_path(&entry.record.digest.hex());
            if kept.get(&blob) == Some(&&layer.path)
                && let Some(item) = blobs.get(&blob)
            {
                total = total.saturating_sub(item.size);
                freed.remove(item)?;
            }
        }
        Ok(())
    }
}

impl RemovedFiles {
    fn remove(&mut self, item: &Item) -> Result<(), FileError> {
        remove(&item.path)?;
        self.files += 1;
        self.bytes += item.size;
        Ok(())
    }
}

/// Removes a file or a directory. A missing one is not an error: another process may have removed
/// it.
pub(super) fn remove(path: &Path) -> Result<(), FileError> {
    let removed = match path.is_dir() {
        true => std::fs::remove_dir_all(path),
        false => std::fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result.context(FileOp::Remove, path),
    }
}

pub(super) fn list(dir: &Path) -> Result<Vec<Item>, FileError> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.context(FileOp::List, dir)?,
    };
    let mut items = Vec::new();
    for entry in entries {
        let path = entry.context(FileOp::List, dir)?.path();
        // Another process may have removed or renamed the file.
        let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
        let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        items.push(Item { path, size: meta.len(), used });
    }
    Ok(items)
}
