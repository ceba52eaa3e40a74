//! A proxy between us and a registry, as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name it.
//!
//! This machine is never reached through one. A proxy resolves names itself, so what a registry
//! may not send us to is then told by the name or address alone.

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{NoProxy, Url};

use super::super::{RegistryError, Secret};
use super::redirect_policy;

/// The proxies that the user has: each a URL, or a host and a port, maybe with a password.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// For registries that are spoken to over TLS.
    pub https: Option<Secret>,
    /// For registries that are spoken to over plain HTTP.
    pub http: Option<Secret>,
    /// Hosts that are reached without, between commas: names with all below them, addresses,
    /// networks, or `*`; with a port for that port alone.
    pub except: String,
}

/// The proxy for one registry, and for where that sends us.
#[derive(Debug)]
pub(in super::super) struct ProxyRoute {
    url: Secret,
    except: String,
    /// Tells which hosts it is for.
    matcher: Matcher,
    /// Host and port.
    shown: String,
    /// Its own host, which the user named and not the registry.
    pub(in super::super) host: String,
}

impl ProxyRoute {
    /// Finds the proxy that counts for a registry.
    pub(in super::super) fn find(
        proxies: &Proxies,
        base: &Url,
    ) -> Result<Option<Self>, RegistryError> {
        let named = if base.scheme() == "https" { &proxies.https } else { &proxies.http };
        let Some(named) = named else { return Ok(None) };
        if base.host_str().is_some_and(redirect_policy::is_loopback) {
            return Ok(None);
        }
        let except = except(&proxies.except, base.port_or_known_default());
        let matcher = Matcher::builder().all("http://proxy").no(except.clone()).build();
        match parse(named.reveal()) {
            Ok(url) => {
                let host = url.host_str().unwrap_or_default().to_owned();
                let shown = redirect_policy::host_of(&url);
                Ok(Some(Self { url: Secret::new(url), except, matcher, shown, host }))
            }
            // What is reached without a proxy needs no good one.
            Err(_) if !goes_through(&matcher, base) => Ok(None),
            Err(why) => Err(RegistryError::Proxy { host: redirect_policy::host_of(base), why }),
        }
    }

    /// The same for the HTTP client.
    ///
    /// A proxy that is spoken to over TLS itself is given the trust of the host behind it, and
    /// shown the certificate of this client for that host if it asks for one: reqwest has one
    /// configuration for both. It learns the name in it, and not the key.
    pub(in super::super) fn proxy(&self) -> reqwest::Result<reqwest::Proxy> {
        let proxy = reqwest::Proxy::all(self.url.reveal())?;
        Ok(proxy.no_proxy(NoProxy::from_string(&self.except)))
    }

    /// The proxy, if a request goes through it.
    pub(in super::super) fn to(&self, url: &Url) -> Option<&str> {
        goes_through(&self.matcher, url).then_some(&self.shown)
    }
}

fn goes_through(matcher: &Matcher, url: &Url) -> bool {
    url.as_str().parse().is_ok_and(|url| matcher.intercept(&url).is_some())
}

/// An error has none of the proxy's words: they may hold a password.
fn parse(text: &str) -> Result<Url, &'static str> {
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&text).map_err(|_| "it is no url")?;
    match (url.scheme(), url.has_host()) {
        ("http" | "https", true) => Ok(url),
        ("http" | "https", false) => Err("it has no host"),
        _ => Err("cooper speaks to proxies over http and https only"),
    }
}

/// Such a list in the words of the matcher, which knows neither ports nor `*.` before a name.
fn except(list: &str, port: Option<u16>) -> String {
    let entries = list.split(',').map(str::trim).filter_map(|entry| {
        let entry = match entry.rsplit_once(':') {
            // The colons of an IPv6 address are not before a port.
            Some((host, number)) if !host.contains(':') || host.ends_with(']') => {
                let meant = number.parse().is_ok_and(|number| port == Some(number));
                meant.then_some(host)?
            }
            _ => entry,
        };
        let entry = entry.strip_prefix("*.").unwrap_or(entry);
        Some(entry.trim_start_matches('[').trim_end_matches(']'))
    });
    entries.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(proxy: &str, except: &str, registry: &str) -> Result<Option<String>, RegistryError> {
        let proxies =
            Proxies { https: Some(Secret::new(proxy)), http: None, except: except.into() };
        let base = format!("https://{registry}/v2/").parse().unwrap();
        let way = ProxyRoute::find(&proxies, &base)?;
        assert!(!format!("{way:?}").contains("s3cret"));
        Ok(way.and_then(|way| way.to(&base).map(str::to_owned)))
    }

    #[test]
    fn a_registry_is_reached_through_the_proxy_unless_it_is_excepted() {
        // fault 81
        let proxy = "http://me:s3cret@proxy.example:3128/";
        for (except, registry, through) in [
            ("", "registry.example", true),
            ("registry.example", "registry.example", false),
            (".example", "registry.example:5000", false),
            ("*.example", "registry.example", false),
            ("registry.example:5000", "registry.example:5000", false),
            ("registry.example:5000", "registry.example", true),
            ("other.example, 10.0.0.0/8", "10.1.2.3:5000", false),
            ("10.0.0.0/8", "11.1.2.3", true),
            ("[fd00::1]:5000", "[fd00::1]:5000", false),
            ("fd00::/8", "[fd00::1]", false),
            ("*", "registry.example", false),
            ("", "localhost:5000", false),
            ("", "127.0.0.1:5000", false),
            ("", "[::1]:5000", false),
        ] {
            let found = way(proxy, except, registry).unwrap();
            assert_eq!(found.as_deref(), through.then_some("proxy.example:3128"), "{registry}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_where_it_would_be_and_never_shows_a_password() {
        // fault 81
        for proxy in ["socks5://me:s3cret@proxy:1080", "http://", "http://me:s3cret@:x"] {
            let error = way(proxy, "", "registry.example").unwrap_err().to_string();
            assert!(error.contains("`registry.example`") && !error.contains("s3cret"), "{error}");
            assert_eq!(way(proxy, "registry.example", "registry.example").unwrap(), None);
            assert_eq!(way(proxy, "", "localhost").unwrap(), None);
        }
    }
}
