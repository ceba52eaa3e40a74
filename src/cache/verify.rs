//! Whether what a cache holds is what it should be.

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

/// What a check of all entries found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many layers are whole.
    pub whole: usize,
    /// Blobs and records that were not, each once and in order; they are removed unless the cache
    /// cannot be written.
    pub damaged: Vec<PathBuf>,
}

/// What some records come to.
#[derive(Debug, Default)]
struct Checked {
    whole: usize,
    /// The records of layers that are not.
    wrong: Vec<PathBuf>,
    damaged: BTreeSet<PathBuf>,
}

/// A blob, and the records that say that it is theirs.
#[derive(Debug)]
struct BlobRecords {
    path: PathBuf,
    record: LayerRecord,
    records: Vec<PathBuf>,
}

/// What is where a blob should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Whole,
    Damaged,
}

impl Cache {
    /// Hashes the blob of every layer that it knows, each once and as many at a time as there are
    /// `jobs`, and removes the entries that are not what they should be; to do that it waits for
    /// those who use the cache.
    pub fn verify(&self, jobs: usize) -> Result<Verified, CacheError> {
        let records = list(&self.dir.join("layers"))?.into_iter().map(|item| item.path);
        let checked = self.check("checking the cache", records, jobs)?;
        if self.writable && !checked.wrong.is_empty() {
            // Until the lock is held alone somebody may have mended it.
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
        // Of one digest there may be records that say different sizes.
        let mut blobs: BTreeMap<(Digest, u64), BlobRecords> = BTreeMap::new();
        for path in records {
            match CacheRecord::read(&path)
                .or_else(|error| self.unreadable(error, record::Read::Damaged))?
            {
                record::Read::Found(CacheRecord { seen: Seen::Plain(_), .. }) => checked.whole += 1,
                record::Read::Found(CacheRecord { record, .. }) => {
                    let blob = self.blob_path(&record.digest.hex());
                    let claims = || BlobRecords { path: blob, record, records: Vec::new() };
                    let of = blobs.entry((record.digest, record.blob_size));
                    of.or_insert_with(claims).records.push(path);
                }
                record::Read::Absent | record::Read::Damaged => {
                    checked.damaged.insert(path.clone());
                    checked.wrong.push(path);
                }
            }
        }
        let blobs: Vec<BlobRecords> = blobs.into_values().collect();
        for (claims, found) in self.look_at_all(what, blobs, jobs)? {
            if found == Found::Whole {
                checked.whole += claims.records.len();
                continue;
            }
            checked.damaged.extend((found == Found::Damaged).then_some(claims.path));
            checked.damaged.extend(claims.records.iter().cloned());
            checked.wrong.extend(claims.records);
        }
        Ok(checked)
    }

    /// Looks at blobs on so many threads, the largest first, so that none is left alone with it at
    /// the end. After a failure no more are begun.
    fn look_at_all(
        &self,
        what: &str,
        mut blobs: Vec<BlobRecords>,
        jobs: usize,
    ) -> Result<Vec<(BlobRecords, Found)>, FileError> {
        blobs.sort_by_key(|claims| claims.record.blob_size);
        let bytes = blobs.iter().map(|claims| claims.record.blob_size).fold(0, u64::saturating_add);
        let task = self.reporter.start(what, Some(bytes));
        let threads = jobs.clamp(1, blobs.len().max(1));
        let (blobs, found) = (Mutex::new(blobs), Mutex::new(Vec::new()));
        let blobs = || blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let work = || {
            // Bound to a name, so that the lock is not held while it is hashed.
            while let Some(claims) = { blobs().pop() } {
                let is = self.look_at(&claims, &*task);
                let is = is.inspect_err(|_| blobs().clear())?;
                found.lock().unwrap_or_else(PoisonError::into_inner).push((claims, is));
            }
            Ok(())
        };
        thread::scope(|scope| {
            let start = |_| thread::Builder::new().spawn_scoped(scope, work);
            // Without a thread more it only takes longer.
            let others: Vec<_> = (1..threads).map_while(|n| start(n).ok()).collect();
            let here = work();
            let joined = others.into_iter().map(thread::ScopedJoinHandle::join);
            let joined =
                joined.map(|result| result.unwrap_or_else(|e| std::panic::resume_unwind(e)));
            joined.fold(here, Result::and)
        })?;
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// What cannot be read is damaged, unless it is somebody else's, who keeps it for themselves.
    fn unreadable<T>(&self, error: FileError, damaged: T) -> Result<T, FileError> {
        if !self.writable && is_read_only(&error.source) { Err(error) } else { Ok(damaged) }
    }

    fn look_at(&self, claims: &BlobRecords, task: &dyn Task) -> Result<Found, FileError> {
        let BlobRecords { path, record, .. } = claims;
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

    /// Hears of one task: what was announced, and what each thread did of it. A thread waits for
    /// others to come, so that the test need not be lucky.
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

    /// Three layers that are one blob, and one that is another; checked on so many threads.
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
    fn a_blob_that_several_layers_are_is_hashed_once_and_as_many_at_a_time_as_there_are_jobs() {
        for jobs in [1, 2] {
            let (verified, told) = verified(jobs, |_| {});
            assert_eq!(verified, Verified { whole: 4, damaged: Vec::new() });
            assert_eq!(told.done.values().sum::<u64>(), told.announced, "{jobs}");
            assert_eq!(told.done.len(), jobs);
        }
    }

    #[test]
    fn what_is_announced_is_done_where_blobs_are_missing_or_cut_too() {
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
