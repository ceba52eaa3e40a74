//! Damage in the cache that only a digest detects, and the reaction of each command.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Output;

use serde_json::json;

use crate::support::fixture::{Fixture, StoreItem, stderr};

/// Flips a bit of the largest file in the cache; size and modification time stay.
pub(crate) fn damage(fixture: &Fixture) {
    let dir = fixture.dir().join("cache/v3/blobs");
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let largest = paths.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let file = File::options().read(true).write(true).open(largest).unwrap();
    let before = file.metadata().unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, before.len() / 2).unwrap();
    file.write_all_at(&[byte[0] ^ 1], before.len() / 2).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
}

/// Returns the standard error, which must have the warning about damage.
pub(crate) fn assert_damage_warning(output: &Output, code: i32) -> String {
    let text = stderr(output, code);
    assert!(text.contains("is damaged; its entry is removed from the cache"), "{text}");
    text
}

pub(crate) fn item(fixture: &Fixture) -> StoreItem {
    fixture.item("lib", 5, 200_000)
}

#[test]
fn build_damaged_cache_archive_is_whole() {
    let fixture = Fixture::new();
    let spec = fixture.write_spec("app", "v1", &[item(&fixture)], &json!({}));
    let build =
        |to: &str| fixture.cooper().arg("build").arg(&spec).args(["-o", to]).output().unwrap();
    let read = |name: &str| std::fs::read(fixture.dir().join(name)).unwrap();
    stderr(&build("good.tar"), 0);
    for name in ["one.tar", "two.tar"] {
        damage(&fixture);
        assert_damage_warning(&build(name), 0);
        assert_eq!(read(name), read("good.tar"));
    }
    assert!(!stderr(&build("good.tar"), 0).contains("damaged"), "it is mended");
    damage(&fixture);
    let text = assert_damage_warning(&build("-"), 2);
    assert!(text.ends_with("hint: run the command again\n"), "{text}");
    assert_eq!(build("-").stdout, read("good.tar"));
}

#[test]
fn load_or_save_archives_are_whole_or_absent() {
    let fixture = Fixture::new();
    let spec = fixture.write_spec("app", "v1", &[item(&fixture)], &json!({}));
    let load = |specs: &[&std::path::Path], dir: &str| {
        let mut command = fixture.cooper();
        command.env("DOCKER_HOST", "unix:///no/such.sock").arg("load").args(specs);
        command.args(["--or-save", dir]).output().unwrap()
    };
    stderr(&load(&[&spec], "saved"), 0);
    let good = std::fs::read(fixture.dir().join("saved/app.tar")).unwrap();
    damage(&fixture);
    assert_damage_warning(&load(&[&spec], "again"), 0);
    assert_eq!(std::fs::read(fixture.dir().join("again/app.tar")).unwrap(), good);
    let gone = json!({"files": {"/x": {"source": format!("{}/gone", item(&fixture).path)}}});
    let broken = fixture.write_spec("broken", "v1", &[item(&fixture)], &gone);
    stderr(&load(&[&spec, &broken], "none"), 1);
    assert!(!fixture.dir().join("none").exists(), "the first archive does not stay");
}
