//! The plugins that Grafana, from 11.3 on, fetches in the background at each start, unless
//! `GF_PLUGINS_PREINSTALL_DISABLED` is set.
//!
//! The stand-in connects to the same host and installs nothing. An image that depends on the
//! network therefore fails in the same way, and shows it in its log and in `/api/health`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::Uri;
use demo_service::log;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The plugins on Grafana's default list.
const APPS: [&str; 4] = [
    "grafana-exploretraces-app",
    "grafana-lokiexplore-app",
    "grafana-metricsdrilldown-app",
    "grafana-pyroscope-app",
];
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The state of the background installation.
#[derive(Debug)]
pub(crate) struct Preinstall {
    catalog: Option<Uri>,
    ended: AtomicBool,
}

impl Preinstall {
    /// Creates an installation from `catalog`; `None` disables it.
    pub(crate) fn new(catalog: Option<Uri>) -> Self {
        Self { catalog, ended: AtomicBool::new(false) }
    }

    /// Returns the state as `/api/health` names it.
    pub(crate) fn state(&self) -> &'static str {
        match self.catalog {
            None => "disabled",
            Some(_) if self.ended.load(Ordering::Relaxed) => "failed",
            Some(_) => "running",
        }
    }

    /// Connects to the catalog, once for each plugin.
    pub(crate) async fn run(&self) {
        let Some(catalog) = &self.catalog else { return };
        for plugin in APPS {
            log::info(&format!("Installing plugin pluginId={plugin}"));
            let why = match reach(catalog).await {
                Ok(()) => "the catalog is reachable, but this stand-in does not install plugins"
                    .to_owned(),
                Err(why) => why,
            };
            log::error(&format!("Failed to install plugin pluginId={plugin} error={why:?}"));
        }
        self.ended.store(true, Ordering::Relaxed);
    }
}

async fn reach(catalog: &Uri) -> Result<(), String> {
    let host = catalog.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let default = if catalog.scheme_str() == Some("http") { 80 } else { 443 };
    let port = catalog.port_u16().unwrap_or(default);
    match timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("{catalog}: {error}")),
        Err(_) => Err(format!("{catalog}: no connection within {} s", CONNECT_TIMEOUT.as_secs())),
    }
}
