//! Compares the NAR hashes of store paths with the registered ones, without Nix.
//!
//! A NAR is Nix's archive format. It holds names, contents, link targets and the executable bit.

use std::fs::{File, FileType};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::LayerError;
use super::tar::walk::{children, describe, read_some};
use crate::digest::Hasher;
use crate::fs;
use crate::fs::{Context, FileOp};
use crate::progress::{Reporter, Task};
use crate::store_path::{self, PathInfo};

const BUFFER: usize = 256 << 10;

/// Hashes store paths on `jobs` threads (0: one for each core). A hash that differs from the
/// registered one is an error.
pub fn verify(infos: &[PathInfo], jobs: usize, reporter: &dyn Reporter) -> Result<(), LayerError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build()?;
    // The sizes come from outside, and their sum may overflow.
    let total = infos.iter().map(|info| info.nar_size).fold(0, u64::saturating_add);
    let task = std::sync::Mutex::new(reporter.start("verifying store paths", Some(total)));
    pool.install(|| {
        infos.into_par_iter().try_for_each(|info| {
            let actual = hash_of(Path::new(info.path.as_str()))?;
            if let Ok(task) = task.lock() {
                Task::advance(&**task, info.nar_size);
            }
            match actual == info.nar_hash {
                true => Ok(()),
                false => Err(LayerError::HashMismatch {
                    path: info.path.to_string(),
                    registered: info.nar_hash.clone(),
                    actual,
                }),
            }
        })
    })
}

fn hash_of(path: &Path) -> Result<String, LayerError> {
    let mut nar = Nar { hasher: Hasher::new(), buffer: vec![0; BUFFER] };
    nar.text(b"nix-archive-1");
    let kind = std::fs::symlink_metadata(path).context(FileOp::Read, path)?.file_type();
    nar.node(path, kind)?;
    Ok(store_path::nar_hash(&nar.hasher.finish().sha256))
}

struct Nar {
    hasher: Hasher,
    buffer: Vec<u8>,
}

impl Nar {
    /// Adds a string: its length, the bytes, and zeros up to a multiple of eight.
    fn text(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
        self.pad(bytes.len() as u64);
    }

    fn texts(&mut self, all: &[&[u8]]) {
        all.iter().for_each(|bytes| self.text(bytes));
    }

    fn pad(&mut self, size: u64) {
        let zeros = usize::try_from(size.wrapping_neg() % 8).unwrap_or_default();
        self.hasher.update([0; 8].get(..zeros).unwrap_or_default());
    }

    fn node(&mut self, path: &Path, kind: FileType) -> Result<(), LayerError> {
        self.texts(&[b"(", b"type"]);
        if kind.is_dir() {
            self.directory(path)?;
        } else if kind.is_symlink() {
            let target = std::fs::read_link(path).context(FileOp::ReadLink, path)?;
            self.texts(&[b"symlink", b"target", target.as_os_str().as_bytes()]);
        } else if kind.is_file() {
            self.file(path)?;
        } else {
            return Err(LayerError::Special { path: path.into(), what: describe(kind) });
        }
        self.text(b")");
        Ok(())
    }

    fn directory(&mut self, path: &Path) -> Result<(), LayerError> {
        self.text(b"directory");
        for (name, kind) in children(path)?.into_iter().rev() {
            self.texts(&[b"entry", b"(", b"name", name.as_bytes(), b"node"]);
            self.node(&path.join(&name), kind)?;
            self.text(b")");
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), LayerError> {
        let mut file = fs::open(path)?;
        let meta = file.metadata().context(FileOp::Read, path)?;
        self.text(b"regular");
        if meta.permissions().mode() & 0o100 != 0 {
            self.texts(&[b"executable", b""]);
        }
        self.text(b"contents");
        self.hasher.update(&meta.len().to_le_bytes());
        let read = self.contents(&mut file).context(FileOp::Read, path)?;
        if read != meta.len() {
            return Err(LayerError::Changed { path: path.into(), size: meta.len(), now: read });
        }
        self.pad(read);
        Ok(())
    }

    fn contents(&mut self, file: &mut File) -> std::io::Result<u64> {
        let mut size = 0;
        loop {
            let count = read_some(file, &mut self.buffer)?;
            if count == 0 {
                return Ok(size);
            }
            self.hasher.update(self.buffer.get(..count).unwrap_or_default());
            size += count as u64;
        }
    }
}
