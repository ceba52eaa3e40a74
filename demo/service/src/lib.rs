//! Behaviour that both demo programs need as containers.
//!
//! | item | provides |
//! |---|---|
//! | [`log`] | lines in logfmt on standard error |
//! | [`serve`] | an HTTP server that finishes its open requests when a signal stops it |
//! | [`port`], [`no_arguments`], [`in_full`], [`ended`] | arguments, variables and the exit code of `main` |

pub mod log;
pub mod serve;

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// An invalid environment variable.
#[derive(Debug, thiserror::Error)]
#[error("{name}=`{value}` {why}")]
pub struct BadVariable {
    /// The variable.
    pub name: &'static str,
    /// The value.
    pub value: String,
    /// The reason, and the value to write instead.
    pub why: &'static str,
}

/// Parses a port. `None` gives `default`, and 0 lets the system choose.
///
/// # Errors
///
/// If `value` is not a port.
pub fn port(name: &'static str, value: Option<String>, default: u16) -> Result<u16, BadVariable> {
    let why = "is not a port; write a number from 0 to 65535";
    match value {
        None => Ok(default),
        Some(value) => value.trim().parse().map_err(|_| BadVariable { name, value, why }),
    }
}

/// An argument that a program does not take.
#[derive(Debug, thiserror::Error)]
#[error("unknown argument `{argument}`; {usage}")]
pub struct UnknownArgument {
    argument: String,
    usage: &'static str,
}

impl UnknownArgument {
    /// Creates the error for `argument`; `usage` describes the accepted arguments.
    #[must_use]
    pub fn new(argument: &OsStr, usage: &'static str) -> Self {
        Self { argument: argument.to_string_lossy().into_owned(), usage }
    }
}

/// Checks that there are no arguments after the program's name.
///
/// # Errors
///
/// If there is one.
pub fn no_arguments(mut arguments: impl Iterator<Item = OsString>) -> Result<(), UnknownArgument> {
    let usage = "this program has no arguments; its settings are environment variables";
    arguments.next().map_or(Ok(()), |argument| Err(UnknownArgument::new(&argument, usage)))
}

/// Formats an error with all its causes in one line.
#[must_use]
pub fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    message
}

/// Logs `outcome` and returns the exit code for it.
pub fn ended<E: Error + 'static>(outcome: Result<(), E>) -> ExitCode {
    match outcome {
        Ok(()) => {
            log::info("stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            log::error(&in_full(&error));
            ExitCode::FAILURE
        }
    }
}
