//! An HTTP server that finishes its open requests when a signal stops it.

use std::future::IntoFuture;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::log;

/// The time that open requests get after SIGTERM; Docker kills after 10 s.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(8);

/// Errors of the server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The system refused threads or an event queue.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// Without its signals the program could not be stopped cleanly.
    #[error("cannot watch for signals")]
    Signals(#[source] io::Error),
    /// The address is in use or does not belong to this machine.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// Accepting connections failed.
    #[error("serving failed")]
    Serve(#[source] io::Error),
    /// Open requests did not finish in time.
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
    /// If the system refuses.
    pub async fn open(address: IpAddr, port: u16) -> Result<Self, ServeError> {
        // Before the port opens: for process 1 of a container, the kernel drops a signal
        // without a handler, and another process can send one as soon as it sees the port.
        let terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
        let wanted = SocketAddr::from((address, port));
        let refused = |why| ServeError::Listen(wanted, why);
        let listener = TcpListener::bind(wanted).await.map_err(refused)?;
        log::info(&format!("listening on {}", listener.local_addr().map_err(refused)?));
        Ok(Self { listener, terminate, interrupt })
    }

    /// Serves `pages` until SIGTERM or SIGINT, then finishes open requests for at most `drain`.
    ///
    /// # Errors
    ///
    /// If accepting fails, or if requests are still open after `drain`.
    pub async fn serve(mut self, pages: Router, drain: Duration) -> Result<(), ServeError> {
        let (stop, stopping) = oneshot::channel::<()>();
        let serving = axum::serve(self.listener, pages).with_graceful_shutdown(async move {
            // An error means that the sender was dropped, which also ends the server.
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
        log::info(&format!("{name}: finishing open requests"));
        // Sending fails only if the server has ended already.
        let _ = stop.send(());
        match tokio::time::timeout(drain, serving).await {
            Ok(ended) => served(ended),
            Err(_) => Err(ServeError::CutOff(drain)),
        }
    }
}
