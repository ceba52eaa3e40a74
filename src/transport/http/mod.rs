//! What those share that speak HTTP: one runtime, and bodies that are made as they are sent.

pub(in crate::transport) mod certificates;
use std::io;
use std::sync::OnceLock;

use futures_util::{Stream, stream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::Receiver;

/// One for the process, for ever: a task that ends last may not drop its own runtime.
pub(super) fn runtime() -> io::Result<Handle> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle().clone());
    }
    let made = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    Ok(RUNTIME.get_or_init(|| made).handle().clone())
}

/// A body made of what comes out of a channel; it ends with the channel.
pub(super) fn chunks(
    receiver: Receiver<io::Result<Vec<u8>>>,
) -> impl Stream<Item = io::Result<Vec<u8>>> {
    stream::unfold(receiver, async |mut receiver| {
        let chunk = receiver.recv().await?;
        Some((chunk, receiver))
    })
}
