//! From the open port to the last finished request.

use std::future::IntoFuture;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::log;

/// How long the last requests may take after SIGTERM; Docker waits ten seconds in all.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(8);

/// Why serving did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The system gives no threads or no event queue.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// Without its signals the program could not be stopped cleanly.
    #[error("cannot watch for signals")]
    Signals(#[source] io::Error),
    /// The address is taken or not this machine's.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The port broke while it was being served.
    #[error("serving failed")]
    Serve(#[source] io::Error),
    /// Stopping took too long.
    #[error("requests were cut off, as they took longer than {} s to finish", .0.as_secs())]
    CutOff(Duration),
}

/// An open port, and the signals that close it.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    terminate: Signal,
    interrupt: Signal,
}

impl Server {
    /// Opens `port` at `address`.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub async fn open(address: IpAddr, port: u16) -> Result<Self, ServeError> {
        // Before the port is open: as process 1 of a container, a signal without a handler is
        // lost, and whoever sees the port may send one.
        let terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
        let wanted = SocketAddr::from((address, port));
        let refused = |why| ServeError::Listen(wanted, why);
        let listener = TcpListener::bind(wanted).await.map_err(refused)?;
        log::info(&format!("listening on {}", listener.local_addr().map_err(refused)?));
        Ok(Self { listener, terminate, interrupt })
    }

    /// Serves `pages` until SIGTERM or SIGINT, and until what was being answered then is
    /// answered, for as long as `drain` allows.
    ///
    /// # Errors
    ///
    /// When the port breaks, or requests had to be cut off.
    pub async fn serve(mut self, pages: Router, drain: Duration) -> Result<(), ServeError> {
        let (stop, stopping) = oneshot::channel::<()>();
        let serving = axum::serve(self.listener, pages).with_graceful_shutdown(async move {
            // An error means that the sender is gone, which ends the program just as well.
            let _ = stopping.await;
        });
        let mut serving = tokio::spawn(serving.into_future());
        let served = |ended: Result<io::Result<()>, tokio::task::JoinError>| {
            ended.map_err(io::Error::from).flatten().map_err(ServeError::Serve)
        };
        let name = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            ended = &mut serving => return served(ended),
        };
        log::info(&format!("{name}: finishing what is being answered"));
        // The receiver can be gone only when serving has ended, which is what is wanted.
        let _ = stop.send(());
        match tokio::time::timeout(drain, serving).await {
            Ok(ended) => served(ended),
            Err(_) => Err(ServeError::CutOff(drain)),
        }
    }
}
