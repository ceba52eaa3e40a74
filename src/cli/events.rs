//! Progress for machines: one JSON object a line, on standard error.
//!
//! ```text
//! {"bytes":31234567,"event":"start","task":1,"what":"glibc-2.40"}
//! {"bytesDone":8388608,"event":"progress","task":1}
//! {"bytesDone":31236096,"event":"done","milliseconds":210,"task":1}
//! {"event":"warning","message":"…"}
//! ```
//!
//! `bytes` is left out where nobody knows it, and is an estimate where it is given. A task that
//! lasts tells of its progress once a second. Whatever else is on standard error, such as the
//! reason of a failure, does not start with a brace.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::output;
use crate::image::json;
use crate::report::{Reporter, Task};

/// So often a task tells how far it is.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Event<'a> {
    Start {
        task: u64,
        what: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
    },
    Progress {
        task: u64,
        bytes_done: u64,
    },
    Done {
        task: u64,
        bytes_done: u64,
        milliseconds: u64,
    },
    Warning {
        message: &'a str,
    },
}

impl Event<'_> {
    fn tell(&self) {
        // Text and numbers always have a JSON.
        if let Ok(bytes) = json::to_bytes(self) {
            output::note(&String::from_utf8_lossy(&bytes));
        }
    }
}

/// Numbers the tasks of one process.
#[derive(Debug, Default)]
pub(super) struct Events {
    tasks: AtomicU64,
}

impl Reporter for Events {
    fn start(&self, what: &str, bytes: Option<u64>) -> Box<dyn Task> {
        let task = self.tasks.fetch_add(1, Ordering::Relaxed) + 1;
        Event::Start { task, what, bytes }.tell();
        let since = Instant::now();
        Box::new(Running { task, since, done: AtomicU64::new(0), told: AtomicU64::new(0) })
    }

    fn warn(&self, message: &str) {
        Event::Warning { message }.tell();
    }
}

/// A task under way; it has told of so many intervals.
#[derive(Debug)]
struct Running {
    task: u64,
    since: Instant,
    done: AtomicU64,
    told: AtomicU64,
}

impl Task for Running {
    fn advance(&self, bytes: u64) {
        let bytes_done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let intervals = self.since.elapsed().as_secs() / INTERVAL.as_secs();
        if self.told.fetch_max(intervals, Ordering::Relaxed) < intervals {
            Event::Progress { task: self.task, bytes_done }.tell();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let bytes_done = self.done.load(Ordering::Relaxed);
        let milliseconds = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        Event::Done { task: self.task, bytes_done, milliseconds }.tell();
    }
}
