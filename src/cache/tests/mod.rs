#![expect(clippy::disallowed_methods, reason = "a test stops at the first error anyway")]

mod removed;

mod access;
mod eviction;
mod plain;

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::digest::Digest;
use crate::layer::{Content, Layer, Request, build, build_with};
use crate::progress::{NullReporter, Reporter, Task};
use crate::spec::Compression;
use crate::store_path::PathInfo;

/// Remembers the warnings, and how many layers were made.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>, AtomicUsize);

impl Reporter for Heard {
    fn start(&self, _: &str, _: Option<u64>) -> Box<dyn Task> {
        self.1.fetch_add(1, Ordering::Relaxed);
        NullReporter.start("", None)
    }

    fn warn(&self, message: &str) {
        self.0.lock().unwrap().push(message.into());
    }
}

/// A store with one path, and a cache.
pub(super) struct House {
    dir: tempfile::TempDir,
    heard: Heard,
}

impl House {
    pub(super) fn new() -> Self {
        let house = Self { dir: tempfile::tempdir().unwrap(), heard: Heard::default() };
        fs::create_dir_all(house.store_path("one")).unwrap();
        fs::write(house.store_path("one").join("file"), vec![7; 100_000]).unwrap();
        house
    }

    fn store_path(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("ppalkb4fq3rl0qvhbbhvzwmh2yk9i1l1-{name}"))
    }

    pub(super) fn cache_dir(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    pub(super) fn within(&self, below: &str) -> PathBuf {
        folder(&self.cache_dir()).join(below)
    }

    pub(super) fn cache(&self) -> Cache {
        Cache::open(&self.cache_dir(), None).unwrap()
    }

    fn info(&self, name: &str, nar_hash: &str) -> PathInfo {
        let path = self.store_path(name).to_str().unwrap().parse().unwrap();
        PathInfo { path, nar_hash: nar_hash.into(), nar_size: 1, references: Vec::new() }
    }

    pub(super) fn build(&self, cache: &Cache, nar_hash: &str, compression: Compression) -> Layer {
        let infos = [self.info("one", nar_hash)];
        let content = Content::StorePaths(&infos);
        let request = Request { name: "one".into(), content, compression, mtime: 1 };
        build(&[request], cache, 1, &self.heard).unwrap().remove(0)
    }

    pub(super) fn gzip(&self, cache: &Cache) -> Layer {
        self.build(cache, "sha256:a", Compression::default())
    }

    fn only(&self, folder: &str) -> PathBuf {
        let files: Vec<_> = fs::read_dir(self.within(folder)).unwrap().collect();
        assert_eq!(files.len(), 1, "one file in {folder}");
        files[0].as_ref().unwrap().path()
    }

    /// Makes reading the store impossible.
    fn remove_store(&self) {
        fs::remove_dir_all(self.store_path("one")).unwrap();
    }
}

fn bytes(layer: &Layer) -> Vec<u8> {
    let mut bytes = Vec::new();
    layer.blob.open().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_layer_that_was_made_before_needs_no_byte_of_the_store() {
    let house = House::new();
    for compression in
        [Compression::default(), Compression::None {}, Compression::Zstd { level: 1 }]
    {
        house.build(&house.cache(), "sha256:a", compression);
    }
    house.remove_store();
    for compression in
        [Compression::default(), Compression::None {}, Compression::Zstd { level: 1 }]
    {
        house.build(&house.cache(), "sha256:a", compression);
    }
    assert_eq!(*house.heard.0.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn a_layer_that_several_need_at_once_is_made_once() {
    let house = House::new();
    fs::write(house.store_path("one").join("large"), vec![8; 20_000_000]).unwrap();
    let caches: Vec<Cache> = (0..8).map(|_| house.cache()).collect();
    let digests: Vec<_> = std::thread::scope(|scope| {
        let house = &house;
        let start = |cache| scope.spawn(move || house.gzip(cache).digest);
        let threads: Vec<_> = caches.iter().map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(house.heard.1.load(Ordering::Relaxed), 1);
    assert_eq!(fs::read_dir(house.within("tmp")).unwrap().count(), 0);
}

#[test]
fn builds_that_begin_several_layers_in_unlike_orders_do_not_wait_for_each_other_forever() {
    let house = House::new();
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        fs::write(house.store_path(name), vec![7; 400_000]).unwrap();
    }
    let info = |name: &&str, nar_size| PathInfo { nar_size, ..house.info(name, "sha256:a") };
    // The order is by size.
    let up: Vec<_> = names.iter().zip(1..).map(|(name, size)| info(name, size)).collect();
    let down: Vec<_> = names.iter().rev().zip(1..).map(|(name, size)| info(name, size)).collect();
    std::thread::scope(|scope| {
        for infos in [&up, &down] {
            let (house, cache) = (&house, house.cache());
            scope.spawn(move || {
                let request = |info| Request {
                    name: "one".into(),
                    content: Content::StorePaths(std::slice::from_ref(info)),
                    compression: Compression::default(),
                    mtime: 1,
                };
                let requests: Vec<_> = infos.iter().map(request).collect();
                build_with(&requests, &cache, 1, &house.heard, &|_| Ok(()), 8).unwrap();
            });
        }
    });
    assert_eq!(house.heard.1.load(Ordering::Relaxed), names.len(), "each was made once");
}

#[test]
fn who_may_not_wait_hears_that_a_layer_is_being_made() {
    let house = House::new();
    let key = LayerKey::new(&[house.info("one", "sha256:b")], Compression::None {}, 1);
    let (cache, other) = (house.cache(), house.cache());
    let Lookup::Miss(claim) = cache.get(&key, false).unwrap() else { panic!("nobody made it") };
    assert!(matches!(other.get(&key, false).unwrap(), Lookup::InProgress));
    let (digest, diff_id) = (Digest::of(b"tar"), crate::digest::DiffId::of(b"tar"));
    let record = LayerRecord { digest, diff_id, blob_size: 3, tar_size: 3 };
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| other.get(&key, true).unwrap());
        cache.put(Some(&key), &record, LayerBytes::Plain(digest)).unwrap();
        drop(claim);
        assert!(matches!(waiting.join().unwrap(), Lookup::Hit(found, _) if found == record));
    });
}

#[test]
fn what_is_damaged_stays_where_it_is_until_it_is_replaced() {
    // Another process may have mended it since it was looked at.
    let house = House::new();
    house.gzip(&house.cache());
    let (blob, record) = (house.only("blobs"), house.only("layers"));
    fs::write(&blob, b"short").unwrap();
    let key = LayerKey::new(&[house.info("one", "sha256:a")], Compression::default(), 1);
    let (cache, other) = (house.cache(), house.cache());
    let Lookup::Damaged(_, claim) = cache.get(&key, false).unwrap() else { panic!("it is not") };
    assert!(matches!(other.get(&key, false).unwrap(), Lookup::InProgress));
    assert!(blob.exists() && record.exists());
    drop(claim);
    house.gzip(&cache);
    assert!(matches!(other.get(&key, false).unwrap(), Lookup::Hit(..)));
}

#[test]
fn another_content_or_another_option_is_another_layer() {
    let house = House::new();
    let cache = house.cache();
    house.gzip(&cache);
    house.build(&cache, "sha256:b", Compression::default());
    house.build(&cache, "sha256:a", Compression::Gzip { level: 1 });
    assert_eq!(cache.info().unwrap().layers, 3);
}

#[test]
fn a_damaged_blob_is_noticed_said_and_made_again() {
    let damages: [fn(&Path); 6] = [
        |blob| fs::write(blob, b"").unwrap(),
        |blob| fs::write(blob, b"short").unwrap(),
        |blob| {
            let file = OpenOptions::new().write(true).open(blob).unwrap();
            file.write_at(&[0], 50).unwrap();
        },
        |blob| fs::remove_file(blob).unwrap(),
        |blob| {
            fs::remove_file(blob).unwrap();
            fs::create_dir(blob).unwrap();
        },
        |blob| {
            fs::rename(blob, blob.with_extension("x")).unwrap();
            std::os::unix::fs::symlink(blob.with_extension("x"), blob).unwrap();
        },
    ];
    for (number, damage) in damages.iter().enumerate() {
        let house = House::new();
        let good = bytes(&house.gzip(&house.cache()));
        damage(&house.only("blobs"));
        let again = house.gzip(&house.cache());
        assert_eq!(bytes(&again), good, "damage {number}");
        assert_eq!(house.heard.0.lock().unwrap().len(), 1, "damage {number}");
        house.gzip(&house.cache());
        assert_eq!(house.heard.0.lock().unwrap().len(), 1, "damage {number} is mended");
    }
}

#[test]
fn a_damaged_record_is_noticed_said_and_made_again() {
    let house = House::new();
    let good = house.gzip(&house.cache()).diff_id;
    let record = house.only("layers");
    let text = fs::read_to_string(&record).unwrap();
    let wrong = text.replacen(&good.hex()[..4], "0000", 1);
    for damaged in [wrong.as_str(), "", "\n", &text[..100], &text[1..], "a folder"] {
        match damaged {
            "a folder" => fs::remove_file(&record).and_then(|()| fs::create_dir(&record)).unwrap(),
            damaged => fs::write(&record, damaged).unwrap(),
        }
        let before = house.heard.0.lock().unwrap().len();
        assert_eq!(house.gzip(&house.cache()).diff_id, good);
        assert_eq!(house.heard.0.lock().unwrap().len(), before + 1, "{damaged:?}");
    }
}

#[test]
fn a_blob_whose_file_was_touched_is_hashed_and_believed_again() {
    let house = House::new();
    house.gzip(&house.cache());
    let blob = house.only("blobs");
    fs::File::open(&blob).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    house.remove_store();
    house.gzip(&house.cache());
    assert_eq!(*house.heard.0.lock().unwrap(), Vec::<String>::new());
    // Now it is known as it looks since.
    deceive(&blob);
    house.gzip(&house.cache());
    assert_eq!(*house.heard.0.lock().unwrap(), Vec::<String>::new());
}

/// Damages a file that looks as before, to tell whether it is read.
fn deceive(blob: &Path) {
    let file = OpenOptions::new().write(true).open(blob).unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    file.write_at(&[0], 50).unwrap();
    file.set_modified(before).unwrap();
}

#[test]
fn a_blob_is_believed_unread_when_its_names_changed_and_not_when_its_owner_did() {
    let mode = |blob: &Path, mode| {
        fs::set_permissions(blob, fs::Permissions::from_mode(mode)).unwrap();
    };
    let warnings = |change: &dyn Fn(&Path, &mut Cache)| {
        let house = House::new();
        house.gzip(&house.cache());
        let (blob, mut cache) = (house.only("blobs"), house.cache());
        deceive(&blob);
        change(&blob, &mut cache);
        house.gzip(&cache);
        house.heard.0.lock().unwrap().len()
    };
    let named = |blob: &Path, _: &mut Cache| {
        fs::hard_link(blob, blob.with_extension("x")).unwrap();
        fs::remove_file(blob.with_extension("x")).unwrap();
    };
    assert_eq!(warnings(&named), 0);
    assert_eq!(warnings(&|blob, _| mode(blob, 0o664)), 1);
    assert_eq!(warnings(&|blob, _| mode(blob, 0o646)), 1);
    assert_eq!(warnings(&|_, cache| cache.boot = String::new()), 1);
    if rustix::process::geteuid().is_root() {
        let give = |blob: &Path, _: &mut Cache| {
            std::os::unix::fs::chown(blob, Some(65534), None).unwrap();
        };
        assert_eq!(warnings(&give), 1);
    }
}

#[test]
fn what_was_used_least_recently_goes_first() {
    let house = House::new();
    let cache = house.cache();
    let old = house.build(&cache, "sha256:old", Compression::Gzip { level: 1 });
    let new = house.build(&cache, "sha256:new", Compression::Gzip { level: 9 });
    assert_ne!(old.digest, new.digest);
    drop((cache, old, new));
    let infos = [house.info("one", "sha256:old")];
    let key = LayerKey::new(&infos, Compression::Gzip { level: 1 }, 1);
    let path = house.within("layers").join(key.hex());
    let past = std::time::UNIX_EPOCH + std::time::Duration::from_secs(10);
    fs::File::open(&path).unwrap().set_modified(past).unwrap();
    let total = house.cache().info().unwrap().bytes;
    let cache = Cache::open(&house.cache_dir(), Some(total - 1)).unwrap();
    let freed = cache.gc().unwrap();
    assert_eq!(freed.files, 2, "a record and its blob");
    assert!(!path.exists());
    let info = cache.info().unwrap();
    assert_eq!((info.layers, info.blobs), (1, 1));
    assert_eq!(info.bytes, total - freed.bytes);
}

#[test]
fn what_a_killed_process_left_is_removed_and_a_blob_in_use_is_not() {
    let house = House::new();
    let layer = house.gzip(&house.cache());
    let left = house.within("tmp/blob-of-a-killed-process");
    fs::write(&left, b"half").unwrap();
    let other = Cache::open(&house.cache_dir(), Some(0)).unwrap();
    assert_eq!(other.trim_to_limit().unwrap(), RemovedFiles::default(), "the layer is in use");
    bytes(&layer);
    drop(layer);
    assert_eq!(other.trim_to_limit().unwrap().files, 3);
    assert!(!left.exists());
}

#[test]
fn while_there_is_room_only_what_a_killed_process_left_goes() {
    let house = House::new();
    house.gzip(&house.cache());
    let (left, alone) = (house.within("tmp/left"), house.within("blobs/without-a-record"));
    for path in [&left, &alone] {
        fs::write(path, b"x").unwrap();
    }
    assert_eq!(house.cache().trim_to_limit().unwrap().files, 1);
    assert!(!left.exists() && alone.exists());
    assert_eq!(house.cache().gc().unwrap().files, 1);
    assert!(!alone.exists());
    assert_eq!(house.cache().info().unwrap().layers, 1);
}

#[test]
fn a_cache_above_its_limit_makes_room_for_the_next_builds_too() {
    let house = House::new();
    for number in 0..12 {
        house.build(&house.cache(), &format!("sha256:{number:02}"), Compression::None {});
    }
    let total = house.cache().info().unwrap().bytes;
    let shrunk = |limit| {
        Cache::open(&house.cache_dir(), Some(limit)).unwrap().trim_to_limit().unwrap().files
    };
    assert_eq!((shrunk(total), shrunk(total - 1)), (0, 2));
}

#[test]
fn verify_names_and_removes_what_is_damaged() {
    let house = House::new();
    house.gzip(&house.cache());
    house.build(&house.cache(), "sha256:a", Compression::None {});
    assert_eq!(house.cache().verify(2).unwrap(), Verified { whole: 2, damaged: Vec::new() });
    // Another content of a store path may be the same layer.
    house.build(&house.cache(), "sha256:b", Compression::default());
    let blob = house.only("blobs");
    fs::write(&blob, b"other").unwrap();
    let verified = house.cache().verify(2).unwrap();
    assert_eq!(verified.whole, 1);
    assert_eq!(verified.damaged[0], blob);
    assert_eq!(verified.damaged.len(), 3, "a blob and its two records, each once");
    assert!(!blob.exists());
    assert_eq!(house.cache().verify(2).unwrap(), Verified { whole: 1, damaged: Vec::new() });
}
