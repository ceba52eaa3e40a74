//! Progress for machines: one JSON object a line, on standard error.
//!
//! ```text
//! {"bytes":31234567,"event":"start","task":1,"what":"glibc-2.40"}
//! {"bytesDone":8388608,"event":"progress","task":1}
//! {"bytesDone":31236096,"event":"done","milliseconds":210,"task":1}
//! {"event":"warning","message":"…"}
//! {"causes":["…"],"event":"error","exitCode":1,"hint":"…","message":"…"}
//! ```
//!
//! `bytes` is left out where nobody knows it, and is an estimate where it is given. A task that
//! lasts tells of its progress once a second. An error comes last, mostly alone; its causes are
//! from the outermost to the innermost, and `hint` is left out where there is none. The process ends
//! with the greatest `exitCode`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::output;
use crate::cli::secrets::hide;
use crate::progress::{Reporter, Task};

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
    Error {
        message: &'a str,
        causes: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
        exit_code: u8,
    },
}

impl Event<'_> {
    fn text(&self) -> String {
        // Text and numbers always have a JSON.
        output::json(self).map(|json| json.as_str().trim_end().to_owned()).unwrap_or_default()
    }

    fn tell(&self) {
        output::note(self.text());
    }
}

/// Tells why the process ends with that code, or what else it could not do.
pub(in crate::cli) fn error(message: &str, causes: &[String], hint: Option<&str>, exit_code: u8) {
    // Before the text has JSON's escapes in it.
    let causes: Vec<String> = causes.iter().map(|cause| hide(cause).into_owned()).collect();
    let hint = hint.map(hide);
    let (message, hint) = (&hide(message), hint.as_deref());
    Event::Error { message, causes: &causes, hint, exit_code }.tell();
}

/// Numbers the tasks of one process.
#[derive(Debug, Default)]
pub(in crate::cli) struct Events {
    tasks: AtomicU64,
}

impl Reporter for Events {
    fn start(&self, what: &str, bytes: Option<u64>) -> Box<dyn Task> {
        let task = self.tasks.fetch_add(1, Ordering::Relaxed) + 1;
        Event::Start { task, what, bytes }.tell();
        Box::new(Running::new(task, INTERVAL))
    }

    fn warn(&self, message: &str) {
        Event::Warning { message: &hide(message) }.tell();
    }
}

/// A task under way; it has told of so many intervals.
#[derive(Debug)]
struct Running {
    task: u64,
    since: Instant,
    interval: Duration,
    done: AtomicU64,
    reported: AtomicU64,
}

impl Running {
    fn new(task: u64, interval: Duration) -> Self {
        let (done, reported) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { task, since: Instant::now(), interval, done, reported }
    }

    /// What there is to tell of so many more bytes.
    fn progress(&self, bytes: u64) -> Option<Event<'static>> {
        let bytes_done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let intervals = self.since.elapsed().as_nanos() / self.interval.as_nanos().max(1);
        let intervals = u64::try_from(intervals).unwrap_or(u64::MAX);
        let is_due = self.reported.fetch_max(intervals, Ordering::Relaxed) < intervals;
        is_due.then_some(Event::Progress { task: self.task, bytes_done })
    }
}

impl Task for Running {
    fn advance(&self, bytes: u64) {
        self.progress(bytes).iter().for_each(Event::tell);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let bytes_done = self.done.load(Ordering::Relaxed);
        let milliseconds = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        Event::Done { task: self.task, bytes_done, milliseconds }.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_once_an_interval_with_all_that_is_done() {
        assert_eq!(INTERVAL, Duration::from_secs(1));
        let running = Running::new(7, Duration::from_secs(3600));
        assert!(running.progress(5).is_none());
        // Each nanosecond has one of its own.
        let running = Running::new(7, Duration::from_nanos(1));
        running.done.store(5, Ordering::Relaxed);
        let event = running.progress(3).unwrap();
        assert_eq!(event.text(), r#"{"bytesDone":8,"event":"progress","task":7}"#);
        running.reported.store(u64::MAX, Ordering::Relaxed);
        assert!(running.progress(3).is_none(), "that has been told of");
    }
}
