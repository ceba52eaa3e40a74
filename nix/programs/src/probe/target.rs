//! The target of a probe: `http://host[:port][/path]` or `tcp://host:port`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A URL, parsed once.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The protocol on the connection.
    pub scheme: Scheme,
    /// Whom to connect to.
    pub host: Host,
    /// The port, 80 for `http` when none is given.
    pub port: u16,
    /// Host and port as they were written, for the `Host` header.
    pub authority: String,
}

/// The two kinds of question.
#[derive(Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Send a GET for `path` and look at the status.
    Http {
        /// Path and query, starting with a slash.
        path: String,
    },
    /// A connection is answer enough.
    Tcp,
}

/// A host as a URL names it.
#[derive(Debug, PartialEq, Eq)]
pub enum Host {
    /// An address, which needs no resolving.
    Address(IpAddr),
    /// A name, in lower case.
    Name(String),
}

/// Why a URL cannot be probed; its text says what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub struct BadTarget {
    url: String,
    why: &'static str,
}

impl fmt::Display for BadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.url.chars().filter(|c| !c.is_control()).collect();
        write!(f, "cannot probe `{shown}`: {}", self.why)
    }
}

impl std::error::Error for BadTarget {}

/// Parses `url`.
///
/// # Errors
///
/// If it is not a URL that this probe supports.
pub fn parse(url: &str) -> Result<Target, BadTarget> {
    let bad = |why| BadTarget { url: url.to_owned(), why };
    // A blank or control character would end the request line early and start a header.
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(bad("blanks and control characters must be percent-encoded"));
    }
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| bad("write http://HOST[:PORT][/PATH] or tcp://HOST:PORT"))?;
    let cut = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(cut);
    let (host, port) = parse_authority(authority).map_err(bad)?;
    let (scheme, port) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (Scheme::Http { path: request_path(path) }, port.unwrap_or(80)),
        "tcp" if !matches!(path, "" | "/") => return Err(bad("a tcp target has no path")),
        "tcp" => (Scheme::Tcp, port.ok_or_else(|| bad("a tcp target needs a port"))?),
        "https" => {
            return Err(bad("TLS is not spoken here; probe the plain port over loopback"));
        }
        _ => return Err(bad("the scheme must be http or tcp")),
    };
    Ok(Target { scheme, host, port, authority: authority.to_owned() })
}

/// The path as it goes into the request line: a fragment never leaves the client.
fn request_path(path: &str) -> String {
    let sent = path.split('#').next().unwrap_or_default();
    if sent.starts_with('/') { sent.to_owned() } else { format!("/{sent}") }
}

fn parse_authority(authority: &str) -> Result<(Host, Option<u16>), &'static str> {
    if authority.contains('@') {
        return Err("user names and passwords in the URL are not supported");
    }
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, rest) =
            bracketed.split_once(']').ok_or("the IPv6 address lacks its closing bracket")?;
        let address: Ipv6Addr = address.parse().map_err(|_| "no IPv6 address in the brackets")?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(parse_port(port)?),
            None if rest.is_empty() => None,
            None => return Err("only a port may follow the bracket"),
        };
        return Ok((Host::Address(IpAddr::V6(address)), port));
    }
    let (name, port) = match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            return Err("write an IPv6 address in brackets, as in http://[::1]:8080/");
        }
        Some((name, port)) => (name, Some(parse_port(port)?)),
        None => (authority, None),
    };
    if name.is_empty() {
        return Err("the host is missing");
    }
    let host = name.parse().map_or_else(|_| Host::Name(name.to_ascii_lowercase()), Host::Address);
    Ok((host, port))
}

fn parse_port(port: &str) -> Result<u16, &'static str> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(number) if digits && number != 0 => Ok(number),
        _ => Err("the port must be a number from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_with_their_defaults() {
        let cases = [
            ("http://127.0.0.1:8080/health", "127.0.0.1", 8080, Some("/health")),
            ("HTTP://127.0.0.1", "127.0.0.1", 80, Some("/")),
            ("http://[::1]:8080?deep=1#top", "::1", 8080, Some("/?deep=1")),
            ("http://[::1]", "::1", 80, Some("/")),
            ("tcp://127.0.0.1:5432", "127.0.0.1", 5432, None),
        ];
        for (url, address, port, path) in cases {
            let target = parse(url).unwrap();
            assert_eq!(target.host, Host::Address(address.parse().unwrap()), "{url}");
            assert_eq!(target.port, port, "{url}");
            let scheme = path.map_or(Scheme::Tcp, |path| Scheme::Http { path: path.to_owned() });
            assert_eq!(target.scheme, scheme, "{url}");
        }
    }

    #[test]
    fn names_lose_their_capitals_but_the_host_header_keeps_them() {
        let target = parse("http://LocalHost:81/").unwrap();
        assert_eq!(target.host, Host::Name("localhost".to_owned()));
        assert_eq!(target.authority, "LocalHost:81");
    }

    #[test]
    fn urls_that_cannot_be_probed_say_why() {
        let cases = [
            ("", "write http://"),
            ("localhost:8080", "write http://"),
            ("https://localhost/", "TLS"),
            ("ftp://localhost/", "scheme"),
            ("http:///health", "host is missing"),
            ("http://:80/", "host is missing"),
            ("http://a:0/", "1 to 65535"),
            ("http://a:65536/", "1 to 65535"),
            ("http://a:+80/", "1 to 65535"),
            ("http://a:/", "1 to 65535"),
            ("http://::1:80/", "brackets"),
            ("http://[::1/", "closing bracket"),
            ("http://[::g]/", "no IPv6 address"),
            ("http://[::1]80/", "only a port"),
            ("http://me:pw@a/", "user names"),
            ("http://a/b c", "percent-encoded"),
            ("http://a/b\r\nX: y", "percent-encoded"),
            ("tcp://a", "needs a port"),
            ("tcp://a:1/b", "no path"),
        ];
        for (url, why) in cases {
            let message = parse(url).unwrap_err().to_string();
            assert!(message.contains(why), "{url:?}: {message}");
        }
    }
}
