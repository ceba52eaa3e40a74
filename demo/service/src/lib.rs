//! What a program does because it runs in a container, whatever it serves.
//!
//! | module | comes in | goes out |
//! |---|---|---|
//! | [`log`] | a message | a line in logfmt on standard error; only it prints |
//! | [`serve`] | an open port and its pages | the end: a signal came, and what was being answered is answered |
//! | [`port`], [`in_full`], [`ended`] | the small change of a `main` | |

pub mod log;
pub mod serve;

use std::error::Error;
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
