//! Log lines, in logfmt, on standard error.

use std::io::Write;

/// Something worth knowing.
pub fn info(message: &str) {
    line("info", message);
}

/// Something that works worse than it should.
pub fn warn(message: &str) {
    line("warn", message);
}

/// The reason for giving up.
pub fn error(message: &str) {
    line("error", message);
}

fn line(level: &str, message: &str) {
    // Losing a line is better than dying for it.
    let _ = writeln!(std::io::stderr().lock(), "level={level} msg={message:?}");
}
