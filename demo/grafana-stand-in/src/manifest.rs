//! `MANIFEST.txt`: the hashes of a plugin's files, signed as clear text.
//!
//! The files are compared with the manifest. The signature itself is not checked: that would need
//! Grafana's key and `OpenPGP`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::types::{ManifestError, Signature};

const FILE: &str = "MANIFEST.txt";
/// Grafana treats a shorter file as a missing manifest.
const MIN_BYTES: usize = 10;
const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const END: &str = "-----BEGIN PGP SIGNATURE-----";

#[derive(Deserialize)]
struct Manifest {
    plugin: String,
    version: String,
    files: BTreeMap<String, String>,
}

/// Compares the `files` of the plugin in `dir` with its manifest, if it has one.
pub(crate) fn check(
    dir: &Path,
    id: &str,
    version: &str,
    files: &[PathBuf],
) -> Result<Signature, ManifestError> {
    let bytes = match fs::read(dir.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Signature::Unsigned),
        other => other.map_err(ManifestError::Unreadable)?,
    };
    if bytes.len() < MIN_BYTES {
        return Ok(Signature::Unsigned);
    }
    let manifest: Manifest =
        serde_json::from_str(&signed_text(&bytes)?).map_err(ManifestError::NotJson)?;
    if manifest.plugin != id || manifest.version != version {
        return Err(ManifestError::OtherPlugin(manifest.plugin, manifest.version));
    }
    for (name, hash) in &manifest.files {
        let bytes = fs::read(dir.join(name))
            .map_err(|error| ManifestError::Missing(name.clone(), error))?;
        if hex(&Sha256::digest(&bytes)) != *hash {
            return Err(ManifestError::Modified(name.clone()));
        }
    }
    let listed = |file: &&PathBuf| {
        file.as_path() == Path::new(FILE)
            || file.to_str().is_some_and(|name| manifest.files.contains_key(name))
    };
    match files.iter().find(|file| !listed(file)) {
        Some(extra) => Err(ManifestError::Extra(extra.clone())),
        None => Ok(Signature::Unchecked),
    }
}

/// Returns the text between the two armour lines, after the armour headers.
fn signed_text(bytes: &[u8]) -> Result<String, ManifestError> {
    let whole = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let after = whole.split_once(BEGIN).ok_or(ManifestError::NotSigned)?.1;
    let message = after.split_once("\n\n").ok_or(ManifestError::NotSigned)?.1;
    let text = message.split_once(END).ok_or(ManifestError::NotSigned)?.0;
    // OpenPGP escapes lines that begin with a dash (RFC 9580, section 7.2).
    Ok(text
        .lines()
        .map(|line| line.strip_prefix("- ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n"))
}

/// Formats bytes as lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut digits = String::new();
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            digits.extend(char::from_digit(u32::from(half), 16));
        }
    }
    digits
}
