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
//! # The house
//!
//! A room imports only rooms above it, and what its row says; a test reads the imports.
//!
//! | room | comes in | goes out | may import |
//! |---|---|---|---|
//! | [`digest`] | bytes that pass | [`digest::Digest`], [`digest::DiffId`], sizes | – |
//! | [`store_path`] | text | [`store_path::StorePath`], [`store_path::PathInfo`] | – |
//! | [`report`] | what is being done | nothing; `cli` shows it | – |
//! | [`file`] | paths | bytes, or an error that names the path; whole files or none | – |
//! | [`spec`] | `spec.json` | a checked [`spec::Spec`] | `store_path` |
//! | [`closure`] | a references graph | [`closure::Closure`]: ordered, without gaps | `store_path` |
//! | [`plan`] | closures, limits, hints | which path goes into which layer, in which order | `spec`, `closure`, `store_path` |
//! | [`rootfs`] | a spec | the image's own files, with owners and modes, as data | `spec`, `store_path`, `file` |
//! | [`check`] | a spec and its rootfs | warnings, or all that would keep the image from working | `spec`, `rootfs`, `store_path`, `file` |
//! | [`layer`] | store paths or a rootfs | blobs with their digests, made in parallel | `plan`, `rootfs`, `spec`, `digest`, `store_path`, `file`, `report` |
//! | [`cache`] | layers | the same layers, later | `layer`, `digest`, `file`, and what they import |
//! | [`image`] | layers and a spec | config, manifest and index: bytes made once | `spec`, `layer`, `digest` |
//! | [`transport`] | finished images | layouts, archives, images in daemons and registries; and images read back from there | `image`, `layer`, `digest`, `cache`, `spec`, `file`, `report` |
//! | [`validate`] | anything that holds images | every mismatch of digest, size, diff id, path or link | `transport`, and what it imports |
//! | [`base`] | a base image, pinned by a lock or lying in a file | its layers, its config, and what its file system has that matters above it | `validate`, `transport`, `rootfs`, and what they import |
//! | [`cli`] | words | all of the above, and exit codes | all |
//!
//! # What is told on the way
//!
//! Rooms tell a [`report::Reporter`] what they begin and how far they are; only `cli` shows it, on
//! standard error. On a terminal that is a bar for whatever takes more than a second, and below it
//! one for the image that it is part of and one for all images; elsewhere a line at its end, nothing
//! with `--quiet`; `NO_COLOR` and `TERM=dumb` are obeyed. With `--json` it is one object a line, with
//! the field `event`: `start` (`task`, `what`, `bytes` if known), `progress` (`task`, `bytesDone`,
//! once a second), `done` (`task`, `bytesDone`, `milliseconds`), `warning` (`message`) and `error`
//! (`message`, `causes`, `hint` if there is one, `exitCode`).
//!
//! # What is deliberately absent
//!
//! - No unpacking and no running of images: a base image's layers pass through as bytes.
//! - No scheduler and no server: Nix distributes the building, registries the bytes.
//! - No fakeroot and no virtual machine: ownership is data in a spec.
//! - No clock, environment or randomness on the way to a digest. One image, one digest.
//!
//! [`file`]: mod@file

pub mod base;
pub mod cache;
pub mod check;
pub mod cli;
pub mod closure;
pub mod digest;
pub mod file;
pub mod image;
pub mod layer;
pub mod plan;
pub mod report;
pub mod rootfs;
pub mod spec;
pub mod store_path;
pub mod transport;
pub mod validate;
