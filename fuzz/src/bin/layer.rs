//! Any bytes as the blob of a layer, plain, gzip or zstd: findings, in bounded memory.
#![no_main]

use std::io::{Cursor, Read};
use std::sync::Arc;

use cooper::image::{Descriptor, Document};
use cooper::transport::source::{Encoding, Layer, Source, SourceError};
use cooper::validate::{self, Limits, Tree, Workspace};
use cooper_fuzz::tar;
use libfuzzer_sys::fuzz_target;

#[derive(Debug)]
struct Memory(Vec<u8>);

impl Source for Memory {
    fn name(&self) -> String {
        "memory".into()
    }

    fn roots(&self) -> Result<Vec<Descriptor>, SourceError> {
        Ok(Vec::new())
    }

    fn open(&self, _: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let tar = tar::with_checksums(bytes);
    let (encoding, blob) = match kind % 5 {
        0 => (Encoding::Plain, tar),
        1 => (Encoding::Gzip, bytes.to_vec()),
        2 => (Encoding::Zstd, bytes.to_vec()),
        3 => (Encoding::Zstd, zstd::bulk::compress(&tar, 1).expect("zstd takes all bytes")),
        // The media type may be wrong.
        _ => (Encoding::Gzip, zstd::bulk::compress(&tar, 1).expect("zstd takes all bytes")),
    };
    let descriptor = Document::from_bytes(encoding.media_type(), blob.clone()).descriptor;
    let limits = Limits { memory: 1 << 20, inflated: 64 << 20, ..Limits::new(1) };
    let workspace = Arc::new(Workspace::new(limits));
    let layer = Layer { descriptor, encoding: Some(encoding), foreign: false };
    let scan = validate::scan(&workspace, &Memory(blob), &layer);
    // The size of a truncated tar is unknown.
    let is_read = scan.diff_id.is_some();
    assert!(!is_read || scan.entry_count() as u64 <= scan.tar_size / 512);
    let mut tree = Tree::new(&workspace);
    for _ in 0..2 {
        tree.add(&scan);
    }
    if let (Ok(links), Ok(directories)) = (tree.directory_links(), tree.directories()) {
        assert!(links.keys().all(|link| !directories.contains_key(link)));
        assert!(links.values().all(|to| !links.contains_key(to)));
    }
});
