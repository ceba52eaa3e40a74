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
//! # Retries
//!
//! A request that fails for a reason that may pass (no connection, silence, 408, 425, 429, 5xx) is
//! tried again, at most [`Options::retries`] times. A pause doubles and is spread, or is as long
//! as `Retry-After` asks. All pauses of one request last at most [`Options::wait`] in sum, and
//! each is reported; a registry that asks for more ends the request. A `401` is answered once
//! with a fresh token. A `400` for bytes whose digest is right is tried once more. `403`, `404`
//! and a certificate that is not trusted are final.
//!
//! [`Options::idle`] limits silence, [`MIN_BODY_RATE`] the slowness of a body. A host that failed
//! after all tries gets no further request in the same run.

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
