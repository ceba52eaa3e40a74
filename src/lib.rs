//! cooper assembles OCI images from Nix store paths.

pub mod cache;
pub mod closure;
pub mod digest;
pub mod file;
pub mod layer;
pub mod plan;
pub mod report;
pub mod rootfs;
pub mod spec;
pub mod store_path;
