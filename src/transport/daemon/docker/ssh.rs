//! Docker behind ssh: a socket of our own whose connections Docker's client carries there, with
//! the keys, agents and hosts that it knows.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::fs::{Context, FileOp, TempDir};
use crate::transport::TransportError;

/// A socket that leads to the far daemon for as long as this lives.
#[derive(Debug)]
pub(in crate::transport) struct SshTunnel {
    dir: TempDir,
    closed: Arc<AtomicBool>,
    /// Takes connections.
    door: Option<JoinHandle<()>>,
}

impl SshTunnel {
    /// Opens the socket; whether anybody answers shows with the first request.
    pub(in crate::transport) fn open(url: &str) -> Result<Self, TransportError> {
        let dir = TempDir::new()?;
        let mut tunnel = Self { dir, closed: Arc::default(), door: None };
        let path = tunnel.socket();
        let listener = UnixListener::bind(&path).context(FileOp::Bind, &path)?;
        let (url, closed) = (url.to_owned(), Arc::clone(&tunnel.closed));
        tunnel.door = Some(thread::spawn(move || {
            let is_open = |_: &UnixStream| !closed.load(Ordering::Acquire);
            for connection in listener.incoming().map_while(Result::ok).take_while(is_open) {
                let url = url.clone();
                // Without a carrier the connection closes, which the request notices.
                thread::spawn(move || carry(&connection, &url));
            }
        }));
        Ok(tunnel)
    }

    /// Where it is.
    pub(in crate::transport) fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }
}

impl Drop for SshTunnel {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Who waits for a connection sees it only when one comes.
        let woken = UnixStream::connect(self.socket()).is_ok();
        if let Some(door) = self.door.take().filter(|_| woken) {
            let _ = door.join();
        }
    }
}

fn carry(connection: &UnixStream, url: &str) -> io::Result<()> {
    let mut child = Command::new("docker")
        .args(["--host", url, "system", "dial-stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let result = both_ways(connection, &mut child);
    // It has ended, or has nobody left to talk to.
    let _ = child.kill();
    child.wait()?;
    result
}

fn both_ways(connection: &UnixStream, child: &mut Child) -> io::Result<()> {
    let (Some(mut stdin), Some(mut stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Ok(());
    };
    let mut from = connection.try_clone()?;
    thread::spawn(move || copy(&mut from, &mut stdin));
    copy(&mut stdout, &mut &*connection)?;
    connection.shutdown(std::net::Shutdown::Both)
}

/// Without a buffer between: the other side waits for every byte.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        to.write_all(bytes)?;
        to.flush()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_connections_to_a_tunnel_that_is_gone() {
        let tunnel = SshTunnel::open("ssh://nowhere.example").unwrap();
        let closed = Arc::downgrade(&tunnel.closed);
        drop(tunnel);
        assert_eq!(closed.strong_count(), 0);
    }
}
