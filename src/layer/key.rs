//! The cache key of a layer.

use std::collections::BTreeMap;
use std::fmt;

use super::{compress, tar};
use crate::digest::{Digest, Hasher};
use crate::rootfs::{Kind, Rootfs};
use crate::spec::Compression;
use crate::store_path::{PathInfo, StorePath};

/// Names a layer by all that decides its bytes: store paths with the hashes of their content,
/// options, and the versions of what writes and compresses the tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayerKey(Digest);

impl LayerKey {
    pub(crate) fn new(paths: &[PathInfo], compression: Compression, mtime: u64) -> Self {
        let options = compress::describe(compression);
        let mut text = format!("cooper layer\ntar {}\n{options}\nmtime {mtime}\n", tar::VERSION);
        for info in paths {
            // No store path and no hash has a blank or a line feed in it.
            text.push_str(info.path.as_str());
            text.push(' ');
            text.push_str(&info.nar_hash);
            text.push('\n');
        }
        Self(Digest::of(text.as_bytes()))
    }

    /// Names the layer of the image's own files. None where a file is copied from somewhere that
    /// nothing is registered about.
    pub(crate) fn of_files(
        rootfs: &Rootfs,
        infos: &[PathInfo],
        compression: Compression,
        mtime: u64,
    ) -> Option<Self> {
        let known: BTreeMap<_, _> = infos.iter().map(|info| (&info.path, info)).collect();
        let options = compress::describe(compression);
        let mut key = Hasher::new();
        // Each part after its length, so that no two lists of parts look the same.
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
                    // Where its links lead, and what is registered about that.
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

    /// 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.hex()
    }
}

impl fmt::Display for LayerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}
