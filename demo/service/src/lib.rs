//! What a program does because it runs in a container, whatever it serves.
//!
//! | module | comes in | goes out |
//! |---|---|---|
//! | [`log`] | a message | a line in logfmt on standard error; only it prints |
//! | [`serve`] | an open port and its pages | the end: a signal came, and what was being answered is answered |
//! | [`port`], [`no_arguments`], [`in_full`], [`ended`] | the small change of a `main` | |

pub mod log;
pub mod serve;

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// A variable that cannot be meant as it stands.
#[derive(Debug, thiserror::Error)]
#[error("{name}=`{value}` {why}")]
pub struct BadVariable {
    /// The variable.
    pub name: &'static str,
    /// What it is set to.
    pub value: String,
    /// What is wrong with that, and what to write.
    pub why: &'static str,
}

/// The port that `value` names, `default` when there is no value; 0 lets the system choose.
///
/// # Errors
///
/// When it is no port.
pub fn port(name: &'static str, value: Option<String>, default: u16) -> Result<u16, BadVariable> {
    let why = "is no port; write a number from 0 to 65535";
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
    /// The error for `argument`; `usage` says what the program takes.
    #[must_use]
    pub fn new(argument: &OsStr, usage: &'static str) -> Self {
        Self { argument: argument.to_string_lossy().into_owned(), usage }
    }
}

/// Checks that a program that takes no arguments got none: `arguments` are those after its name.
///
/// # Errors
///
/// When there is one.
pub fn no_arguments(mut arguments: impl Iterator<Item = OsString>) -> Result<(), UnknownArgument> {
    let usage = "this program takes no arguments: its settings are environment variables";
    arguments.next().map_or(Ok(()), |argument| Err(UnknownArgument::new(&argument, usage)))
}

/// An error with all its causes, in one line.
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

/// The exit code of a program that ended with `outcome`, after logging how.
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
