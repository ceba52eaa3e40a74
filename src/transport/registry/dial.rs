//! Reaching a registry: the HTTP client, and what to make of a side that speaks no TLS.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, Url};

use super::client::within;
use super::{Options, RegistryError, guard, tls};

/// Connections that take longer will not come.
const CONNECT: Duration = Duration::from_secs(10);

/// An HTTP client for one registry: no redirects, no retries and no trust of its own.
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
