//! How a registry is first spoken to: the HTTP client, and whether TLS is.

use std::error::Error;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, Url};
use tokio::runtime::{Handle, Runtime};

use super::{Options, RegistryError, guard, tls};

/// Connections that take longer will not come.
const CONNECT: Duration = Duration::from_secs(10);

/// One for the process, for ever: a task that ends last may not drop its own runtime.
pub(super) fn runtime() -> Result<Handle, RegistryError> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle().clone());
    }
    let made = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let made = made.map_err(|error| RegistryError::Client(error.into()))?;
    Ok(RUNTIME.get_or_init(|| made).handle().clone())
}

pub(super) fn client(base: &Url, options: &Options) -> Result<Client, RegistryError> {
    let host = base.host_str().unwrap_or_default();
    let builder = Client::builder()
        .user_agent(concat!("cooper/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls::config(&options.ca_files)?)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT.min(options.idle))
        .pool_max_idle_per_host(options.parallel)
        .dns_resolver(guard::Resolver::shared(host));
    // A proxy cannot reach this machine.
    let builder = if guard::is_loopback(host) { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| RegistryError::Client(error.into()))
}

/// Whether the other side answers a TLS greeting in plain text.
pub(super) async fn speaks_plain(http: &Client, base: &Url) -> bool {
    let asked = tokio::time::timeout(CONNECT, http.get(base.clone()).send()).await;
    let Ok(Err(error)) = asked else { return false };
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidMessage(_)) = within(error).downcast_ref() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The error that an I/O error wraps, which is not among its sources.
fn within<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        error = inner;
    }
    error
}
