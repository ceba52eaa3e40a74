//! A stand-in for Grafana, for machines where Grafana itself cannot be had.
//!
//! It answers one question: would Grafana load the plugins in this image, and find its datasources?
//! It has no dashboards, no users and no pages, and it never claims to be Grafana: its name is in
//! every answer's `Server` header, in `/api/health` and on `/`.
//!
//! | module | what it is for |
//! |---|---|
//! | [`config`] | the `GF_*` variables that it honours |
//! | [`discover`] | folders with a `plugin.json`, found by Grafana's rules |
//! | [`plugin`] | one such folder: is it a plugin, and may it be loaded |
//! | [`manifest`] | what a `MANIFEST.txt` says about a plugin's files |
//! | [`datasources`] | provisioned datasources, with variables filled in |
//! | [`data`] | the data directory, which has to be writable |
//! | [`routes`] | the answers |
//!
//! One thing differs, besides what is absent: a signature's key is not checked, so a plugin whose
//! files match its manifest has the signature `unchecked` where Grafana says `valid`.

mod config;
mod data;
mod datasources;
mod discover;
mod manifest;
mod plugin;
mod routes;

use std::process::ExitCode;
use std::sync::Arc;

use demo_service::serve::{DEFAULT_DRAIN, ServeError, Server};
use demo_service::{BadVariable, log};

use config::Config;
use routes::App;

/// Why the stand-in did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
enum StandInError {
    #[error("the environment is wrong")]
    Config(#[from] BadVariable),
    #[error(transparent)]
    Data(#[from] data::DataError),
    #[error("provisioning failed")]
    Datasources(#[from] datasources::ProvisioningError),
    #[error(transparent)]
    Serve(#[from] ServeError),
}

fn main() -> ExitCode {
    demo_service::ended(run())
}

fn run() -> Result<(), StandInError> {
    let variable = |name: &str| std::env::var(name).ok();
    let config = Config::read(variable)?;
    log::info("this is a stand-in: it loads plugins by Grafana's rules, and is not Grafana");
    let state = data::open(&config.data)?;
    let datasources = datasources::read(&config.provisioning.join("datasources"), variable)?;
    log::info(&format!("{} datasources provisioned", datasources.len()));
    let plugins = load(&config);
    let app = App { state, plugins, datasources };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let served = runtime.block_on(async {
        let server = Server::open(config.address, config.port).await?;
        server.serve(routes::router(Arc::new(app)), DEFAULT_DRAIN).await
    });
    Ok(served?)
}

/// Loads what may be loaded and says what was refused, and why.
fn load(config: &Config) -> Vec<plugin::Plugin> {
    let mut loaded = Vec::new();
    for found in discover::find(&config.plugins) {
        match found.and_then(|folder| plugin::load(folder, &loaded, &config.allow_unsigned)) {
            Ok(plugin) => {
                let (id, folder) = (&plugin.id, plugin.folder.display());
                log::info(&format!("plugin {id} loaded from {folder}"));
                for warning in &plugin.warnings {
                    log::warn(&format!("plugin {id}: {warning}"));
                }
                loaded.push(plugin);
            }
            Err(refusal) => {
                log::warn(&format!("plugin refused: {}", demo_service::in_full(&refusal)));
            }
        }
    }
    loaded
}
