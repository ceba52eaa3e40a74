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

    /// Work that is made of other work starts, as an image is of its layers: what starts in the
    /// answer is part of it, and is told of as any work. None where a whole is not told of.
    fn group(&self, what: &str, bytes: u64) -> Option<Box<dyn Reporter>> {
        let _ = (what, bytes);
        None
    }

    /// So many bytes of a whole need no work.
    fn skip(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Something that the user should know and that stops nothing.
    fn warn(&self, message: &str) {
        let _ = message;
    }
}

/// One piece of work under way; dropping it ends it.
pub trait Task: Debug + Send + Sync {
    /// So many more bytes are done.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }

    /// So many bytes of those that it was to handle need no work.
    fn skip(&self, bytes: u64) {
        let _ = bytes;
    }
}

/// What hears of several images: together they are a whole, one alone is not.
pub fn images(reporter: &dyn Reporter, count: usize, bytes: u64) -> GroupReporter<'_> {
    let whole = (count > 1).then(|| reporter.group(&format!("{count} images"), bytes)).flatten();
    GroupReporter { whole, reporter }
}

/// Who hears of what is part of a whole: the whole, where wholes are told of, or whoever hears of
/// all else.
#[derive(Debug)]
pub struct GroupReporter<'a> {
    whole: Option<Box<dyn Reporter>>,
    reporter: &'a dyn Reporter,
}

impl GroupReporter<'_> {
    /// The reporter for the parts.
    pub fn reporter(&self) -> &dyn Reporter {
        self.whole.as_deref().map_or(self.reporter, |whole| whole)
    }
}

/// Hears nothing: for tests and for callers that do not care.
#[derive(Debug, Clone, Copy)]
pub struct NullReporter;

impl Reporter for NullReporter {}

#[derive(Debug)]
struct NoTask;

impl Task for NoTask {}
