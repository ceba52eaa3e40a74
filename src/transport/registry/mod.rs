//! Registries: the OCI distribution specification, as a client.
//!
//! Push moves only what is missing, and a tag last: a push that dies leaves the registry as it
//! was, but for blobs that nobody names. What is read is checked by digest before it counts.
//!
//! # What is sent to whom
//!
//! Credentials go to the registry's own host, and to the host that it names for tokens if that
//! one has the same parent domain (`registry.example.org` and `auth.example.org`) or was named
//! by the user. They never follow a redirect or an upload to another host, and never go over
//! plain HTTP except to a host that the user named for it or to this machine. A registry that is
//! not on this machine or network cannot send cooper to addresses that are. Certificates that lie
//! in a host's folder count for that host and port: a client certificate is shown to nobody else,
//! and an authority vouches for nobody else. A proxy that is spoken to over TLS is taken for the
//! host behind it.
//!
//! # What is tried how often
//!
//! A request that fails for a reason that may pass is tried again, at most
//! [`Options::retries`] times, after a pause that doubles and is spread, or as long as
//! `Retry-After` says, up to a minute. `403`, `404` and a certificate that is not trusted are
//! answers, not failures. A `401` is answered once with a fresh token.

mod challenge;
mod chunk_reader;
mod client;
mod credentials;
mod error;
#[cfg(fuzzing)]
pub(super) mod fuzzed;
mod helper;
mod net;
mod options;
mod pull;
mod push;
mod request;
mod response;
mod token;
mod upload;

pub use client::Registry;
pub use credentials::CredentialFiles;
pub use error::RegistryError;
pub use net::proxy::Proxies;
pub use options::{Options, Secret};
pub use pull::Remote;
pub use push::{Moved, Parcel, Pushed};
