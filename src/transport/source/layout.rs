//! Reading an OCI image layout: a folder of blobs with an index (image-spec, image-layout.md).

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::documents::{IndexEntry, parse_index};
use super::{MANIFEST_LIMIT, Source, SourceError, warnings};
use crate::fs;
use crate::fs::{Context, FileOp};
use crate::image::Descriptor;

/// A layout that was there when it was opened.
#[derive(Debug, Clone)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// Checks that the folder is a layout of the one known version.
    pub fn open(dir: &Path) -> Result<Self, SourceError> {
        let bytes = fs::read(&dir.join("oci-layout"), MANIFEST_LIMIT)?;
        check_version(&bytes).map_err(|why| no_image(dir, why))?;
        Ok(Self { dir: dir.into() })
    }

    fn entries(&self) -> Result<Vec<IndexEntry>, SourceError> {
        let bytes = fs::read(&self.dir.join("index.json"), MANIFEST_LIMIT)?;
        parse_index(&bytes)
            .map_err(|why| no_image(&self.dir, format!("its index.json is unusable: {why}")))
    }
}

fn no_image(path: &Path, why: String) -> SourceError {
    SourceError::NoImage { path: path.into(), why }
}

/// Checks what `oci-layout` holds.
pub(super) fn check_version(bytes: &[u8]) -> Result<(), String> {
    let value: serde_json::Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("its file `oci-layout` is no json: {error}"))?;
    match value.get("imageLayoutVersion").and_then(|version| version.as_str()) {
        Some("1.0.0") => Ok(()),
        Some(other) => Err(format!("its version is `{other}`, and cooper reads 1.0.0")),
        None => Err("its file `oci-layout` has no `imageLayoutVersion`".into()),
    }
}

impl Source for Layout {
    fn name(&self) -> String {
        self.dir.display().to_string()
    }

    fn roots(&self) -> Result<Vec<Descriptor>, SourceError> {
        Ok(self.entries()?.iter().filter_map(IndexEntry::read).cloned().collect())
    }

    fn warnings(&self) -> Vec<String> {
        self.entries().map(|entries| warnings(&entries, &self.name())).unwrap_or_default()
    }

    fn index_json(&self) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(Some(fs::read(&self.dir.join("index.json"), MANIFEST_LIMIT)?))
    }

    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError> {
        let path = self.dir.join("blobs/sha256").join(descriptor.digest.hex());
        // A link could lead out of the layout, to a file that was never meant to be read.
        match std::fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_symlink() => {
                let why = format!("its blob {} is a symbolic link", descriptor.digest);
                Err(no_image(&self.dir, why))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SourceError::Missing {
                place: self.name(),
                digest: descriptor.digest,
                wanted_by: "its index or a manifest names".into(),
            }),
            found => {
                found.context(FileOp::Read, &path)?;
                Ok(Box::new(fs::open(&path)?))
            }
        }
    }
}
