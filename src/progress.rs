//! Progress of long operations. Only `cli` prints; other modules call a [`Reporter`].

use std::fmt::Debug;

/// A receiver of progress and warnings. Every method may be called from any thread; the default
/// methods do nothing.
pub trait Reporter: Debug + Send + Sync {
    /// Starts a task with a description and, if known, the number of bytes that it will process.
    fn start(&self, what: &str, bytes: Option<u64>) -> Box<dyn Task> {
        let _ = (what, bytes);
        Box::new(NoTask)
    }

    /// Starts a group of tasks, such as the layers of an image. Tasks that start in the returned
    /// reporter belong to the group. Returns `None` if this reporter does not show groups.
    fn group(&self, what: &str, bytes: u64) -> Option<Box<dyn Reporter>> {
        let _ = (what, bytes);
        None
    }

    /// Reports that `bytes` of a group need no work.
    fn skip(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Reports a warning.
    fn warn(&self, message: &str) {
        let _ = message;
    }
}

/// A task in progress; a drop ends it.
pub trait Task: Debug + Send + Sync {
    /// Reports that `bytes` more are processed.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Reports that `bytes` of the task need no work.
    fn skip(&self, bytes: u64) {
        let _ = bytes;
    }
}

/// Returns a reporter for `count` images, which form a group if there are several.
pub fn images(reporter: &dyn Reporter, count: usize, bytes: u64) -> GroupReporter<'_> {
    let whole = (count > 1).then(|| reporter.group(&format!("{count} images"), bytes)).flatten();
    GroupReporter { whole, reporter }
}

/// A reporter for the tasks of a group, or the original one if it does not show groups.
#[derive(Debug)]
pub struct GroupReporter<'a> {
    whole: Option<Box<dyn Reporter>>,
    reporter: &'a dyn Reporter,
}

impl GroupReporter<'_> {
    /// Returns the reporter for the tasks of the group.
    pub fn reporter(&self) -> &dyn Reporter {
        self.whole.as_deref().map_or(self.reporter, |whole| whole)
    }
}

/// A reporter that ignores everything.
#[derive(Debug, Clone, Copy)]
pub struct NullReporter;

impl Reporter for NullReporter {}

#[derive(Debug)]
struct NoTask;

impl Task for NoTask {}
