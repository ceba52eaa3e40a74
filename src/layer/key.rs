//! The cache key of a layer.

use std::collections::BTreeMap;
use std::fmt;

use super::{compress, tar};
use crate::digest::{Digest, Hasher};
use crate::rootfs::{Kind, Rootfs};
use crate::spec::Compression;
use crate::store_path::{PathInfo, StorePath};

/// The digest of everything that decides a layer's bytes: store paths with their NAR hashes,
/// options, and the versions of the tar format and of the compressors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayerKey(Digest);

impl LayerKey {
    pub(crate) fn new(paths: &[PathInfo], compression: Compression, mtime: u64) -> Self {
        let options = compress::describe(compression);
        let mut text = format!("cooper layer\ntar {}\n{options}\nmtime {mtime}\n", tar::VERSION);
        for info in paths {
            // Store paths and hashes contain no space and no line feed, so lines are unambiguous.
            text.push_str(info.path.as_str());
            text.push(' ');
            text.push_str(&info.nar_hash);
            text.push('\n');
        }
        Self(Digest::of(text.as_bytes()))
    }

    /// Returns the key for a layer of own files; `None` if a file is copied from a path that is not
    /// registered.
    pub(crate) fn of_files(
        rootfs: &Rootfs,
        infos: &[PathInfo],
        compression: Compression,
        mtime: u64,
    ) -> Option<Self> {
        let known: BTreeMap<_, _> = infos.iter().map(|info| (&info.path, info)).collect();
        let options = compress::describe(compression);
        let mut key = Hasher::new();
        // Each part has its length before it, so that different lists of parts differ in bytes.
        let mut add = |bytes: &[u8]| {
            key.update(&(bytes.len() as u64).to_le_bytes());
            key.update(bytes);
        };
        add(format!("own files\ntar {}\n{options}\nmtime {mtime}\n", tar::VERSION).as_bytes());
        for (path, node) in &rootfs.entries {
            add(path);
            add(format!("{:o} {} {} {}", node.mode, node.uid, node.gid, node.xattrs.len())
                .as_bytes());
            for (name, value) in &node.xattrs {
                add(name.as_bytes());
                add(value);
            }
            match &node.kind {
                Kind::Directory => add(b"directory"),
                Kind::Bytes(bytes) => [&b"bytes"[..], bytes].into_iter().for_each(&mut add),
                Kind::Symlink(target) => [&b"link"[..], target].into_iter().for_each(&mut add),
                Kind::Copy(origin) => {
                    // A link may lead to another store path; the hash of that one counts.
                    let target = std::fs::canonicalize(origin).ok()?;
                    let (path, below) = StorePath::parse_prefix(target.to_str()?).ok()?;
                    let info = known.get(&path)?;
                    [path.as_str(), below, &info.nar_hash]
                        .iter()
                        .for_each(|text| add(text.as_bytes()));
                }
            }
        }
        Some(Self(key.finish().digest()))
    }

    /// Returns the key as 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.hex()
    }
}

impl fmt::Display for LayerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}
