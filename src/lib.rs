//! cooper assembles OCI images from Nix store paths and config files: no daemon, no root, no
//! Dockerfile.
//!
//! ```text
//! flake.nix ─ nix/lib ─▶ spec.json ─▶ spec ─┐
//! exportReferencesGraph ─▶ closure ─────────┼─▶ plan ─▶ layer ─▶ image ─▶ transport
//! base image ───────────────────────────────┘   (pure)  (bytes)  (config,   layout · archive ·
//!                                                                manifest)  daemon · registry
//! ```
//!
//! # Modules
//!
//! A module imports only modules above it, and only those in its row. `tests/it/tidy` checks the
//! imports.
//!
//! | module | provides | may import |
//! |---|---|---|
//! | [`error_chain`] | an error with its causes: search by type, print on one line | – |
//! | [`digest`] | [`digest::Digest`], [`digest::DiffId`], hashers for bytes that pass | – |
//! | [`store_path`] | [`store_path::StorePath`], [`store_path::PathInfo`], NAR hashes | – |
//! | [`progress`] | [`progress::Reporter`], [`progress::Task`] | – |
//! | [`json`] | canonical JSON, the only serializer | – |
//! | [`fs`] | file calls whose errors name the path, atomic writes, locks, temporary files | – |
//! | [`spec`] | a checked [`spec::Spec`] from `spec.json` | `store_path` |
//! | [`closure`] | the references graph: [`closure::Closure`], ordered, without gaps | `store_path` |
//! | [`plan`] | which path goes into which layer, in which order | `spec`, `closure`, `store_path` |
//! | [`rootfs`] | the image's own files, with owners and modes, as data | `spec`, `store_path`, `fs` |
//! | [`check`] | the checks before a build | `spec`, `rootfs`, `store_path`, `fs` |
//! | [`layer`] | layers as blobs with their digests, built in parallel | `plan`, `rootfs`, `spec`, `digest`, `store_path`, `fs`, `progress` |
//! | [`cache`] | layers of earlier builds, on disk | `layer`, `spec`, `digest`, `store_path`, `fs`, `progress`, `json` |
//! | [`image`] | config, manifest and index as bytes | `spec`, `layer`, `digest`, `json` |
//! | [`transport`] | names, sources, layouts, archives, daemons, registries | `image`, `layer`, `digest`, `cache`, `spec`, `fs`, `progress`, `json`, `error_chain` |
//! | [`validate`] | every mismatch of digest, size, diff id, path or link in any image | `transport` and its imports |
//! | [`base`] | base images, read by a lock or from a file: layers, config, file system | `validate`, `transport`, `rootfs` and their imports |
//! | [`cli`] | commands, arguments, output, exit codes | all |
//!
//! # Progress and events
//!
//! Modules report to a [`progress::Reporter`]: tasks, their sizes, warnings. Only `cli` prints, on
//! standard error. A terminal shows a bar for each task that takes more than a second, and bars for
//! the image and for all images. A pipe gets one line at the end of a task; `--quiet` prints
//! nothing. `NO_COLOR` and `TERM=dumb` are respected. `--json` prints one object a line, with the
//! field `event`: `start` (`task`, `what`, `bytes` if known), `progress` (`task`, `bytesDone`, once
//! a second), `done` (`task`, `bytesDone`, `milliseconds`), `warning` (`message`) and `error`
//! (`message`, `causes`, `hint` if there is one, `exitCode`).
//!
//! # Deliberately absent
//!
//! - Unpacking and running images: layers of a base image pass through as bytes.
//! - A scheduler or a server: Nix distributes builds, registries store the bytes.
//! - fakeroot and virtual machines: ownership is data in a spec.
//! - Clock, environment and randomness as input of a digest: one image has one digest.
//!
//! [`fs`]: mod@fs

pub mod base;
pub mod cache;
pub mod check;
pub mod cli;
pub mod closure;
pub mod digest;
pub mod error_chain;
pub mod fs;
pub mod image;
pub mod json;
pub mod layer;
pub mod plan;
pub mod progress;
pub mod rootfs;
pub mod spec;
pub mod store_path;
pub mod transport;
pub mod validate;
