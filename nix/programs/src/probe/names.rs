//! From a host to addresses, without the C library's resolver.
//!
//! glibc's `getaddrinfo` loads `libnss_*.so` at run time; in a static program inside an image
//! without libraries that fails or crashes. A probe looks at its own container, so literals,
//! `localhost` and what the container runtime wrote into `/etc/hosts` are enough.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::Unhealthy;
use super::target::{Host, Target};

const HOSTS: &str = "/etc/hosts";

/// The addresses of `target`'s host, best first.
///
/// # Errors
///
/// When its name is neither `localhost` nor in `/etc/hosts`.
pub fn resolve(target: &Target) -> Result<Vec<SocketAddr>, Unhealthy> {
    let addresses = match &target.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => look_up(name, Path::new(HOSTS))?,
    };
    Ok(addresses.into_iter().map(|address| SocketAddr::new(address, target.port)).collect())
}

fn look_up(name: &str, hosts: &Path) -> Result<Vec<IpAddr>, Unhealthy> {
    let table = match fs::read_to_string(hosts) {
        Ok(table) => table,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Unhealthy::Hosts(error)),
    };
    let mut found = in_table(name, &table);
    if found.is_empty() && name == "localhost" {
        found = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    if found.is_empty() {
        return Err(Unhealthy::UnknownName(name.to_owned()));
    }
    Ok(found)
}

fn in_table(name: &str, table: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in table.lines() {
        let entry = line.split('#').next().unwrap_or_default();
        let mut fields = entry.split_whitespace();
        let Some(Ok(address)) = fields.next().map(str::parse) else {
            continue;
        };
        if fields.any(|alias| alias.eq_ignore_ascii_case(name)) && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# made by a runtime\n127.0.0.1 localhost\n::1\tlocalhost ip6-localhost\n\
                         10.88.0.7  Pod-1 pod # this one\nnot-an-address pod\nfe80::1%eth0 pod\n";

    #[test]
    fn aliases_are_found_in_order_and_without_regard_to_case() {
        let all: Vec<String> = in_table("localhost", TABLE).iter().map(IpAddr::to_string).collect();
        assert_eq!(all, ["127.0.0.1", "::1"]);
        assert_eq!(in_table("pod-1", TABLE), ["10.88.0.7".parse::<IpAddr>().unwrap()]);
        assert!(in_table("this", TABLE).is_empty());
    }

    #[test]
    fn localhost_is_known_even_without_a_hosts_file() {
        let all = look_up("localhost", Path::new("/missing/hosts")).unwrap();
        assert_eq!(all, [IpAddr::from([127, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()]);
    }

    #[test]
    fn other_names_are_refused_with_advice() {
        let why = look_up("backend", Path::new("/missing/hosts")).unwrap_err().to_string();
        assert!(why.contains("`backend`") && why.contains("127.0.0.1"), "{why}");
    }
}
