//! From a path to a source.

use std::path::Path;

use super::{Archive, Layout, Source, SourceError};
use crate::fs::{Context, FileOp};

/// Opens a folder as a layout and a file as an archive.
pub fn open_path(path: &Path) -> Result<Box<dyn Source>, SourceError> {
    let meta = std::fs::metadata(path).context(FileOp::Read, path)?;
    Ok(match meta.is_dir() {
        true => Box::new(Layout::open(path)?),
        false => Box::new(Archive::open(path)?),
    })
}
