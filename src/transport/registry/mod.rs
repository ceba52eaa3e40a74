//! A client of the OCI distribution specification.
//!
//! A push sends only blobs that the registry lacks, and moves tags last: an interrupted push leaves
//! the registry as it was, except for blobs that no manifest names. A digest is verified for
//! everything that is read.
//!
//! # Credentials and certificates
//!
//! Credentials go to the registry's own host. They also go to the host that the registry names for
//! tokens, if it has the same parent domain (`registry.example.org` and `auth.example.org`) or the
//! user named it. They never follow a redirect or an upload to another host. They use plain HTTP
//! only for loopback and for hosts that the user allowed. A registry outside this machine and its
//! network cannot redirect cooper to addresses inside. Certificates in a host's directory count for
//! that host and port only, both client certificates and authorities. A proxy that is reached over
//! TLS counts as the host behind it.
//!
//! # Retries
//!
//! A request that fails for a temporary reason (no connection, idle timeout, 408, 425, 429, 5xx) is
//! retried, at most [`Options::retries`] times. Pauses double, with jitter, or follow `Retry-After`.
//! All pauses of one request last at most [`Options::wait`] in sum, and each is reported. A registry
//! that asks for more ends the request. A `401` is retried once with a new token, and a `400` for
//! bytes with the right digest once. `403`, `404` and an untrusted certificate are final.
//!
//! [`Options::idle`] limits the time without data, and [`MIN_BODY_RATE`] is the minimum rate of a
//! body. A host that failed after all retries gets no further request in the same run.

mod auth;
mod chunk_reader;
mod client;
mod error;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod net;
mod options;
mod presence;
mod pull;
mod push;
mod request;
mod response;
mod upload;

pub use auth::files::CredentialFiles;
pub use client::Registry;
pub use error::RegistryError;
pub use net::proxy::Proxies;
pub use net::retry::MIN_BODY_RATE;
pub use options::{Options, Secret};
pub use pull::Remote;
pub use push::{PushItem, PushStats, Pushed};
