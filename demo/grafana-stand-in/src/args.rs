//! The command line of `grafana server`, as far as images use it.

use std::ffi::OsString;
use std::path::PathBuf;

use demo_service::UnknownArgument;

const USAGE: &str =
    "the command is `server [--homepath DIR] [--packaging NAME] [cfg:SECTION.KEY=VALUE]…`";

/// Reasons to refuse a command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("the command is missing; {USAGE}")]
    NoCommand,
    #[error(transparent)]
    Unknown(#[from] UnknownArgument),
    #[error("`{0}` needs a value; {USAGE}")]
    NoValue(String),
}

/// The arguments of the command `server`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    /// The directory with `conf` and `public`; the default is the working directory.
    pub(crate) homepath: Option<PathBuf>,
}

impl Args {
    /// Reads the arguments after the program's name.
    ///
    /// Grafana's options have one dash or two. `--packaging` goes into usage statistics, which
    /// this program does not collect. `cfg:` settings have no effect: only environment variables
    /// are supported.
    pub(crate) fn parse(
        mut arguments: impl Iterator<Item = OsString>,
    ) -> Result<Self, ArgumentError> {
        let unknown = |argument: OsString| Err(UnknownArgument::new(&argument, USAGE).into());
        match arguments.next() {
            None => return Err(ArgumentError::NoCommand),
            Some(command) if command == "server" => {}
            Some(command) => return unknown(command),
        }
        let mut args = Self::default();
        while let Some(argument) = arguments.next() {
            let text = argument.to_string_lossy().into_owned();
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(OsString::from(value))),
                None => (text.as_str(), None),
            };
            let mut value = || {
                let next = value.clone().or_else(|| arguments.next());
                next.ok_or_else(|| ArgumentError::NoValue(name.to_owned()))
            };
            match name {
                "--homepath" | "-homepath" => args.homepath = Some(value()?.into()),
                "--packaging" | "-packaging" => drop(value()?),
                setting if setting.starts_with("cfg:") && text.contains('=') => {}
                _ => return unknown(argument),
            }
        }
        Ok(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Args, ArgumentError> {
        Args::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn homepath_in_each_spelling_is_read() {
        let homepath = Some(PathBuf::from("/share/grafana"));
        for arguments in [
            &["server", "--homepath", "/share/grafana"][..],
            &["server", "-homepath=/share/grafana", "cfg:default.log.mode=console"],
            &["server", "--packaging", "docker", "--homepath=/share/grafana"],
        ] {
            assert_eq!(parse(arguments).unwrap().homepath, homepath, "{arguments:?}");
        }
        assert_eq!(parse(&["server"]).unwrap().homepath, None);
    }

    #[test]
    fn unknown_or_incomplete_argument_is_named() {
        for (arguments, named) in [
            (&[][..], "the command is missing"),
            (&["sh"], "`sh`"),
            (&["server", "sh"], "`sh`"),
            (&["server", "--homepth=x"], "`--homepth=x`"),
            (&["server", "cfg:nothing"], "`cfg:nothing`"),
            (&["server", "--homepath"], "`--homepath` needs a value"),
        ] {
            let message = parse(arguments).unwrap_err().to_string();
            assert!(message.contains(named), "{arguments:?}: {message}");
        }
    }
}
