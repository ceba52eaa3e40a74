//! A small backend that needs what a typical service needs from its image.
//!
//! | module | provides |
//! |---|---|
//! | [`config`] | settings from the environment, checked at the start |
//! | [`routes`] | the pages, and the layer that counts, times and traces each request |
//! | [`metrics`] | `/metrics`, in Prometheus' text format |
//! | [`tracing`] | spans, sent over OTLP in batches, without delaying requests |
//!
//! `demo-service` listens, logs and stops. There is no TLS (a proxy or a mesh provides it), no
//! profiler (see `/v1/health`), and no state: any number of instances can run in parallel.

mod config;
mod metrics;
mod routes;
mod tracing;

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use demo_service::serve::{ServeError, Server};
use demo_service::{BadVariable, UnknownArgument, log, no_arguments};

use config::Config;
use metrics::Metrics;
use routes::App;
use tracing::Tracing;

/// Errors that end the backend.
#[derive(Debug, thiserror::Error)]
enum BackendError {
    #[error(transparent)]
    Arguments(#[from] UnknownArgument),
    #[error("invalid environment variable")]
    Config(#[from] BadVariable),
    #[error("cannot set up metrics")]
    Metrics(#[from] prometheus::Error),
    #[error("cannot set up tracing")]
    Tracing(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error(transparent)]
    Serve(#[from] ServeError),
}

fn main() -> ExitCode {
    demo_service::ended(run())
}

fn run() -> Result<(), BackendError> {
    no_arguments(std::env::args_os().skip(1))?;
    let config = Config::read(|name| std::env::var(name).ok())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let metrics = Metrics::new()?;
    let tracing = {
        let _in_runtime = runtime.enter();
        Tracing::start(&config, &metrics)?
    };
    let served = runtime.block_on(serve(config, metrics, tracing.clone()));
    // Spans are sent by tasks of the runtime, so it must still run.
    tracing.flush();
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(served?)
}

async fn serve(config: Config, metrics: Metrics, tracing: Tracing) -> Result<(), ServeError> {
    let server = Server::open(IpAddr::V4(Ipv4Addr::UNSPECIFIED), config.port).await?;
    if let Some(to) = &config.spans_to {
        log::info(&format!("spans go to {to}"));
    }
    if let Some(to) = &config.pyroscope {
        log::info(&format!("no profiles are sent to {to}: this program has no profiler"));
    }
    let drain = config.drain;
    let app = App { config, metrics, tracing, began: Instant::now() };
    server.serve(routes::router(Arc::new(app)), drain).await
}
