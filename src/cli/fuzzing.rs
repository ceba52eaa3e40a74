//! Doors for the fuzz targets to what builds write for cooper.

use std::path::Path;

use super::commands::spec;
use super::owners::Owners;
use super::tree;
use crate::spec::Spec;

/// A list of owners, as `find` prints it: whether the file is one.
pub fn owners(file: &Path) -> bool {
    Owners::read(file).is_ok()
}

/// A document of `cooper spec from-tree`: whether a spec could take in what the file says.
pub fn tree(spec: &mut Spec, file: &Path) -> bool {
    tree::merge(spec, file).is_ok()
}

/// A derivation's structured attributes: the spec.json that they make, if they make one.
pub fn attrs(bytes: &[u8]) -> Option<Vec<u8>> {
    spec::fuzzed(bytes)
}
