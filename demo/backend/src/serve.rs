//! From the open port to the last finished request.

use std::future::IntoFuture;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::config::{BadVariable, Config};
use crate::log;
use crate::metrics::Metrics;
use crate::routes::{App, router};
use crate::tracing::Tracing;

/// Why the backend did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("the environment is wrong")]
    Config(#[from] BadVariable),
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    #[error("cannot watch for signals")]
    Signals(#[source] io::Error),
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    #[error("cannot set up metrics")]
    Metrics(#[from] prometheus::Error),
    #[error("cannot set up tracing")]
    Tracing(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error("serving failed")]
    Serve(#[source] io::Error),
    #[error("requests were cut off, as they took longer than {} s to finish", .0.as_secs())]
    CutOff(Duration),
}

/// Serves until SIGTERM or SIGINT, and until what was being answered then is answered.
pub(crate) fn run() -> Result<(), ServeError> {
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
    // The runtime still turns its wheels for this: the spans travel over it.
    tracing.flush();
    runtime.shutdown_timeout(Duration::from_millis(100));
    if served.is_ok() {
        log::info("stopped");
    }
    served
}

async fn serve(config: Config, metrics: Metrics, tracing: Tracing) -> Result<(), ServeError> {
    // Before the port is open: as process 1 of a container, a signal without a handler is lost.
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;

    let wanted = SocketAddr::from((Ipv4Addr::UNSPECIFIED, config.port));
    let listener = TcpListener::bind(wanted)
        .await
        .map_err(|why| ServeError::Listen(wanted, why))?;
    let at = listener
        .local_addr()
        .map_err(|why| ServeError::Listen(wanted, why))?;
    log::info(&format!("listening on {at}"));
    if let Some(server) = &config.spans_to {
        log::info(&format!("spans go to {server}"));
    }
    if let Some(server) = &config.pyroscope {
        log::info(&format!(
            "no profiles go to {server}: there is no profiler in this program"
        ));
    }

    let drain = config.drain;
    let app = Arc::new(App {
        config,
        metrics,
        tracing,
        began: Instant::now(),
    });
    let (stop, stopping) = oneshot::channel::<()>();
    let serving = axum::serve(listener, router(app)).with_graceful_shutdown(async move {
        // An error means that the sender is gone, which ends the program just as well.
        let _ = stopping.await;
    });
    let mut serving = tokio::spawn(serving.into_future());

    tokio::select! {
        _ = terminate.recv() => log::info("SIGTERM: finishing what is being answered"),
        _ = interrupt.recv() => log::info("SIGINT: finishing what is being answered"),
        ended = &mut serving => return ended.map_err(io::Error::from).flatten().map_err(ServeError::Serve),
    }
    // The receiver can be gone only when serving has ended, which is what is wanted.
    let _ = stop.send(());
    match tokio::time::timeout(drain, serving).await {
        Ok(ended) => ended
            .map_err(io::Error::from)
            .flatten()
            .map_err(ServeError::Serve),
        Err(_) => Err(ServeError::CutOff(drain)),
    }
}
