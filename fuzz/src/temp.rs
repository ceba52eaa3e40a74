//! Files for parsers that read files, in a folder that lives as long as the process.

use std::path::PathBuf;
use std::sync::OnceLock;

static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();

/// A file of that name with these bytes, in place of the one before.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let dir = DIR.get_or_init(|| tempfile::tempdir().expect("a temporary folder"));
    let path = dir.path().join(name);
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the folder is made");
    std::fs::write(&path, bytes).expect("the file is written");
    path
}
