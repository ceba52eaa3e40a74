//! Files for parsers that read files, in a directory that exists as long as the process.

use std::path::PathBuf;
use std::sync::OnceLock;

static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();

/// Writes a file of this name with these bytes, and replaces an earlier one.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let dir = DIR.get_or_init(|| tempfile::tempdir().expect("a temporary directory"));
    let path = dir.path().join(name);
    std::fs::create_dir_all(path.parent().expect("it is in a directory"))
        .expect("the directory is created");
    std::fs::write(&path, bytes).expect("the file is written");
    path
}
