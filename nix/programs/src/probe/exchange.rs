//! One connection, at most one question, never past the deadline.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Unhealthy;

/// More than any status line with its interim answers needs, and little enough to hold.
const HEAD_LIMIT: usize = 16 * 1024;
/// After the status is known the rest is read only so that the server sees a clean end.
const DRAIN_LIMIT: usize = 64 * 1024;
const DRAIN_TIME: Duration = Duration::from_millis(100);

/// The time at which the probe fails.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    end: Instant,
    limit: Duration,
}

impl Deadline {
    /// `limit` from `began` on.
    #[must_use]
    pub fn new(began: Instant, limit: Duration) -> Self {
        Self { end: began + limit, limit }
    }

    /// Returns the remaining time. Zero is not a valid socket timeout, so it counts as passed.
    fn left(self, step: &'static str, at: SocketAddr) -> Result<Duration, Unhealthy> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Unhealthy::TimedOut(step, at, self.limit));
        }
        Ok(left)
    }

    fn failed(self, step: &'static str, at: SocketAddr, error: io::Error) -> Unhealthy {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                Unhealthy::TimedOut(step, at, self.limit)
            }
            _ => Unhealthy::Broken(step, at, error),
        }
    }
}

/// Opens a connection to `at`.
///
/// # Errors
///
/// When it is refused or does not come about in time.
pub fn connect(at: SocketAddr, deadline: Deadline) -> Result<TcpStream, Unhealthy> {
    let left = deadline.left("connecting to", at)?;
    TcpStream::connect_timeout(&at, left).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Unhealthy::TimedOut("connecting to", at, deadline.limit),
        _ => Unhealthy::Connect(at, error),
    })
}

/// Sends a GET for `path` and returns the status ("200 OK") when it is 2xx.
///
/// # Errors
///
/// When there is no connection, no HTTP, no answer in time, or another status.
pub fn get(
    at: SocketAddr,
    host: &str,
    path: &str,
    deadline: Deadline,
) -> Result<String, Unhealthy> {
    let mut stream = connect(at, deadline)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: healthprobe/{}\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    send(&mut stream, request.as_bytes(), at, deadline)?;
    let (code, text) = read_status(&mut stream, at, deadline)?;
    drain(&mut stream, deadline);
    match code {
        200..=299 => Ok(format!("{code} {text}").trim_end().to_owned()),
        _ => Err(Unhealthy::Status(code, text)),
    }
}

/// `write_all`, but the deadline holds for all of it and not for each write.
fn send(
    stream: &mut TcpStream,
    mut bytes: &[u8],
    at: SocketAddr,
    deadline: Deadline,
) -> Result<(), Unhealthy> {
    const STEP: &str = "sending to";
    while !bytes.is_empty() {
        let left = deadline.left(STEP, at)?;
        let sent = stream.set_write_timeout(Some(left)).and_then(|()| stream.write(bytes));
        match sent {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(deadline.failed(STEP, at, error)),
        }
    }
    Ok(())
}

fn read_status(
    stream: &mut TcpStream,
    at: SocketAddr,
    deadline: Deadline,
) -> Result<(u16, String), Unhealthy> {
    const STEP: &str = "waiting for an answer from";
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let left = deadline.left(STEP, at)?;
        let received = stream.set_read_timeout(Some(left)).and_then(|()| stream.read(&mut piece));
        match received {
            Ok(0) if head.is_empty() => return Err(Unhealthy::NoAnswer(at)),
            Ok(0) => return Err(Unhealthy::NotHttp(at)),
            Ok(count) => head.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(deadline.failed(STEP, at, error)),
        }
        match final_status(&head) {
            Head::Status(code, text) => return Ok((code, text)),
            Head::Unfinished if head.len() < HEAD_LIMIT => {}
            Head::Unfinished | Head::NotHttp => return Err(Unhealthy::NotHttp(at)),
        }
    }
}

#[derive(Debug, PartialEq)]
enum Head {
    Status(u16, String),
    Unfinished,
    NotHttp,
}

/// The first status that is not interim (1xx), if `head` holds it already.
fn final_status(mut head: &[u8]) -> Head {
    loop {
        let Some(end) = head.iter().position(|&byte| byte == b'\n') else {
            // Said early, so that a talkative service of another protocol need not fill the limit.
            let magic = b"HTTP/1.";
            let same = head.iter().zip(magic).all(|(a, b)| a == b);
            return if same { Head::Unfinished } else { Head::NotHttp };
        };
        let line = String::from_utf8_lossy(head.get(..end).unwrap_or_default());
        let Some((code, text)) = status_line(line.trim_end()) else {
            return Head::NotHttp;
        };
        if !(100..200).contains(&code) {
            return Head::Status(code, text);
        }
        let blank = head.windows(4).position(|window| window == b"\r\n\r\n");
        match blank.and_then(|at| head.get(at + 4..)) {
            Some(rest) => head = rest,
            None => return Head::Unfinished,
        }
    }
}

fn status_line(line: &str) -> Option<(u16, String)> {
    let rest = line.strip_prefix("HTTP/1.")?;
    let (_minor, rest) = rest.split_once(' ')?;
    let (code, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let code: u16 = code.parse().ok().filter(|code| (100..=599).contains(code))?;
    // The text is printed, so it must not carry a terminal's control codes.
    Some((code, text.chars().filter(|c| !c.is_control()).take(80).collect()))
}

/// Reads what is left: closing with unread bytes resets the connection, which servers log.
fn drain(stream: &mut TcpStream, deadline: Deadline) {
    let end = deadline.end.min(Instant::now() + DRAIN_TIME);
    let mut piece = [0; 4096];
    let mut seen = 0;
    while seen < DRAIN_LIMIT {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(count) => seen += count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_found_in_any_number_of_pieces() {
        let whole = b"HTTP/1.1 200 OK\r\n";
        for cut in 0..whole.len() {
            assert_eq!(final_status(&whole[..cut]), Head::Unfinished, "{cut}");
        }
        assert_eq!(final_status(whole), Head::Status(200, "OK".to_owned()));
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        assert_eq!(final_status(early), Head::Unfinished);
        let both = [early.as_slice(), b"HTTP/1.1 204\r\n"].concat();
        assert_eq!(final_status(&both), Head::Status(204, String::new()));
    }

    #[test]
    fn other_protocols_are_not_taken_for_http() {
        for head in [
            &b"SSH-2.0-OpenSSH\r\n"[..],
            b"\x15\x03\x01",
            b"HTTP/2 200\r\n",
            b"HTTP/1.1 OK\r\n",
            b"HTTP/1.1 999 Odd\r\n",
        ] {
            assert_eq!(final_status(head), Head::NotHttp, "{head:?}");
        }
    }

    #[test]
    fn a_reason_cannot_write_control_codes_to_the_terminal() {
        let line = b"HTTP/1.0 500 \x1b[31mred\x07\r\n";
        assert_eq!(final_status(line), Head::Status(500, "[31mred".to_owned()));
    }
}
