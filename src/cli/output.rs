//! The one place that prints.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::failure::Failure;
use super::secrets;
use crate::file::{self, Opened};
use crate::image::json;

/// Data, to standard output. A full disk is an error, never silence; a reader that has gone has
/// read what it wanted, and what the verb finds decides how it ends.
pub(super) fn data(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    told(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Whether a path stands for standard output, or is another name of it.
pub(super) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-" || Opened::at(path) == Some(Opened::Stdout)
}

/// A document, to the file that was named, whole or not at all, or to standard output.
pub(super) fn document(path: &Path, document: &[u8]) -> Result<(), Failure> {
    match is_stdout(path) {
        true => bytes(document),
        false => Ok(file::write_atomically(path, document)?),
    }
}

/// As [`data`], of what somebody else has written there.
pub(super) fn told(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(unwritten),
    }
}

/// Standard output took not all.
pub(super) fn unwritten(error: io::Error) -> Failure {
    Failure::environment(error).during("failed to write to standard output".into())
}

/// Data as programs read it, with a line break after it.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    let bytes = json::to_bytes(value).map_err(Failure::bug)?;
    Ok(format!("{}\n", String::from_utf8_lossy(&bytes)))
}

/// A failure, to standard error.
pub(super) fn error(text: &str) {
    // There is nobody left to tell when standard error is gone.
    let _ = io::stderr().lock().write_all(secrets::hide(text).as_bytes());
}

/// A line for people, to standard error.
pub(super) fn note(text: &str) {
    error(&format!("{text}\n"));
}
