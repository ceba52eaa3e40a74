//! Where a registry may send us.
//!
//! A redirect, an upload's location and a token's realm are the registry's words. A public
//! registry has no business with this machine or its neighbours on the link: such addresses
//! hold metadata services and admin pages. Names are checked again after they are resolved.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

use super::super::RegistryError;

/// Where clouds tell a machine its own secrets, besides the link's addresses: Oracle, Alibaba,
/// Amazon, Google.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Addresses that only a registry on this machine may send us to.
fn is_near(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    if METADATA.contains(&ip) {
        return true;
    }
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified(),
    }
}

/// Whether a host, as it stands in a URL, is this machine.
pub(in super::super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare.ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Checks a URL that the registry named against the one that we came from. Plain HTTP is for the
/// hosts in `insecure`, for the registry itself and for a registry's neighbours on this machine.
pub(in super::super) fn check(
    registry: &Url,
    from: &Url,
    to: &Url,
    insecure: &[String],
) -> Result<(), RegistryError> {
    let refuse =
        |why| Err(RegistryError::Redirect { registry: host_of(registry), target: shown(to), why });
    let is_registry = host_of(to) == host_of(registry);
    let is_local = registry.host_str().is_some_and(is_loopback);
    let bare = to.host_str().unwrap_or_default();
    match to.scheme() {
        "https" => {}
        "http" if insecure.iter().any(|named| is_host(to, named)) => {}
        "http" if from.scheme() != "http" => {
            return refuse("it would leave https for plain http");
        }
        "http" if is_registry && registry.scheme() == "http" => {}
        "http" if is_local && is_loopback(bare) => {}
        "http" => return refuse("it speaks plain http, and `--insecure-http` does not name it"),
        _ => return refuse("it is neither http nor https"),
    }
    if is_registry || is_local {
        return Ok(());
    }
    let literal = bare.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match is_loopback(bare) || literal.is_ok_and(is_near) {
        true => refuse("it is an address of this machine or its link, and the registry is not"),
        false => Ok(()),
    }
}

/// Returns true if a URL's host and port are those that the user wrote; port 80 may be left out.
fn is_host(url: &Url, named: &str) -> bool {
    let with_port = || Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?));
    named == host_of(url) || with_port().is_some_and(|host| host == named)
}

/// Whether two URLs are served by the same host, port and protocol.
pub(in super::super) fn is_same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && host_of(a) == host_of(b)
}

/// Host and port as people write them.
pub(in super::super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A URL without what may be secret in it: its query often is a signature.
pub(in super::super) fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), host_of(url), url.path())
}

/// Resolves names as the system does, and drops near addresses for all hosts but those that the
/// user named.
#[derive(Debug)]
pub(in super::super) struct Resolver {
    /// The registry's host first, then its proxy's; without ports.
    named: Vec<String>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let own = self.named.iter().any(|named| named == name.as_str())
            || self.named.first().is_some_and(|registry| is_loopback(registry));
        Box::pin(async move {
            let found: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| own || !is_near(address.ip())).collect();
            match allowed.is_empty() {
                true => Err(std::io::Error::other(format!(
                    "`{}` has no address that a registry may send cooper to",
                    name.as_str()
                ))
                .into()),
                false => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

impl Resolver {
    pub(in super::super) fn shared(named: Vec<String>) -> Arc<Self> {
        Arc::new(Self { named })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_registry_cannot_send_us_home() {
        // faults 89 and 90
        let registry: Url = "https://registry.example.org/v2/".parse().unwrap();
        for (to, good) in [
            ("https://cdn.example.net/blob", true),
            ("https://registry.example.org/other", true),
            ("http://registry.example.org/other", false),
            ("https://127.0.0.1/", false),
            ("https://localhost/", false),
            ("https://169.254.169.254/latest/meta-data", false),
            ("https://[::1]/", false),
            ("https://[fe80::1]/", false),
            ("https://[::ffff:169.254.169.254]/", false),
            ("https://0.0.0.0/", false),
            ("https://100.100.100.200/latest/meta-data", false),
            ("https://[fd00:ec2::254]/latest/meta-data", false),
            ("https://[fd00:ec2::253]/", true),
            ("ftp://registry.example.org/", false),
            ("file:///etc/passwd", false),
        ] {
            let to: Url = to.parse().unwrap();
            assert_eq!(check(&registry, &registry, &to, &[]).is_ok(), good, "{to}");
        }
    }

    #[test]
    fn plain_http_needs_the_users_permission_for_each_host() {
        let insecure = ["r.example:5000".to_owned(), "store.example:80".into()];
        for (registry, to, good) in [
            ("http://r.example:5000/v2/", "http://r.example:5000/blob", true),
            ("http://r.example:5000/v2/", "http://store.example/blob", true),
            ("http://r.example:5000/v2/", "http://cdn.example/blob", false),
            ("http://r.example:5000/v2/", "http://store.example:81/blob", false),
            ("http://r.example:5000/v2/", "https://cdn.example/blob", true),
            ("http://127.0.0.1:5000/v2/", "http://127.0.0.1:6000/blob", true),
            ("http://127.0.0.1:5000/v2/", "http://localhost/blob", true),
            ("http://127.0.0.1:5000/v2/", "http://cdn.example/blob", false),
            ("http://localhost:5000/v2/", "http://store.example/blob", true),
            ("https://r.example/v2/", "http://store.example/blob", true),
            ("https://r.example/v2/", "http://r.example/blob", false),
        ] {
            let (from, to): (Url, Url) = (registry.parse().unwrap(), to.parse().unwrap());
            assert_eq!(check(&from, &from, &to, &insecure).is_ok(), good, "{registry} {to}");
        }
    }

    #[test]
    fn a_name_that_leads_home_is_followed_only_where_the_user_named_it() {
        // fault 90: what a name resolves to counts, not how it looks
        let runtime = crate::transport::http::runtime().unwrap();
        for (named, good) in [
            (&["registry.example.org"][..], false),
            (&["registry.example.org", "localhost"], true),
            (&["localhost"], true),
            (&["127.0.0.1"], true),
        ] {
            let named = named.iter().map(|name| (*name).to_owned()).collect();
            let resolver = Resolver::shared(named);
            let found = runtime.block_on(resolver.resolve("localhost".parse().unwrap()));
            assert_eq!(found.is_ok(), good);
        }
    }

    #[test]
    fn what_is_shown_of_a_url_holds_no_signature() {
        let url: Url = "https://user:pw@cdn.example.net/blob?X-Signature=s3cret".parse().unwrap();
        assert_eq!(shown(&url), "https://cdn.example.net/blob");
    }
}
