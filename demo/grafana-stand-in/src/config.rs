//! The `GF_*` variables that are honoured, with Grafana's defaults.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use demo_service::{BadVariable, port};

/// The settings, as they are meant.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where plugins are looked for.
    pub(crate) plugins: PathBuf,
    /// Where `datasources/*.yaml` lie.
    pub(crate) provisioning: PathBuf,
    /// Where state is kept.
    pub(crate) data: PathBuf,
    /// Where to listen.
    pub(crate) address: IpAddr,
    /// Where to listen; 0 lets the system choose.
    pub(crate) port: u16,
    /// Ids of plugins that need no signature.
    pub(crate) allow_unsigned: Vec<String>,
}

impl Config {
    /// Reads the settings with `look_up`.
    pub(crate) fn read(look_up: impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        let set = |name| look_up(name).filter(|value| !value.trim().is_empty());
        let path = |name, default| set(name).map_or_else(|| PathBuf::from(default), PathBuf::from);
        let address = match set("GF_SERVER_HTTP_ADDR") {
            None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Some(value) => value.trim().parse().map_err(|_| BadVariable {
                name: "GF_SERVER_HTTP_ADDR",
                value,
                why: "is no address; write one like 127.0.0.1",
            })?,
        };
        let allowed = set("GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS").unwrap_or_default();
        Ok(Self {
            plugins: path("GF_PATHS_PLUGINS", "/var/lib/grafana/plugins"),
            provisioning: path("GF_PATHS_PROVISIONING", "/etc/grafana/provisioning"),
            data: path("GF_PATHS_DATA", "/var/lib/grafana"),
            address,
            port: port("GF_SERVER_HTTP_PORT", set("GF_SERVER_HTTP_PORT"), 3000)?,
            allow_unsigned: allowed.split(',').map(|id| id.trim().to_owned()).collect(),
        })
    }
}
