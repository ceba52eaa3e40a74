//! An image whose blobs lie in separate files, as a lock names them: the form in which Nix
//! fetches a base image, each blob by its digest.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use super::{Source, SourceError};
use crate::digest::Digest;
use crate::fs;
use crate::image::Descriptor;

/// One image or index and the files of its blobs.
#[derive(Debug, Clone)]
pub struct LockedSource {
    name: String,
    root: Descriptor,
    blobs: BTreeMap<Digest, PathBuf>,
}

impl LockedSource {
    /// `name` is what messages call it.
    pub fn new(name: String, root: Descriptor, blobs: BTreeMap<Digest, PathBuf>) -> Self {
        Self { name, root, blobs }
    }
}

impl Source for LockedSource {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn roots(&self) -> Result<Vec<Descriptor>, SourceError> {
        Ok(vec![self.root.clone()])
    }

    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError> {
        match self.blobs.get(&descriptor.digest) {
            Some(path) => Ok(Box::new(fs::open(path)?)),
            None => Err(SourceError::Missing {
                place: self.name(),
                digest: descriptor.digest,
                wanted_by: "the lock names".into(),
            }),
        }
    }
}
