//! Credential helpers: programs that keep logins elsewhere, by Docker's protocol.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::RegistryError;
use super::credentials::{Credentials, password_of};

/// A helper may ask the user to unlock a keyring; nobody takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
const ANSWER_LIMIT: u64 = 1 << 20;
/// What helpers say when they know nothing; they say it with exit code 1.
const UNKNOWN: &str = "credentials not found in native keychain";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks `docker-credential-NAME` for the login of a server.
pub(super) fn ask(name: &str, server: &str) -> Result<Option<Credentials>, RegistryError> {
    let failed = |why: String| RegistryError::Helper { helper: name.into(), why };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err(failed("has a name that is none".into()));
    }
    let program = format!("docker-credential-{name}");
    let mut child = Command::new(&program)
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
    let answer = answer(&mut child).map_err(&failed)?;
    let status = child.wait().map_err(|e| failed(format!("cannot be waited for: {e}")))?;
    if !status.success() {
        // Its words may hold what it was given; only the one known answer is read.
        return match String::from_utf8_lossy(&answer).contains(UNKNOWN) {
            true => Ok(None),
            false => Err(failed(format!("failed for `{server}` with {status}"))),
        };
    }
    let answer: Answer = serde_json::from_slice(&answer)
        .map_err(|_| failed(format!("did not answer with a login for `{server}`")))?;
    Ok(Some(password_of(&answer.username, &answer.secret)))
}

/// All that a helper prints, if it ends in time.
fn answer(child: &mut Child) -> Result<Vec<u8>, String> {
    let Some(stdout) = child.stdout.take() else { return Ok(Vec::new()) };
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(ANSWER_LIMIT).read_to_end(&mut bytes).map(|_| bytes);
        // Nobody waits any more when the time is over.
        let _ = sender.send(read);
    });
    let since = Instant::now();
    if let Ok(read) = receiver.recv_timeout(PATIENCE) {
        read.map_err(|e| format!("cannot be read: {e}"))
    } else {
        // It is killed because it hangs; that it is gone already is as good.
        let _ = child.kill();
        let _ = child.wait();
        Err(format!("did not answer within {} s", since.elapsed().as_secs()))
    }
}
