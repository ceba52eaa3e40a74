//! cooper assembles OCI images from Nix store paths.

pub mod closure;
pub mod digest;
pub mod file;
pub mod report;
pub mod spec;
pub mod store_path;
