//! Reaching hosts: the HTTP clients, and what to make of a side that speaks no TLS.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::{Client, Url};

use super::super::{Options, RegistryError};
use super::proxy::ProxyRoute;
use super::{redirect_policy, tls};

/// Connections that take longer will not come.
const CONNECT: Duration = Duration::from_secs(10);

/// A client for each host that is spoken to on a registry's behalf, because certificates count
/// for the host that they lie there for.
#[derive(Debug)]
pub(in super::super) struct HttpClients {
    pub(in super::super) way: Option<ProxyRoute>,
    /// Hosts that the user named, without ports.
    named: Vec<String>,
    /// By host and port.
    known: Mutex<BTreeMap<String, Client>>,
}

impl HttpClients {
    /// Makes the client for the registry itself, whose folder may be another than `base` says.
    pub(in super::super) fn new(
        registry: &str,
        base: &Url,
        options: &Options,
    ) -> Result<Self, RegistryError> {
        let way = ProxyRoute::find(&options.proxies, base)?;
        let mut named = vec![base.host_str().unwrap_or_default().to_owned()];
        named.extend(way.as_ref().map(|way| way.host.clone()));
        let dial = Self { way, named, known: Mutex::default() };
        let folder = options.certificate_dir.clone();
        let folder = folder.or_else(|| tls::usual_folder(options, registry));
        let own = dial.client(folder.as_deref(), options)?;
        Ok(Self {
            known: Mutex::new(BTreeMap::from([(redirect_policy::host_of(base), own)])),
            ..dial
        })
    }

    /// The client for a URL's host.
    pub(in super::super) fn to(
        &self,
        url: &Url,
        options: &Options,
    ) -> Result<Client, RegistryError> {
        let host = redirect_policy::host_of(url);
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(client) = known.get(&host) {
            return Ok(client.clone());
        }
        let folder = tls::usual_folder(options, &host);
        let client = self.client(folder.as_deref(), options)?;
        known.insert(host, client.clone());
        Ok(client)
    }

    /// A client without redirects, retries and trust of its own.
    fn client(&self, folder: Option<&Path>, options: &Options) -> Result<Client, RegistryError> {
        let failed = |error: reqwest::Error| RegistryError::Client(error.into());
        let builder = Client::builder()
            .user_agent(concat!("cooper/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls::config(&options.ca_files, folder)?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT.min(options.idle))
            .pool_max_idle_per_host(options.parallel)
            .dns_resolver(redirect_policy::Resolver::shared(self.named.clone()));
        let builder = match &self.way {
            Some(way) => builder.proxy(way.proxy().map_err(failed)?),
            None => builder.no_proxy(),
        };
        builder.build().map_err(failed)
    }
}

/// Returns true if the other side answers a TLS greeting in plain text. No connection is an error:
/// it decides nothing.
pub(in super::super) async fn is_plain_http(http: &Client, base: &Url) -> reqwest::Result<bool> {
    match http.get(base.clone()).send().await {
        Ok(_) => Ok(false),
        Err(error) => match tls::cause(&error) {
            Some(rustls::Error::InvalidMessage(_)) => Ok(true),
            Some(_) => Ok(false),
            None => Err(error),
        },
    }
}
