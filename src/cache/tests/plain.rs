//! Records of plain layers.

use super::*;
use crate::layer::CachedBytes;

#[test]
fn how_store_paths_looked_is_believed_in_the_life_of_the_machine_that_it_was_written_in() {
    let house = House::new();
    let named = |cache: &Cache| {
        let infos = [house.info("one", "sha256:a")];
        let key = LayerKey::new(&infos, Compression::None {}, 1);
        match cache.get(&key, false).unwrap() {
            Lookup::Hit(_, CachedBytes::Plain(before)) => before.seen.is_some(),
            other => panic!("{other:?}"),
        }
    };
    let cache_of = |boot: &str| {
        let mut cache = house.cache();
        cache.boot = boot.into();
        cache
    };
    for (written, read, believed) in
        [("a", "a", true), ("a", "b", false), ("a", "", false), ("", "", false), ("", "a", false)]
    {
        drop(fs::remove_dir_all(house.cache_dir()));
        house.build(&cache_of(written), "sha256:a", Compression::None {});
        assert_eq!(named(&cache_of(read)), believed, "{written:?} {read:?}");
        // Hashing them once in this life is enough.
        bytes(&house.build(&cache_of(read), "sha256:a", Compression::None {}));
        assert_eq!(named(&cache_of(read)), !read.is_empty(), "{written:?} {read:?}");
    }
    // As nobody writes it.
    let record = house.only("layers");
    let text = fs::read_to_string(&record).unwrap();
    let digest = Digest::of(b"");
    for wrong in ["none", "plain x", &format!("plain {digest} "), &format!("plain {digest} a b")] {
        let body = text.split_once("seen ").unwrap().0.to_owned() + &format!("seen {wrong}\n");
        let sum = Digest::of(body.as_bytes());
        fs::write(&record, format!("{body}sum {sum}\n")).unwrap();
        assert_eq!(house.cache().verify(2).unwrap().damaged, [&*record], "{wrong}");
    }
}
