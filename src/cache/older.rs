//! What coopers left whose caches had another form.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::gc::{list, remove};
use super::{Cache, RemovedFiles, VERSION, name_of};
use crate::fs;
use crate::fs::{Context, FileError, FileOp, TryLock};

/// The folder of an older version of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Older {
    /// Where it is.
    pub dir: PathBuf,
    /// How many files are in it.
    pub files: usize,
    /// Their size.
    pub bytes: u64,
}

impl Cache {
    /// The folders of older versions, oldest first. A link and what is somebody else's are none.
    pub(super) fn older(&self) -> Result<Vec<Older>, FileError> {
        let user = rustix::process::geteuid().as_raw();
        let dirs = (1..VERSION).map(|version| self.dir.with_file_name(name_of(version)));
        let is_ours = |dir: &PathBuf| {
            std::fs::symlink_metadata(dir).is_ok_and(|meta| meta.is_dir() && meta.uid() == user)
        };
        dirs.filter(is_ours).map(|dir| count(&dir)).collect()
    }

    /// Removes the folders of older versions, but one that an older cooper is using. Only for who
    /// holds the lock alone, and has emptied the folder for what is being written.
    pub(super) fn remove_older(&self, freed: &mut RemovedFiles) -> Result<(), FileError> {
        for Older { dir, files, bytes } in self.older()? {
            let lock = fs::open(&dir.join("lock"));
            let tried = lock.as_ref().map(fs::try_lock);
            if matches!(tried, Ok(Ok(TryLock::InUse))) {
                continue;
            }
            // Out of the way first: an older cooper that starts meanwhile makes itself another.
            let gone = self.temps().join(dir.file_name().unwrap_or_default());
            std::fs::rename(&dir, &gone).context(FileOp::Rename, &dir)?;
            remove(&gone)?;
            freed.files += files;
            freed.bytes += bytes;
        }
        Ok(())
    }
}

fn count(dir: &Path) -> Result<Older, FileError> {
    let (mut files, mut bytes) = (0, 0);
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for item in list(&folder)? {
            if item.is_dir {
                folders.push(item.path);
            } else {
                files += 1;
                bytes += item.size;
            }
        }
    }
    Ok(Older { dir: dir.into(), files, bytes })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test stops at the first error anyway")]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::cache::tests::House;

    /// A folder as an older cooper left it: two files of ten bytes together.
    fn leave(house: &House, name: &str) -> PathBuf {
        let dir = house.cache_dir().join(name);
        std::fs::create_dir_all(dir.join("layers")).unwrap();
        std::fs::write(dir.join("layers/x"), b"of another").unwrap();
        std::fs::write(dir.join("lock"), b"").unwrap();
        dir
    }

    #[test]
    fn gc_removes_what_older_versions_left_and_info_says_how_much_that_is() {
        let house = House::new();
        let dir = leave(&house, &name_of(1));
        let cache = house.cache();
        assert_eq!(cache.info().unwrap().older, [Older { dir: dir.clone(), files: 2, bytes: 10 }]);
        assert_eq!(cache.trim_to_limit().unwrap(), RemovedFiles::default(), "only who asks for it");
        assert_eq!(cache.gc().unwrap(), RemovedFiles { files: 2, bytes: 10 });
        assert!(!dir.exists());
        assert_eq!(cache.info().unwrap().older, []);
        assert_eq!(cache.info().unwrap().bytes, 0);
    }

    #[test]
    fn what_is_no_older_version_of_this_user_is_not_touched() {
        // fault 114
        let house = House::new();
        let newer = name_of(VERSION + 1);
        let kept = [&newer, "v0", "v01", "v", "other", "w1"].map(|name| leave(&house, name));
        let is_there =
            |dir: &PathBuf| std::fs::read(dir.join("layers/x")).unwrap() == b"of another";
        let cache = house.cache();
        drop(house.gzip(&cache));
        let tidied = || {
            assert_eq!(cache.info().unwrap().older, []);
            assert!(cache.verify(2).unwrap().damaged.is_empty());
            assert_eq!(cache.gc().unwrap(), RemovedFiles::default());
            assert!(kept.iter().all(is_there));
        };
        tidied();
        let old = house.cache_dir().join(name_of(1));
        symlink(&kept[0], &old).unwrap();
        tidied();
        std::fs::remove_file(&old).unwrap();
        std::fs::write(&old, b"a file").unwrap();
        tidied();
        std::fs::remove_file(&old).unwrap();
        if rustix::process::geteuid().is_root() {
            leave(&house, &name_of(1));
            std::os::unix::fs::chown(&old, Some(65534), None).unwrap();
            tidied();
        }
    }

    #[test]
    fn links_in_what_older_versions_left_are_not_followed() {
        let house = House::new();
        let outside = leave(&house, "outside");
        let dir = leave(&house, &name_of(1));
        symlink(&outside, dir.join("layers/link")).unwrap();
        symlink(&outside, dir.join("blobs")).unwrap();
        assert_eq!(house.cache().gc().unwrap().files, 4);
        assert!(!dir.exists());
        assert!(outside.join("layers/x").exists());
    }

    #[test]
    fn what_an_older_cooper_is_using_stays_until_it_is_done() {
        let house = House::new();
        let dir = leave(&house, &name_of(1));
        let used = File::open(dir.join("lock")).unwrap();
        used.lock_shared().unwrap();
        assert_eq!(house.cache().gc().unwrap(), RemovedFiles::default());
        assert!(dir.join("layers/x").exists());
        drop(used);
        assert_eq!(house.cache().gc().unwrap().files, 2);
    }
}
