//! Failures of commands: the error with its causes, the hint, and the exit code.

use std::error::Error;
use std::process::ExitCode;

use super::output::Text;
use super::{events, output};
use crate::check::CheckError;
use crate::cli::exit;
use crate::error_chain;

/// What to do about a mistake of cooper's.
const REPORT: &str = concat!(
    "this is a bug in cooper; report it with the spec at ",
    env!("CARGO_PKG_REPOSITORY"),
    "/issues"
);

/// Something went wrong: what, whose fault it is, and what to do.
#[derive(Debug)]
pub(in crate::cli) struct Failure {
    code: u8,
    error: Box<dyn Error>,
    hint: Option<String>,
    /// What else went wrong, and is said first.
    earlier: Vec<Self>,
}

/// An error that cli itself found, with an error below it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Message {
    message: String,
    source: Option<Box<dyn Error>>,
}

impl Failure {
    fn new(code: u8, error: impl Into<Box<dyn Error>>) -> Self {
        Self { code, error: error.into(), hint: None, earlier: Vec::new() }
    }

    /// The input is wrong.
    pub(in crate::cli) fn input(error: impl Into<Box<dyn Error>>) -> Self {
        Self::new(exit::INPUT, error)
    }

    /// The environment failed.
    pub(in crate::cli) fn environment(error: impl Into<Box<dyn Error>>) -> Self {
        Self::new(exit::ENVIRONMENT, error)
    }

    /// cooper is wrong.
    pub(in crate::cli) fn bug(error: impl Into<Box<dyn Error>>) -> Self {
        Self::new(exit::BUG, error).hint(REPORT)
    }

    /// All of several failures, in this order, unless there is none.
    pub(in crate::cli) fn all(mut failures: Vec<Self>) -> Result<(), Self> {
        match failures.pop() {
            Some(last) => Err(Self { earlier: failures, ..last }),
            None => Ok(()),
        }
    }

    /// Says what it was for, above the error.
    pub(in crate::cli) fn during(self, message: String) -> Self {
        let error = Box::new(Message { message, source: Some(self.error) });
        Self { error, ..self }
    }

    /// Says what to do.
    pub(in crate::cli) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Says what else may be done.
    pub(in crate::cli) fn or(self, other: &str) -> Self {
        let hint = self.hint.as_ref().map(|hint| format!("{hint}; {other}"));
        self.hint(hint.unwrap_or_else(|| other.to_owned()))
    }

    /// The first error of this type, from the top.
    pub(in crate::cli) fn cause<E: Error + 'static>(&self) -> Option<&E> {
        error_chain::find(&*self.error)
    }

    /// Whether a file is not there.
    pub(in crate::cli) fn is_not_found(&self) -> bool {
        systems(&*self.error) == Some(std::io::ErrorKind::NotFound)
    }

    /// Whether the environment failed, so that another way may do.
    pub(in crate::cli) fn is_environment(&self) -> bool {
        self.code == exit::ENVIRONMENT
    }

    /// What is below the error, from the outermost.
    fn causes(&self) -> Vec<String> {
        // A transparent error repeats the message of its cause.
        let mut messages: Vec<String> =
            error_chain::iter(&*self.error).map(ToString::to_string).collect();
        messages.dedup();
        messages.split_off(1)
    }

    /// `error:`, a `caused by:` for each cause, `hint:`.
    fn render(&self) -> Text {
        let mut text = Text::default();
        let mut prefix = "error";
        for message in std::iter::once(self.error.to_string()).chain(self.causes()) {
            match self.cause::<CheckError>().filter(|error| error.to_string() == message) {
                // The only error whose own lines are a list.
                Some(error) => {
                    text.line(format_args!("{prefix}: {}", error.summary()));
                    for problem in error.problems() {
                        text.line(format_args!("  {}: {}", problem.check, problem.message));
                    }
                }
                None => text.line(format_args!("{prefix}: {}", message.trim_end())),
            }
            prefix = "  caused by";
        }
        if let Some(hint) = &self.hint {
            text.line(format_args!("hint: {}", hint.trim_end()));
        }
        text
    }

    /// Says all that went wrong. The worst of it decides how the process ends.
    pub(in crate::cli) fn print(&self, json: bool) -> ExitCode {
        let all = || self.earlier.iter().chain([self]);
        all().for_each(|failure| failure.tell(json));
        ExitCode::from(all().map(|failure| failure.code).max().unwrap_or(self.code))
    }

    /// Says what went wrong, to people or to a program.
    pub(in crate::cli) fn tell(&self, json: bool) {
        if json {
            let message = self.error.to_string();
            events::error(&message, &self.causes(), self.hint.as_deref(), self.code);
        } else {
            output::notes(&self.render());
        }
    }
}

/// On one line: what, and the innermost cause.
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&error_chain::with_root(&*self.error))
    }
}

/// What to do about the folder for temporary files.
const TEMPORARY: &str = "`TMPDIR` names the folder for temporary files, by default `/tmp`";

/// Whether it is about the folder for temporary files, which no argument names.
fn is_temporary(error: &crate::fs::FileError) -> bool {
    error.path == std::env::temp_dir()
}

/// The cause of a file's error decides whose fault it is: what is not there was named wrongly,
/// a full disk was not, nor was the folder for temporary files.
impl From<crate::fs::FileError> for Failure {
    fn from(error: crate::fs::FileError) -> Self {
        use std::io::ErrorKind as K;
        if is_temporary(&error) {
            return Self::environment(error).hint(TEMPORARY);
        }
        match error.source.kind() {
            K::NotFound if error.op == crate::fs::FileOp::CreateTempNextTo => {
                Self::input(error).hint("create its directory first")
            }
            K::TimedOut if error.op == crate::fs::FileOp::Lock => {
                let hint = "wait until that process has ended, or allow a longer wait with `--lock-timeout`";
                Self::environment(error).hint(hint)
            }
            // A decoder's own errors have no number of the system's: the bytes are damaged.
            _ if error.op == crate::fs::FileOp::Decompress
                && error.source.raw_os_error().is_none() =>
            {
                Self::input(error)
            }
            // What a process may write at most is no matter of what it was given.
            K::FileTooLarge if error.op == crate::fs::FileOp::Write => Self::environment(error),
            K::NotFound
            | K::InvalidInput
            | K::NotADirectory
            | K::IsADirectory
            | K::FileTooLarge => Self::input(error),
            _ => Self::environment(error),
        }
    }
}

impl From<crate::rootfs::RootfsError> for Failure {
    fn from(error: crate::rootfs::RootfsError) -> Self {
        match error {
            crate::rootfs::RootfsError::File(error) => Self::from(error),
            error @ crate::rootfs::RootfsError::BaseAccounts { .. } => Self::input(error)
                .hint("name the whole file in `files`, with the accounts of the base"),
            error => Self::input(error),
        }
    }
}

impl From<crate::check::CheckError> for Failure {
    fn from(error: crate::check::CheckError) -> Self {
        let names: Vec<String> =
            error.checks().iter().map(|check| format!("\"{check}\"")).collect();
        match error {
            crate::check::CheckError::File(error) => Self::from(error),
            error @ crate::check::CheckError::Patterns(_) => Self::bug(error),
            error if names.is_empty() => Self::input(error),
            error => Self::input(error).hint(format!(
                "fix the image, or set `checks.skip = [ {} ]` to skip the checks",
                names.join(" ")
            )),
        }
    }
}

impl From<crate::layer::LayerError> for Failure {
    fn from(error: crate::layer::LayerError) -> Self {
        use crate::layer::LayerError as L;
        let mut cause = &error;
        while let L::Write { source, .. } = cause {
            cause = source;
        }
        let is_input = match cause {
            L::Special { .. } | L::Whiteout(_) | L::Xattr { .. } | L::HashMismatch { .. } => true,
            L::File(error) => error.source.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        };
        match cause {
            L::File(file) if is_temporary(file) => Self::environment(error).hint(TEMPORARY),
            L::NoStorage { is_full, .. } => {
                let room = match is_full {
                    true => ", where `cooper cache gc` with a smaller `--cache-size` makes room",
                    false => "",
                };
                let hint = format!("{TEMPORARY}, and `--cache DIR` that for layers{room}");
                Self::environment(error).hint(hint)
            }
            _ if is_input => Self::input(error),
            L::Compress(..) => Self::bug(error),
            _ => Self::environment(error),
        }
    }
}

impl From<crate::cache::CacheError> for Failure {
    fn from(error: crate::cache::CacheError) -> Self {
        Self::environment(error)
            .hint("`--cache DIR` keeps layers elsewhere, `--cache none` nowhere")
    }
}

impl From<crate::transport::TransportError> for Failure {
    fn from(error: crate::transport::TransportError) -> Self {
        use crate::transport::TransportError as T;
        match error {
            T::File(error) => Self::from(error),
            T::Source(error) => Self::from(error),
            T::NotALayout { .. } | T::Full { .. } | T::Setting { .. } => Self::input(error),
            T::Json(..) => Self::bug(error),
            T::NoDaemon { .. } => {
                let hint = no_daemon_hint(&error);
                Self::environment(error).hint(hint)
            }
            error => Self::environment(error),
        }
    }
}

impl From<crate::transport::SourceError> for Failure {
    fn from(error: crate::transport::SourceError) -> Self {
        use crate::transport::SourceError as S;
        match error {
            S::File(error) => Self::from(error),
            S::Read { .. } => Self::environment(error),
            S::Registry(error) => Self::from(*error),
            error => Self::input(error),
        }
    }
}

/// What the system says below an error.
fn systems(error: &(dyn Error + 'static)) -> Option<std::io::ErrorKind> {
    let kinds = error_chain::iter(error).filter_map(|error| error.downcast_ref::<std::io::Error>());
    kinds.last().map(std::io::Error::kind)
}

/// What to do when nobody answers: it depends on what the system says.
fn no_daemon_hint(error: &crate::transport::TransportError) -> &'static str {
    use std::io::ErrorKind as K;
    match systems(error) {
        Some(K::NotFound) => {
            "start it, or name another place (`DOCKER_HOST`, `docker context use`, `--client`)"
        }
        Some(K::PermissionDenied) => {
            "this user may not use it: join its group (`docker`) and log in again, use a \
             rootless daemon, or run this as root"
        }
        Some(K::ConnectionRefused) => {
            "nobody listens there: start the daemon, or restart it; or name another place \
             (`DOCKER_HOST`, `docker context use`)"
        }
        _ => "see that the daemon runs and can be reached",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_its_causes_and_its_hint_once_each() {
        let cause = std::io::Error::other("permission denied");
        let failure =
            Failure::environment(cause).during("failed to read `/x`".into()).hint("ask its owner");
        assert_eq!(
            failure.render().as_str(),
            "error: failed to read `/x`\n  caused by: permission denied\nhint: ask its owner\n"
        );
    }
}
