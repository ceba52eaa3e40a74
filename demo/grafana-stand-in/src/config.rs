//! The supported `GF_*` variables, with Grafana's defaults.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use axum::http::Uri;
use demo_service::{BadVariable, port};

/// The default plugin catalog of Grafana.
const CATALOG: &str = "https://grafana.com";
/// The values that Grafana's configuration takes for true.
const TRUE: [&str; 12] =
    ["1", "t", "T", "TRUE", "true", "True", "YES", "yes", "Yes", "y", "ON", "on"];

/// The settings, parsed.
#[derive(Debug)]
pub(crate) struct Config {
    /// The plugins directory.
    pub(crate) plugins: PathBuf,
    /// The directory that has `datasources/*.yaml`.
    pub(crate) provisioning: PathBuf,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// The address to listen on.
    pub(crate) address: IpAddr,
    /// The port to listen on; 0 lets the system choose.
    pub(crate) port: u16,
    /// Ids of plugins that need no signature.
    pub(crate) allow_unsigned: Vec<String>,
    /// The catalog that plugins are fetched from at each start, unless that is disabled.
    pub(crate) preinstall_from: Option<Uri>,
}

impl Config {
    /// Reads the settings through `look_up`.
    pub(crate) fn read(look_up: impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        let set = |name| look_up(name).filter(|value| !value.trim().is_empty());
        let path = |name, default| set(name).map_or_else(|| PathBuf::from(default), PathBuf::from);
        let address = match set("GF_SERVER_HTTP_ADDR") {
            None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Some(value) => value.trim().parse().map_err(|_| BadVariable {
                name: "GF_SERVER_HTTP_ADDR",
                value,
                why: "is not an IP address; write one like 127.0.0.1",
            })?,
        };
        let allowed = set("GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS").unwrap_or_default();
        let disabled = set("GF_PLUGINS_PREINSTALL_DISABLED");
        let preinstall_from = match disabled.filter(|value| TRUE.contains(&value.as_str())) {
            Some(_) => None,
            None => Some(catalog(set("GF_GRAFANA_COM_URL"))?),
        };
        Ok(Self {
            plugins: path("GF_PATHS_PLUGINS", "/var/lib/grafana/plugins"),
            provisioning: path("GF_PATHS_PROVISIONING", "/etc/grafana/provisioning"),
            data: path("GF_PATHS_DATA", "/var/lib/grafana"),
            address,
            port: port("GF_SERVER_HTTP_PORT", set("GF_SERVER_HTTP_PORT"), 3000)?,
            allow_unsigned: allowed.split(',').map(|id| id.trim().to_owned()).collect(),
            preinstall_from,
        })
    }
}

fn catalog(value: Option<String>) -> Result<Uri, BadVariable> {
    let value = value.unwrap_or_else(|| CATALOG.to_owned());
    match value.trim().parse::<Uri>() {
        Ok(uri) if uri.scheme().is_some() && uri.host().is_some() => Ok(uri),
        _ => Err(BadVariable {
            name: "GF_GRAFANA_COM_URL",
            value,
            why: "is not a URL; write one like https://grafana.example.org",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preinstall(disabled: Option<&str>) -> Option<String> {
        let read = Config::read(|name| match name {
            "GF_PLUGINS_PREINSTALL_DISABLED" => disabled.map(str::to_owned),
            _ => None,
        });
        read.unwrap().preinstall_from.map(|uri| uri.to_string())
    }

    #[test]
    fn plugins_are_fetched_unless_that_is_disabled() {
        for value in ["true", "1", "on", "Yes"] {
            assert_eq!(preinstall(Some(value)), None, "{value}");
        }
        for value in [None, Some(""), Some("false"), Some("tRUE"), Some("disabled")] {
            assert_eq!(preinstall(value).as_deref(), Some("https://grafana.com/"), "{value:?}");
        }
    }
}
