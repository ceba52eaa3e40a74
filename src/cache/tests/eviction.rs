//! Entries whose damage is found when their bytes are read.

use super::*;

/// Reads a layer to its end.
fn read(layer: &Layer) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut reader = layer.blob.open().map_err(|error| error.to_string())?;
    reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// A cache, and a record of its warnings.
fn recorded(house: &House) -> (Cache, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    (house.cache().with_reporter(Arc::clone(&heard) as Arc<dyn Reporter>), heard)
}

#[test]
fn blob_found_damaged_while_read_is_made_again() {
    let damages: [fn(&Path); 4] = [
        deceive,
        |blob| fs::remove_file(blob).unwrap(),
        |blob| OpenOptions::new().write(true).open(blob).unwrap().set_len(20).unwrap(),
        |blob| {
            fs::remove_file(blob).unwrap();
            fs::create_dir(blob).unwrap();
        },
    ];
    for (number, damage) in damages.iter().enumerate() {
        let house = House::new();
        let good = read(&house.gzip(&house.cache())).unwrap();
        let (cache, warnings) = recorded(&house);
        let layer = house.gzip(&cache);
        damage(&house.only("blobs"));
        assert!(read(&layer).is_err(), "damage {number}");
        assert!(read(&layer).is_err(), "damage {number}");
        assert!(cache.has_evicted() && !cache.has_evicted(), "damage {number}");
        let warnings = warnings.0.lock().unwrap().clone();
        let says = format!(
            "the cached blob of layer {} is damaged; its entry is removed from the cache",
            layer.digest
        );
        assert_eq!(warnings, [says], "damage {number}");
        assert_eq!(read(&house.gzip(&cache)).unwrap(), good, "damage {number}");
        house.remove_store();
        assert_eq!(read(&house.gzip(&house.cache())).unwrap(), good, "damage {number}");
    }
}

#[test]
fn plain_layer_of_changed_store_paths_is_made_again() {
    let house = House::new();
    house.build(&house.cache(), "sha256:a", Compression::None {});
    fs::write(house.store_path("one").join("file"), "mended").unwrap();
    let (cache, warnings) = recorded(&house);
    let plain = || house.build(&cache, "sha256:a", Compression::None {});
    assert!(read(&plain()).is_err());
    assert!(cache.has_evicted());
    assert_eq!(warnings.0.lock().unwrap().len(), 1);
    assert!(read(&plain()).unwrap().windows(6).any(|part| part == b"mended"));
}

#[test]
fn damaged_blob_of_a_read_only_cache_is_passed_over() {
    let house = House::new();
    let good = read(&house.gzip(&house.cache())).unwrap();
    let (mut cache, warnings) = recorded(&house);
    cache.writable = false;
    let layer = house.gzip(&cache);
    deceive(&house.only("blobs"));
    assert!(read(&layer).is_err());
    assert!(cache.has_evicted());
    assert_eq!(read(&house.gzip(&cache)).unwrap(), good);
    assert_eq!(warnings.0.lock().unwrap().len(), 1);
}

#[test]
fn record_that_another_process_renewed_stays() {
    let house = House::new();
    house.gzip(&house.cache());
    let (cache, _) = recorded(&house);
    let layer = house.gzip(&cache);
    deceive(&house.only("blobs"));
    let other = house.cache();
    fs::remove_file(house.only("layers")).unwrap();
    let good = read(&house.gzip(&other)).unwrap();
    // The blob that was there when the layer was looked up.
    fs::write(house.only("blobs"), "damaged").unwrap();
    assert!(read(&layer).is_err());
    fs::write(house.only("blobs"), &good).unwrap();
    assert!(house.within("layers").read_dir().unwrap().next().is_some());
}
