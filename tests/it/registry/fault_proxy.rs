//! A proxy in front of a real registry that injects the faults of a test.
//!
//! It serves one request a connection. It is a forward proxy as well: the registry answers for
//! every host of a full URL or of `CONNECT`. The registry gets the client's `Host` header, so that
//! the locations in its responses lead through the proxy again.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The fault of one request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// No fault.
    None,
    /// A response without the registry: status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The connection closes without a response.
    Hang,
    /// The connection closes after this number of bytes of the request's body.
    CutUpload(usize),
    /// No response, and the body is not read.
    Swallow,
    /// The connection closes after this number of bytes of the response's body.
    Cut(usize),
    /// The response's body stops after this number of bytes, and the connection stays open.
    Stall(usize),
    /// The response's body comes at one byte a second.
    Drip,
    /// One byte of the response's body is changed.
    Flip(usize),
    /// The response's body is longer or shorter, with a matching length header.
    Resize(isize),
    /// A header of the response is replaced or removed.
    Header(&'static str, Option<String>),
    /// The registry handles the request, and its response has another status.
    Status(u16),
    /// The registry does not get this header of the request.
    Hide(&'static str),
}

/// A request that the proxy received.
#[derive(Clone, Debug)]
pub(crate) struct RecordedRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl RecordedRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let same = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().find(same).map(|(_, value)| value.as_str())
    }

    /// Returns true if the method is equal and the path contains the part.
    pub(crate) fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

type Rule = dyn Fn(&RecordedRequest, usize) -> Fault + Send + Sync;

/// A running proxy.
pub(crate) struct Proxy {
    port: u16,
    seen: Arc<Mutex<Vec<RecordedRequest>>>,
}

impl Proxy {
    /// Starts a proxy. The rule gets each request, and the number of earlier ones with the same
    /// method and path.
    pub(crate) fn start(
        upstream: u16,
        rule: impl Fn(&RecordedRequest, usize) -> Fault + Send + Sync + 'static,
    ) -> Self {
        Self::start_at(0, upstream, rule)
    }

    /// Starts a proxy at a known port.
    pub(crate) fn start_at(
        port: u16,
        upstream: u16,
        rule: impl Fn(&RecordedRequest, usize) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let rule: Arc<Rule> = Arc::new(rule);
        let known = Arc::clone(&seen);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (seen, rule) = (Arc::clone(&known), Arc::clone(&rule));
                // A client may close its connection at any time.
                std::thread::spawn(move || drop(serve(client, upstream, &seen, &*rule)));
            }
        });
        Self { port, seen }
    }

    pub(crate) fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        self.requests().iter().filter(|seen| seen.is(method, part)).count()
    }
}

fn serve(
    mut client: TcpStream,
    upstream: u16,
    seen: &Mutex<Vec<RecordedRequest>>,
    rule: &Rule,
) -> io::Result<()> {
    let mut first = [0];
    if client.peek(&mut first)? == 1 && first == [0x16] {
        // The first byte of a TLS handshake.
        return client.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
    }
    let mut reader = BufReader::new(client.try_clone()?);
    let Some(request) = read_head(&mut reader)? else { return Ok(()) };
    let (line, headers) = request;
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let request = RecordedRequest { method: method.into(), path: path.into(), headers };
    let before = {
        let mut seen = seen.lock().unwrap();
        let same =
            |other: &&RecordedRequest| other.method == request.method && other.path == request.path;
        let before = seen.iter().filter(same).count();
        seen.push(request.clone());
        before
    };
    let size: usize = request.header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    match rule(&request, before) {
        Fault::Answer(status, headers, body) => {
            io::copy(&mut reader.take(size as u64), &mut io::sink())?;
            respond(&mut client, status, &headers, &body)
        }
        Fault::Hang => Ok(()),
        Fault::CutUpload(bytes) => {
            io::copy(&mut reader.take(bytes as u64), &mut io::sink()).map(drop)
        }
        Fault::Swallow => {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        Fault::None if method == "CONNECT" => tunnel(client, upstream),
        fault => forward(&request, &line, reader.take(size as u64), upstream, client, &fault),
    }
}

type Head = (String, Vec<(String, String)>);

fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => return Ok(Some((first.trim_end().to_owned(), headers))),
        }
    }
}

fn respond(
    client: &mut TcpStream,
    status: u16,
    headers: &[(&str, String)],
    body: &[u8],
) -> io::Result<()> {
    write!(client, "HTTP/1.1 {status} Spoilt\r\nContent-Length: {}\r\n", body.len())?;
    for (name, value) in headers {
        write!(client, "{name}: {value}\r\n")?;
    }
    client.write_all(b"Connection: close\r\n\r\n")?;
    client.write_all(body)
}

fn forward(
    request: &RecordedRequest,
    line: &str,
    mut body: impl Read,
    upstream: u16,
    mut client: TcpStream,
    fault: &Fault,
) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", upstream))?;
    write!(server, "{line}\r\n")?;
    for (name, value) in &request.headers {
        let hidden = matches!(fault, Fault::Hide(hidden) if name.eq_ignore_ascii_case(hidden));
        if !hidden && !name.eq_ignore_ascii_case("connection") {
            write!(server, "{name}: {value}\r\n")?;
        }
    }
    server.write_all(b"Connection: close\r\n\r\n")?;
    io::copy(&mut body, &mut server)?;
    let mut reader = BufReader::new(server);
    let Some((status, mut headers)) = read_head(&mut reader)? else { return Ok(()) };
    let mut bytes = Vec::new();
    if request.method != "HEAD" {
        reader.read_to_end(&mut bytes)?;
        corrupt(&mut bytes, &mut headers, fault);
    }
    if let Fault::Header(name, value) = fault {
        headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        headers.extend(value.iter().map(|value| ((*name).to_owned(), value.clone())));
    }
    match fault {
        Fault::Status(other) => write!(client, "HTTP/1.1 {other} Spoilt\r\n")?,
        _ => write!(client, "{status}\r\n")?,
    }
    for (name, value) in &headers {
        write!(client, "{name}: {value}\r\n")?;
    }
    client.write_all(b"\r\n")?;
    match fault {
        Fault::Cut(count) => client.write_all(&bytes[..bytes.len().min(*count)]),
        Fault::Stall(count) => {
            client.write_all(&bytes[..bytes.len().min(*count)])?;
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        Fault::Drip => bytes.iter().try_for_each(|byte| {
            client.write_all(&[*byte])?;
            std::thread::sleep(Duration::from_secs(1));
            Ok(())
        }),
        _ => client.write_all(&bytes),
    }
}

fn tunnel(mut client: TcpStream, upstream: u16) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", upstream))?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || io::copy(&mut from, &mut to));
    let (mut from, mut to) = (server, client);
    io::copy(&mut from, &mut to).map(drop)
}

fn corrupt(bytes: &mut Vec<u8>, headers: &mut [(String, String)], fault: &Fault) {
    match fault {
        Fault::Flip(at) => bytes[*at] ^= 1,
        Fault::Resize(by) => {
            bytes.resize(bytes.len().saturating_add_signed(*by), b'x');
            let length = headers.iter_mut().find(|(k, _)| k.eq_ignore_ascii_case("content-length"));
            length.unwrap().1 = bytes.len().to_string();
        }
        _ => {}
    }
}
