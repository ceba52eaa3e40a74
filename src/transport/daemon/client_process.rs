//! Daemons that are spoken to through their own client, which knows where they are, as whom,
//! and in which version: `podman`, `ctr`.

use std::io::{self, BufWriter, Read, Write};
use std::process::{Child, Command, Output, Stdio};

use super::WriteArchive;
use crate::transport::TransportError;

/// A client with the arguments that come before every verb.
#[derive(Debug, Clone)]
pub(in crate::transport) struct ClientProcess {
    daemon: &'static str,
    program: String,
    arguments: Vec<String>,
}

impl ClientProcess {
    /// `command` is a program and its first arguments; it is not empty.
    pub(in crate::transport) fn new(
        daemon: &'static str,
        command: &[String],
        arguments: &[&str],
    ) -> Self {
        let (program, first) = match command.split_first() {
            Some((program, first)) => (program.clone(), first),
            None => (daemon.to_owned(), command),
        };
        let arguments = first.iter().cloned().chain(arguments.iter().map(ToString::to_string));
        Self { daemon, program, arguments: arguments.collect() }
    }

    /// Runs a verb and gives back what it printed.
    pub(in crate::transport) fn run(
        &self,
        doing: &str,
        arguments: &[&str],
    ) -> Result<String, TransportError> {
        let output = self.output(arguments)?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(self.failed(doing, words(&output.stderr, output.status))),
        }
    }

    /// Runs a verb that answers by its exit code.
    pub(in crate::transport) fn output(
        &self,
        arguments: &[&str],
    ) -> Result<Output, TransportError> {
        let command = self.command(arguments).stdin(Stdio::null()).output();
        command.map_err(|e| self.absent(e.into()))
    }

    /// Runs a verb that reads an archive from its standard input, and gives back what it
    /// printed.
    pub(in crate::transport) fn feed(
        &self,
        doing: &str,
        arguments: &[&str],
        write: &WriteArchive<'_>,
    ) -> Result<String, TransportError> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| self.absent(e.into()))?;
        let written = converse(&mut child, write);
        let status = child.wait().map_err(|e| self.failed(doing, e.into()))?;
        let (written, stdout, stderr) = written;
        match written {
            Err(error) if !error.is_sinks() => Err(error),
            _ if !status.success() => Err(self.failed(doing, words(&stderr, status))),
            Err(error) => Err(error),
            Ok(()) => Ok(String::from_utf8_lossy(&stdout).into_owned()),
        }
    }

    /// Runs a verb and copies what it prints.
    pub(in crate::transport) fn copy(
        &self,
        doing: &str,
        arguments: &[&str],
        to: &mut dyn Write,
    ) -> Result<(), TransportError> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| self.absent(e.into()))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (copied, stderr) = std::thread::scope(|scope| {
            let stderr = scope.spawn(move || all(stderr));
            // The pipe is closed in the end, so that a client which goes on stops.
            let copied = stdout.map_or(Ok(0), |mut from| io::copy(&mut from, to));
            (copied, stderr.join().unwrap_or_default())
        });
        let status = child.wait().map_err(|e| self.failed(doing, e.into()))?;
        match copied {
            Ok(_) if status.success() => Ok(()),
            Ok(_) => Err(self.failed(doing, words(&stderr, status))),
            Err(error) => Err(self.failed(doing, error.into())),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(arguments);
        command
    }

    /// Nothing answers.
    pub(in crate::transport) fn absent(
        &self,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> TransportError {
        let words = std::iter::once(&self.program).chain(&self.arguments);
        let endpoint = words.map(String::as_str).collect::<Vec<_>>().join(" ");
        TransportError::NoDaemon { daemon: self.daemon, endpoint, source }
    }

    fn failed(
        &self,
        doing: &str,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> TransportError {
        TransportError::Daemon { daemon: self.daemon, doing: doing.to_owned(), source }
    }
}

/// Writes while reading what it says, so that neither waits for the other.
fn converse(
    child: &mut Child,
    write: &WriteArchive<'_>,
) -> (Result<(), TransportError>, Vec<u8>, Vec<u8>) {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let stdout = scope.spawn(move || all(stdout));
        let stderr = scope.spawn(move || all(stderr));
        let written = stdin.map_or(Ok(()), |stdin| {
            let mut to = BufWriter::with_capacity(1 << 20, stdin);
            let written = write(&mut to).and_then(|()| to.flush().map_err(TransportError::Stream));
            if written.is_err() {
                // Before its input ends, or it would take half an archive for a whole one.
                let _ = child.kill();
            }
            drop(to.into_parts());
            written
        });
        (written, stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default())
    })
}

fn all(from: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        // What was said until then is said.
        let _: io::Result<usize> = from.read_to_end(&mut bytes);
    }
    bytes
}

/// So much of what a program says is shown.
const SHOWN: usize = 600;

/// What a program wrote to its standard error, on one line.
pub(in crate::transport) fn words(
    stderr: &[u8],
    status: std::process::ExitStatus,
) -> Box<dyn std::error::Error + Send + Sync> {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line: String = lines.join("; ").chars().take(SHOWN).collect();
    match line.is_empty() {
        true => format!("it ended with {status}").into(),
        false => line.trim_start_matches("Error: ").trim_start_matches("ctr: ").into(),
    }
}
