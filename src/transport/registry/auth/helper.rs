//! Credential helpers: programs that keep logins elsewhere, by Docker's protocol.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::files::{Credentials, password_of};
use crate::transport::go_json::Object;
use crate::transport::registry::RegistryError;

/// A helper may ask the user to unlock a keyring; nobody takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a helper that has answered is looked at until it has ended.
const GLANCE: Duration = Duration::from_millis(5);
const ANSWER_LIMIT: u64 = 1 << 20;
/// What helpers say when they know nothing; they say it with exit code 1.
const UNKNOWN: &str = "credentials not found in native keychain";

/// Asks `docker-credential-NAME` for the login of a server.
pub(in crate::transport::registry) fn ask(
    name: &str,
    server: &str,
) -> Result<Option<Credentials>, RegistryError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        let why = "has an invalid name".into();
        return Err(RegistryError::Helper { helper: name.into(), why });
    }
    ask_program(&format!("docker-credential-{name}"), name, server, PATIENCE)
}

fn ask_program(
    program: &str,
    name: &str,
    server: &str,
    patience: Duration,
) -> Result<Option<Credentials>, RegistryError> {
    let failed = |why: String| RegistryError::Helper { helper: name.into(), why };
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| failed(format!("cannot be started as `{program}`: {e}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that reads nothing will not answer either.
        let _ = stdin.write_all(server.as_bytes());
    }
    let (answer, status) = answer(&mut child, patience).map_err(&failed)?;
    if !status.success() {
        // Its words may hold what it was given; only the one known answer is read.
        return match String::from_utf8_lossy(&answer).contains(UNKNOWN) {
            true => Ok(None),
            false => Err(failed(format!("failed for `{server}` with {status}"))),
        };
    }
    let login = read_answer(&answer);
    login.map(Some).ok_or_else(|| failed(format!("did not answer with a login for `{server}`")))
}

/// The login that a helper printed, if it is one. A helper is written in Go as a rule.
pub(in crate::transport::registry) fn read_answer(bytes: &[u8]) -> Option<Credentials> {
    let answer = Object::parse(bytes).ok()?;
    let (user, secret) = (answer.text("Username").ok()?, answer.text("Secret").ok()?);
    let is_login = !user.is_empty() && !secret.is_empty();
    is_login.then(|| password_of(&user, &secret))
}

/// All that a helper prints, and how it ends, if it ends in time.
fn answer(child: &mut Child, patience: Duration) -> Result<(Vec<u8>, ExitStatus), String> {
    let end = Instant::now() + patience;
    let Some(stdout) = child.stdout.take() else { return Err("has no output".into()) };
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(ANSWER_LIMIT).read_to_end(&mut bytes).map(|_| bytes);
        // Nobody waits any more when the time is over.
        let _ = sender.send(read);
    });
    if let Ok(read) = receiver.recv_timeout(patience) {
        let read = read.map_err(|e| format!("cannot be read: {e}"))?;
        // It has said all, which does not mean that it ends.
        while Instant::now() < end {
            let status = child.try_wait().map_err(|e| format!("cannot be waited for: {e}"))?;
            if let Some(status) = status {
                return Ok((read, status));
            }
            std::thread::sleep(GLANCE);
        }
    }
    // It is killed because it hangs; that it is gone already is as good.
    let _ = child.kill();
    let _ = child.wait();
    Err(format!("did not answer within {} s", patience.as_secs_f32()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(script: &str, patience: Duration) -> Result<Option<Credentials>, RegistryError> {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("docker-credential-x");
        // Written by another process: a file that this one still has open cannot be started.
        let write = "printf '#!/bin/sh\n%s\n' \"$1\" >\"$2\" && chmod +x \"$2\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", write, "sh", script]).arg(&program);
        assert!(shell.status().unwrap().success());
        ask_program(program.to_str().unwrap(), "x", "r.io", patience)
    }

    #[test]
    fn a_helper_that_hangs_is_waited_for_only_so_long() {
        // fault 102: one that says nothing, and one that says all and does not end
        for script in ["exec sleep 600", "echo '{}'; exec >&-; exec sleep 600"] {
            let error = asked(script, Duration::from_millis(200)).unwrap_err().to_string();
            assert_eq!(error, "the credential helper `x` did not answer within 0.2 s");
        }
    }

    #[test]
    fn what_a_helper_prints_that_is_no_login_is_an_error_and_never_shown() {
        // fault 102
        for script in ["echo s3cret", "exec yes s3cret", "printf '{\"Username\":\"s3cret\"}'", ":"]
        {
            let error = asked(script, PATIENCE).unwrap_err().to_string();
            assert!(error.starts_with("the credential helper `x` "), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
