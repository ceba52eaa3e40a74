//! A running program and requests to it. The tests of each program include this file.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Program {
    child: Child,
    pub(crate) at: SocketAddr,
    log: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    /// Starts `command` with these variables and no others, and waits for its port.
    pub(crate) fn start(command: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .env_clear()
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (send, log) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut program = Self { child, at, log, seen: Vec::new() };
        let line = program.await_log("listening on 0.0.0.0:");
        let port = line.rsplit(':').next().unwrap().trim_end_matches('"').parse().unwrap();
        program.at.set_port(port);
        program
    }

    /// Waits for a log line that contains `part`, and returns it.
    pub(crate) fn await_log(&mut self, part: &str) -> String {
        if let Some(line) = self.seen.iter().find(|line| line.contains(part)) {
            return line.clone();
        }
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(left).unwrap_or_else(|_| {
                panic!("no `{part}` in the log: {:#?}", self.seen);
            });
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        request(self.at, "GET", path, "")
    }

    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it still runs");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns the whole log after the program has ended.
    pub(crate) fn whole_log(&mut self) -> Vec<String> {
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => return self.seen.clone(),
                Err(RecvTimeoutError::Timeout) => panic!("its log has no end"),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Sends a request on a new connection.
pub(crate) fn request(at: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}
