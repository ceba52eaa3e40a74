//! A stand-in for Grafana, for machines where Grafana itself cannot be had.
//!
//! It shows if Grafana would load the plugins of an image and find its datasources. It has no
//! dashboards, users or pages. Its own name is in the `Server` header of every response, in
//! `/api/health` and on `/`.
//!
//! | module | provides |
//! |---|---|
//! | [`args`] | the command line of `grafana server` |
//! | [`config`] | the `GF_*` variables that it honours |
//! | [`homepath`] | the directory with Grafana's defaults and the plugins that come with it |
//! | [`preinstall`] | the plugins that Grafana fetches at each start, unless that is disabled |
//! | [`discover`] | directories with a `plugin.json`, found by Grafana's rules |
//! | [`plugin`] | loading or refusing one plugin |
//! | [`manifest`] | the comparison of a plugin's files with `MANIFEST.txt` |
//! | [`datasources`] | provisioned datasources, with variables filled in |
//! | [`data`] | the data directory, which has to be writable |
//! | [`routes`] | the HTTP responses |
//! | [`types`] | types that `discover`, `plugin` and `manifest` share |
//!
//! The key of a signature is not checked: a plugin whose files match its manifest has the signature
//! `unchecked`, where Grafana reports `valid`.

mod args;
mod config;
mod data;
mod datasources;
mod discover;
mod homepath;
mod manifest;
mod plugin;
mod preinstall;
mod routes;
mod types;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use demo_service::serve::{DEFAULT_DRAIN, ServeError, Server};
use demo_service::{BadVariable, log};

use args::Args;
use config::Config;
use preinstall::Preinstall;
use routes::App;

/// Errors that end the stand-in.
#[derive(Debug, thiserror::Error)]
enum StandInError {
    #[error(transparent)]
    Arguments(#[from] args::ArgumentError),
    #[error("invalid environment variable")]
    Config(#[from] BadVariable),
    #[error(transparent)]
    Homepath(#[from] homepath::NoDefaults),
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
    let args = Args::parse(std::env::args_os().skip(1))?;
    let variable = |name: &str| std::env::var(name).ok();
    let config = Config::read(variable)?;
    let core = homepath::plugin_ids(args.homepath.as_deref().unwrap_or(Path::new(".")))?;
    log::info("this is a stand-in: it loads plugins by Grafana's rules, and is not Grafana");
    let state = data::open(&config.data)?;
    let datasources = datasources::read(&config.provisioning.join("datasources"), variable)?;
    log::info(&format!("{} datasources provisioned", datasources.len()));
    let plugins = load(&config);
    warn_missing_types(&datasources, &core, &plugins);
    let preinstall = Preinstall::new(config.preinstall_from);
    let app = Arc::new(App { state, plugins, datasources, preinstall });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let served = runtime.block_on(async {
        let server = Server::open(config.address, config.port).await?;
        let background = Arc::clone(&app);
        tokio::spawn(async move { background.preinstall.run().await });
        server.serve(routes::router(app), DEFAULT_DRAIN).await
    });
    // A connection attempt must not delay the exit.
    runtime.shutdown_background();
    Ok(served?)
}

/// Loads the plugins, and logs each refusal with its reason.
fn load(config: &Config) -> Vec<plugin::Plugin> {
    let mut loaded = Vec::new();
    for found in discover::find(&config.plugins) {
        match found.and_then(|dir| plugin::load(dir, &loaded, &config.allow_unsigned)) {
            Ok(plugin) => {
                let (id, dir) = (&plugin.id, plugin.dir.display());
                log::info(&format!("plugin {id} loaded from {dir}"));
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

/// Logs datasources whose type is neither built into Grafana nor a loaded plugin.
fn warn_missing_types(
    datasources: &[serde_json::Value],
    core: &BTreeSet<String>,
    plugins: &[plugin::Plugin],
) {
    for one in datasources {
        let text = |key: &str| one.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
        let (name, kind) = (text("name"), text("type"));
        if !core.contains(kind) && !plugins.iter().any(|plugin| plugin.id == kind) {
            log::warn(&format!("data source {name}: there is no plugin for the type {kind}"));
        }
    }
}
