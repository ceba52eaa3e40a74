//! Tests that need other programs: skopeo, umoci, tar, Nix, faketime.

mod base_image;
mod reproducibility;
pub(crate) mod tar_edge_cases;
mod tar_readers;
mod verify_store;
