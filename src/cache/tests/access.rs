//! Caches of other users, read-only caches, and blobs that layouts share.

use std::os::unix::fs::chown;

use super::*;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_cache_that_others_can_write_is_refused_whichever_of_its_folders_that_is() {
    let house = House::new();
    drop(house.cache());
    let dir = house.cache_dir();
    for folder in [&dir, &folder(&dir), &house.within("layers"), &house.within("blobs")] {
        set_mode(folder, 0o777);
        let error = Cache::open(&dir, None).unwrap_err().to_string();
        assert!(error.contains("chmod -R go-w") && error.contains("0777"), "{error}");
        assert!(error.contains(folder.to_str().unwrap()), "{error}");
        set_mode(folder, 0o755);
        if rustix::process::geteuid().is_root() {
            chown(folder, Some(65534), None).unwrap();
            let error = Cache::open(&dir, None).unwrap_err().to_string();
            assert!(error.contains("belongs to user 65534, not to user 0"), "{error}");
            chown(folder, Some(0), None).unwrap();
        }
    }
    drop(house.cache());
}

#[test]
fn a_record_that_others_can_write_is_said_and_made_again() {
    let house = House::new();
    house.gzip(&house.cache());
    for number in 1..3 {
        set_mode(&house.only("layers"), 0o666);
        house.gzip(&house.cache());
        assert_eq!(house.heard.0.lock().unwrap().len(), number);
        house.gzip(&house.cache());
        assert_eq!(house.heard.0.lock().unwrap().len(), number, "it is mended");
    }
}

#[test]
fn a_blob_that_cannot_get_its_name_in_a_layout_stays_in_the_cache() {
    let house = House::new();
    let layer = house.gzip(&house.cache());
    let taken = house.dir.path().join("taken");
    fs::create_dir(&taken).unwrap();
    assert!(layer.blob.write_file(&taken).is_err());
    assert_eq!(fs::read(house.only("blobs")).unwrap(), bytes(&layer));
}
