//! How rooms tell what they are doing. Only `cli` prints; the others call a [`Reporter`].

use std::fmt::Debug;

/// Hears what happens while an image is made or moved. Every method may be called from any
/// thread, and the default of each does nothing.
pub trait Reporter: Debug + Send + Sync {
    /// A piece of work starts: `what` as people read it, `bytes` it will handle if known.
    fn start(&self, what: &str, bytes: Option<u64>) -> Box<dyn Task> {
        let _ = (what, bytes);
        Box::new(NoTask)
    }

    /// Something that the user should know and that stops nothing.
    fn warn(&self, message: &str) {
        let _ = message;
    }
}

/// One piece of work under way; dropping it ends it.
pub trait Task: Debug + Send {
    /// So many more bytes are done.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }
}

/// Hears nothing: for tests and for callers that do not care.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Reporter for Silent {}

#[derive(Debug)]
struct NoTask;

impl Task for NoTask {}
