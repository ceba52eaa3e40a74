//! Log lines, in logfmt, on standard error.

use std::io::Write;

/// Logs an event.
pub fn info(message: &str) {
    line("info", message);
}

/// Logs a problem that does not end the program.
pub fn warn(message: &str) {
    line("warn", message);
}

/// Logs the reason why the program ends.
pub fn error(message: &str) {
    line("error", message);
}

fn line(level: &str, message: &str) {
    // A failed write of a log line must not end the program.
    let _ = writeln!(std::io::stderr().lock(), "level={level} msg={message:?}");
}
