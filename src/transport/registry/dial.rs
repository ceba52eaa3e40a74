//! Reaching a registry: the HTTP client, and what to make of a side that speaks no TLS.

use std::time::Duration;

use reqwest::{Client, Url};

use super::proxy::Way;
use super::{Options, RegistryError, guard, tls};

/// Connections that take longer will not come.
const CONNECT: Duration = Duration::from_secs(10);

/// An HTTP client for one registry: no redirects, no retries and no trust of its own.
pub(super) fn client(
    registry: &str,
    base: &Url,
    way: Option<&Way>,
    options: &Options,
) -> Result<Client, RegistryError> {
    let failed = |error: reqwest::Error| RegistryError::Client(error.into());
    let host = base.host_str().unwrap_or_default();
    let mut named = vec![host.to_owned()];
    named.extend(way.map(|way| way.host.clone()));
    let builder = Client::builder()
        .user_agent(concat!("cooper/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls::config(options, registry)?)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT.min(options.idle))
        .pool_max_idle_per_host(options.parallel)
        .dns_resolver(guard::Resolver::shared(named));
    let builder = match way {
        Some(way) => builder.proxy(way.proxy().map_err(failed)?),
        None => builder.no_proxy(),
    };
    builder.build().map_err(failed)
}

/// Whether the other side answers a TLS greeting in plain text.
pub(super) async fn speaks_plain(http: &Client, base: &Url) -> bool {
    let asked = tokio::time::timeout(CONNECT, http.get(base.clone()).send()).await;
    let Ok(Err(error)) = asked else { return false };
    matches!(tls::cause(&error), Some(rustls::Error::InvalidMessage(_)))
}
