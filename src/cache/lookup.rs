//! Looks up layers in the cache and verifies their blobs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::{self, CacheRecord, Renewal, Seen, Witness};
use super::{Cache, is_read_only};
use crate::fs::FileError;
use crate::layer::{Before, CachedBytes, LayerRecord, Lookup, Renew, StoredFile};

impl Cache {
    pub(super) fn look_up(&self, key: &str) -> Lookup {
        match self.find(key) {
            Ok(found) => found,
            // The record of another user in a read-only cache.
            Err(error) if !self.writable && is_read_only(&error.source) => Lookup::Miss(None),
            // A record that cannot be read is rebuilt like a damaged one.
            Err(error) => Lookup::Damaged(format!("{error}: {}", error.source), None),
        }
    }

    fn find(&self, key: &str) -> Result<Lookup, FileError> {
        let path = self.layer_path(key);
        if self.evicted.contains(&path) {
            return Ok(Lookup::Miss(None));
        }
        let entry = match CacheRecord::read(&path)? {
            record::Read::Found(entry) if self.verified && !entry.verified => {
                return Ok(Lookup::Miss(None));
            }
            record::Read::Found(entry) => entry,
            record::Read::Absent => return Ok(Lookup::Miss(None)),
            record::Read::Damaged => {
                return Ok(Lookup::Damaged(format!("`{}` is damaged", path.display()), None));
            }
        };
        let witness = match &entry.seen {
            Seen::Blob(witness) => witness,
            Seen::Plain(seen) => {
                self.touch(&path);
                // Without a boot id, no stamp can be trusted.
                let seen = seen.as_ref().filter(|(_, life)| *life == self.boot);
                let seen = seen.map(|(digest, _)| *digest);
                let record = entry.record;
                let renew = self.renewal(path, entry.clone());
                return Ok(Lookup::Hit(record, CachedBytes::Plain(Before { seen, renew })));
            }
        };
        let blob = self.blob_path(&entry.record.digest.hex());
        let (look, entry) = match Witness::of(&blob, &self.boot)? {
            Some(now) if witness.matches(&now) => {
                self.touch(&path);
                (now.look, entry)
            }
            Some(now) if self.holds(&blob, &entry.record)? => {
                let look = now.look;
                let entry = CacheRecord { seen: Seen::Blob(now), ..entry };
                if self.writable {
                    // After a failure, the next lookup hashes the blob again.
                    let _ = entry.write(&path, &self.temps());
                }
                (look, entry)
            }
            _ => {
                let why = format!("`{}` is not the blob that was put there", blob.display());
                return Ok(Lookup::Damaged(why, None));
            }
        };
        let record = entry.record;
        let renewal = Some(self.renewal(path, entry) as Arc<dyn Renew>);
        let kept = StoredFile { path: blob, look, guard: self.guard(), record: renewal };
        Ok(Lookup::Hit(record, CachedBytes::Blob(kept)))
    }

    fn renewal(&self, path: PathBuf, entry: CacheRecord) -> Arc<Renewal> {
        let (temps, boot) = (self.temps(), self.boot.clone());
        let (evicted, reporter) = (Arc::clone(&self.evicted), Arc::clone(&self.reporter));
        Arc::new(Renewal { path, temps, entry, boot, evicted, reporter })
    }

    /// Sets the time of last use of an entry.
    #[allow(
        clippy::disallowed_methods,
        reason = "which layer was used last is a matter of the clock"
    )]
    fn touch(&self, path: &Path) {
        if self.writable {
            let now = std::time::SystemTime::now();
            // An entry with an older time is only removed earlier.
            let _ = File::open(path).and_then(|file| file.set_modified(now));
        }
    }

    fn holds(&self, blob: &Path, record: &LayerRecord) -> Result<bool, FileError> {
        let what = format!("checking the kept {}", record.digest);
        record::holds(blob, record, &*self.reporter.start(&what, Some(record.blob_size)))
    }
}
