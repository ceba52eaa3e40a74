//! The one place that prints.

use std::io::{self, Write};

use super::failure::Failure;

/// Data, to standard output. A full or closed output is an error, never silence.
pub(super) fn data(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| Failure::environment(e).during("failed to write to standard output".into()))
}

/// A failure, to standard error.
pub(super) fn error(text: &str) {
    // There is nobody left to tell when standard error is gone.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// A line for people, to standard error.
pub(super) fn note(text: &str) {
    error(&format!("{text}\n"));
}
