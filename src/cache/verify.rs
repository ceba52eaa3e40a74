//! Verifies every record and blob of a cache.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::gc::{list, remove};
use super::record::{self, CacheRecord, Seen, Witness};
use super::{Cache, CacheError, is_read_only};
use crate::digest::Digest;
use crate::fs::FileError;
use crate::layer::LayerRecord;
use crate::progress::Task;

/// The result of [`Cache::verify`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// The number of undamaged layers.
    pub whole: usize,
    /// Damaged blobs and records, sorted. They are removed unless the cache is read-only.
    pub damaged: Vec<PathBuf>,
}

/// The result of checking a list of records.
#[derive(Debug, Default)]
struct Checked {
    whole: usize,
    /// The records of damaged layers.
    wrong: Vec<PathBuf>,
    damaged: BTreeSet<PathBuf>,
}

/// A blob and the records that name it.
#[derive(Debug)]
struct BlobRecords {
    path: PathBuf,
    record: LayerRecord,
    records: Vec<PathBuf>,
}

/// The state of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Whole,
    Damaged,
}

impl Cache {
    /// Hashes every blob once, on `jobs` threads, and removes damaged entries. For the removal it
    /// waits until no other process uses the cache.
    pub fn verify(&self, jobs: usize) -> Result<Verified, CacheError> {
        let records = list(&self.dir.join("layers"))?.into_iter().map(|item| item.path);
        let checked = self.check("checking the cache", records, jobs)?;
        if self.writable && !checked.wrong.is_empty() {
            // Another process may have repaired the entry before the lock was exclusive.
            self.with_exclusive_lock(|| {
                let again = self.check("checking damaged layers again", checked.wrong, jobs)?;
                again.damaged.iter().try_for_each(|path| remove(path))
            })?;
        }
        let damaged = checked.damaged.into_iter().collect();
        Ok(Verified { whole: checked.whole, damaged })
    }

    fn check(
        &self,
        what: &str,
        records: impl IntoIterator<Item = PathBuf>,
        jobs: usize,
    ) -> Result<Checked, FileError> {
        let mut checked = Checked::default();
        // Records of one digest may have different sizes.
        let mut blobs: BTreeMap<(Digest, u64), BlobRecords> = BTreeMap::new();
        for path in records {
            match CacheRecord::read(&path)
                .or_else(|error| self.unreadable(error, record::Read::Damaged))?
            {
                record::Read::Found(CacheRecord { seen: Seen::Plain(_), .. }) => checked.whole += 1,
                record::Read::Found(CacheRecord { record, .. }) => {
                    let blob = self.blob_path(&record.digest.hex());
                    let blob = || BlobRecords { path: blob, record, records: Vec::new() };
                    let of = blobs.entry((record.digest, record.blob_size));
                    of.or_insert_with(blob).records.push(path);
                }
                record::Read::Absent | record::Read::Damaged => {
                    checked.damaged.insert(path.clone());
                    checked.wrong.push(path);
                }
            }
        }
        let blobs: Vec<BlobRecords> = blobs.into_values().collect();
        for (blob, found) in self.hash_blobs(what, blobs, jobs)? {
            if found == Found::Whole {
                checked.whole += blob.records.len();
                continue;
            }
            checked.damaged.extend((found == Found::Damaged).then_some(blob.path));
            checked.damaged.extend(blob.records.iter().cloned());
            checked.wrong.extend(blob.records);
        }
        Ok(checked)
    }

    /// Hashes blobs on `jobs` threads, the largest first, so that no thread is left with it at the
    /// end. After an error no blob is started.
    fn hash_blobs(
        &self,
        what: &str,
        mut blobs: Vec<BlobRecords>,
        jobs: usize,
    ) -> Result<Vec<(BlobRecords, Found)>, FileError> {
        blobs.sort_by_key(|blob| blob.record.blob_size);
        let bytes = blobs.iter().map(|blob| blob.record.blob_size).fold(0, u64::saturating_add);
        let task = self.reporter.start(what, Some(bytes));
        let threads = jobs.clamp(1, blobs.len().max(1));
        let (blobs, found) = (Mutex::new(blobs), Mutex::new(Vec::new()));
        let blobs = || blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let work = || {
            // The block ends the lock before the blob is hashed.
            while let Some(blob) = { blobs().pop() } {
                let is = self.hash_blob(&blob, &*task);
                let is = is.inspect_err(|_| blobs().clear())?;
                found.lock().unwrap_or_else(PoisonError::into_inner).push((blob, is));
            }
            Ok(())
        };
        thread::scope(|scope| {
            let start = |_| thread::Builder::new().spawn_scoped(scope, work);
            // With fewer threads it only takes longer.
            let others: Vec<_> = (1..threads).map_while(|n| start(n).ok()).collect();
            let here = work();
            let joined = others.into_iter().map(thread::ScopedJoinHandle::join);
            let joined =
                joined.map(|result| result.unwrap_or_else(|e| std::panic::resume_unwind(e)));
            joined.fold(here, Result::and)
        })?;
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Treats an unreadable entry as damaged, except in a read-only cache of another user.
    fn unreadable<T>(&self, error: FileError, damaged: T) -> Result<T, FileError> {
        if !self.writable && is_read_only(&error.source) { Err(error) } else { Ok(damaged) }
    }

    fn hash_blob(&self, blob: &BlobRecords, task: &dyn Task) -> Result<Found, FileError> {
        let BlobRecords { path, record, .. } = blob;
        let size = Witness::of(path, &self.boot)?.map(|there| there.look.size);
        if size != Some(record.blob_size) {
            task.skip(record.blob_size);
        } else if record::holds(path, record, task)
            .or_else(|error| self.unreadable(error, false))?
        {
            return Ok(Found::Whole);
        }
        Ok(if size.is_some() || path.exists() { Found::Damaged } else { Found::Nothing })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::File;
    use std::path::Path;
    use std::sync::{Arc, Condvar};
    use std::time::Duration;

    use super::*;
    use crate::cache::tests::House;
    use crate::progress::Reporter;
    use crate::spec::Compression;

    /// Records one task: the announced bytes, and the bytes of each thread. A thread waits for the
    /// others, so that the test does not depend on timing.
    #[derive(Debug, Default, Clone)]
    struct Heard(Arc<(Mutex<Told>, Condvar)>);

    #[derive(Debug, Default)]
    struct Told {
        announced: u64,
        done: BTreeMap<String, u64>,
        threads: usize,
    }

    impl Reporter for Heard {
        fn start(&self, _: &str, bytes: Option<u64>) -> Box<dyn Task> {
            self.0.0.lock().unwrap().announced += bytes.unwrap();
            Box::new(self.clone())
        }
    }

    impl Task for Heard {
        fn advance(&self, bytes: u64) {
            let (told, came) = &*self.0;
            let mut told = told.lock().unwrap();
            *told.done.entry(format!("{:?}", thread::current().id())).or_default() += bytes;
            came.notify_all();
            let is_alone = |told: &mut Told| told.done.len() < told.threads;
            drop(came.wait_timeout_while(told, Duration::from_secs(10), is_alone).unwrap());
        }

        fn skip(&self, bytes: u64) {
            self.0.0.lock().unwrap().announced -= bytes;
        }
    }

    fn blobs(house: &House) -> Vec<PathBuf> {
        let blobs = list(&house.within("blobs")).unwrap();
        blobs.into_iter().map(|blob| blob.path).collect()
    }

    /// Verifies three layers with one blob and one with another, on `jobs` threads.
    fn verified(jobs: usize, damage: impl Fn(&Path)) -> (Verified, Told) {
        let house = House::new();
        for content in ["sha256:a", "sha256:b", "sha256:c"] {
            house.build(&house.cache(), content, Compression::default());
        }
        house.build(&house.cache(), "sha256:a", Compression::Zstd { level: 1 });
        let blobs = blobs(&house);
        assert_eq!(blobs.len(), 2);
        blobs.iter().for_each(|blob| damage(blob));
        let heard = Heard::default();
        heard.0.0.lock().unwrap().threads = jobs;
        let cache = house.cache().with_reporter(Arc::new(heard.clone()));
        let verified = cache.verify(jobs).unwrap();
        drop(cache);
        let told = std::mem::take(&mut *heard.0.0.lock().unwrap());
        (verified, told)
    }

    #[test]
    fn verify_hashes_a_shared_blob_once_on_all_threads() {
        for jobs in [1, 2] {
            let (verified, told) = verified(jobs, |_| {});
            assert_eq!(verified, Verified { whole: 4, damaged: Vec::new() });
            assert_eq!(told.done.values().sum::<u64>(), told.announced, "{jobs}");
            assert_eq!(told.done.len(), jobs);
        }
    }

    #[test]
    fn verify_missing_blob_leaves_no_announced_bytes() {
        let damages: [fn(&Path); 2] = [
            |blob| std::fs::remove_file(blob).unwrap(),
            |blob| File::options().write(true).open(blob).unwrap().set_len(10).unwrap(),
        ];
        for damage in damages {
            let (verified, told) = verified(1, damage);
            assert_eq!((verified.whole, told.announced, told.done.len()), (0, 0, 0));
        }
    }
}
