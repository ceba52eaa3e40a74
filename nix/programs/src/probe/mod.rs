//! Asks one service one question: are you healthy?
//!
//! [`args`] reads the command line, [`variables`] fills in the URL's variables, [`target`] reads the
//! URL, [`names`] turns its host into addresses,
//! and [`exchange`] speaks. One deadline covers everything, so that a service which accepts
//! connections and then says nothing cannot hold the probe.

pub mod args;
pub mod exchange;
pub mod names;
pub mod target;
pub mod variables;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use target::{Scheme, Target};

/// How a healthy service answered.
#[derive(Debug)]
pub struct Healthy {
    answer: String,
    took: Duration,
}

impl fmt::Display for Healthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} ms", self.answer, self.took.as_millis())
    }
}

/// Why a service counts as unhealthy.
#[derive(Debug)]
pub enum Unhealthy {
    /// The host is a name that cannot be resolved without a resolver.
    UnknownName(String),
    /// `/etc/hosts` is there but cannot be read.
    Hosts(io::Error),
    /// No connection came about.
    Connect(SocketAddr, io::Error),
    /// The deadline passed; the text says during what.
    TimedOut(&'static str, SocketAddr, Duration),
    /// The connection broke; the text says during what.
    Broken(&'static str, SocketAddr, io::Error),
    /// The connection was closed before a status line came.
    NoAnswer(SocketAddr),
    /// The response does not start with an HTTP status line.
    NotHttp(SocketAddr),
    /// A status line came, and it is not 2xx.
    Status(u16, String),
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName(name) => write!(
                f,
                "cannot resolve `{name}`: only addresses, localhost and names in /etc/hosts are \
                 known here; write an address such as 127.0.0.1"
            ),
            Self::Hosts(error) => write!(f, "cannot read /etc/hosts: {}", reason(error)),
            Self::Connect(at, error) => write!(f, "{} at {at}", reason(error)),
            Self::TimedOut(step, at, limit) => {
                write!(f, "timed out after {} {step} {at}", seconds(*limit))
            }
            Self::Broken(step, at, error) => write!(f, "{} {step} {at}", reason(error)),
            Self::NoAnswer(at) => write!(f, "{at} closed the connection without an answer"),
            Self::NotHttp(at) => write!(f, "{at} does not answer in HTTP"),
            Self::Status(code, text) => {
                write!(f, "{code}{}{text}", if text.is_empty() { "" } else { " " })?;
                match code {
                    300..=399 => write!(f, ": redirects are not followed; probe the final path"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for Unhealthy {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Hosts(error) | Self::Connect(_, error) | Self::Broken(_, _, error) => Some(error),
            _ => None,
        }
    }
}

/// Formats a duration without floating point, which would enlarge the program.
fn seconds(limit: Duration) -> String {
    match (limit.as_secs(), limit.subsec_millis()) {
        (whole, 0) => format!("{whole} s"),
        (whole, millis) => format!("{whole}.{millis:03} s"),
    }
}

/// Returns a fixed text for common causes, and the text of the system for others.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
        io::ErrorKind::HostUnreachable => "host unreachable".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Probes `target`, trying each of its addresses until one is healthy.
///
/// A 2xx answer is healthy, and nothing else: a redirect says only that some other page might
/// be, and 4xx is usually a wrong path.
///
/// # Errors
///
/// The result of the first address if none is healthy within `limit`.
pub fn probe(target: &Target, limit: Duration) -> Result<Healthy, Unhealthy> {
    let began = Instant::now();
    let deadline = exchange::Deadline::new(began, limit);
    let mut first_failure = None;
    for address in names::resolve(target)? {
        let outcome = match &target.scheme {
            Scheme::Tcp => exchange::connect(address, deadline).map(|_| "connected".to_owned()),
            Scheme::Http { path } => exchange::get(address, &target.authority, path, deadline),
        };
        match outcome {
            Ok(answer) => {
                return Ok(Healthy { answer, took: began.elapsed() });
            }
            Err(why) => {
                first_failure.get_or_insert(why);
            }
        }
    }
    Err(first_failure.unwrap_or_else(|| Unhealthy::UnknownName(target.authority.clone())))
}
