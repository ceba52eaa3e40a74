//! Tests of the release build, which images contain.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // the helpers are tests, too

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mebibyte.
const LIMIT: u64 = 1 << 20;
/// "This program wants a loader": the kind of program header that a static program lacks.
const PT_INTERP: u32 = 3;

fn release_build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("release-build");
    // The harness inherits neither the flags' source nor a working directory on purpose: cargo
    // finds both next to the manifest, as it does for the images.
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--bins", "--offline", "--locked", "--quiet"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("CARGO_BUILD_TARGET")
        .status()
        .unwrap();
    assert!(status.success());
    target.join("release")
}

fn program_header_kinds(elf: &[u8]) -> Vec<u32> {
    assert_eq!(&elf[..6], b"\x7fELF\x02\x01", "a 64-bit little-endian program");
    let half = |at: usize| usize::from(u16::from_le_bytes([elf[at], elf[at + 1]]));
    let offset = usize::try_from(u64::from_le_bytes(elf[32..40].try_into().unwrap())).unwrap();
    let (size, count) = (half(54), half(56));
    (0..count)
        .map(|index| offset + index * size)
        .map(|at| u32::from_le_bytes(elf[at..at + 4].try_into().unwrap()))
        .collect()
}

#[test]
fn programs_are_static_and_at_most_a_mebibyte() {
    let built = release_build();
    for name in ["healthprobe", "cp"] {
        let elf = fs::read(built.join(name)).unwrap();
        let kinds = program_header_kinds(&elf);
        assert!(!kinds.is_empty() && !kinds.contains(&PT_INTERP), "{name} needs a loader");
        assert!(elf.len() as u64 <= LIMIT, "{name} has {} bytes", elf.len());
    }
}
