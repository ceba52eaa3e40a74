//! Damaged and removed files, in the cache and in the Nix store.

use super::*;

fn key(house: &House) -> LayerKey {
    LayerKey::new(&[house.info("one", "sha256:a")], Compression::default(), 1)
}

#[test]
fn a_record_that_cannot_be_read_is_said_and_made_again() {
    let house = House::new();
    let before = house.gzip(&house.cache()).digest;
    let record = house.only("layers");
    let spoil = || {
        fs::remove_file(&record).unwrap();
        std::os::unix::fs::symlink(&record, &record).unwrap();
    };
    spoil();
    assert_eq!(house.gzip(&house.cache()).digest, before);
    assert_eq!(house.heard.0.lock().unwrap().len(), 1);
    house.gzip(&house.cache());
    assert_eq!(house.heard.0.lock().unwrap().len(), 1, "it is mended");
    spoil();
    assert_eq!(house.cache().verify(1).unwrap().damaged, [record]);
    assert_eq!(fs::read_dir(house.within("layers")).unwrap().count(), 0);
}

#[test]
fn a_cache_that_somebody_takes_away_under_way_costs_no_more_than_time() {
    let house = House::new();
    let before = house.gzip(&house.cache()).digest;
    for gone in ["", "blobs", "layers", "tmp"] {
        let cache = house.cache();
        drop(fs::remove_dir_all(house.within(gone)));
        let layer = house.build(&cache, "sha256:b", Compression::default());
        assert_eq!(layer.digest, before, "{gone}");
        drop(fs::remove_dir_all(house.within("layers")));
    }
}

#[test]
fn what_was_made_of_a_damaged_store_path_is_made_again_when_the_store_is_verified() {
    let house = House::new();
    let damaged = house.gzip(&house.cache()).digest;
    fs::write(house.store_path("one").join("file"), "mended").unwrap();
    assert_eq!(house.gzip(&house.cache()).digest, damaged, "nobody looked");
    let mended = house.gzip(&house.cache().verified_only()).digest;
    assert_ne!(mended, damaged);
    assert_eq!(house.gzip(&house.cache()).digest, mended);
    house.remove_store();
    house.gzip(&house.cache().verified_only());
}

#[test]
fn a_plain_layer_whose_store_paths_are_others_now_is_an_error_once() {
    let house = House::new();
    let plain = || house.build(&house.cache(), "sha256:a", Compression::None {});
    plain();
    fs::write(house.store_path("one").join("file"), "mended").unwrap();
    let error = std::io::copy(&mut plain().blob.open().unwrap(), &mut std::io::sink());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("start again"), "{error}");
    assert!(bytes(&plain()).windows(6).any(|part| part == b"mended"));
}

#[test]
fn who_waits_for_another_that_makes_a_layer_tells_of_it() {
    let house = House::new();
    let key = key(&house);
    let Lookup::Miss(claim @ Some(_)) = house.cache().get(&key, false).unwrap() else {
        panic!("it is made by nobody")
    };
    let heard = Arc::new(Heard::default());
    let waiting = house.cache().with_reporter(Arc::clone(&heard) as Arc<dyn Reporter>);
    std::thread::scope(|scope| {
        let waited = scope.spawn(|| waiting.get(&key, true).unwrap());
        let is_told = || {
            std::thread::sleep(std::time::Duration::from_millis(10));
            heard.1.load(Ordering::Relaxed) == 1
        };
        let told = (0..2000).any(|_| is_told());
        drop(claim);
        assert!(told);
        assert!(matches!(waited.join().unwrap(), Lookup::Miss(Some(_))));
    });
}
