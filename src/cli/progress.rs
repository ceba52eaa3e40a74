//! Progress: bars on a terminal, plain lines elsewhere, events for machines, nothing when asked
//! to be quiet.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Global, events, output, table};
use crate::report::{Reporter, Silent, Task};

/// Work that takes less is not worth a line.
const WORTH_TELLING: Duration = Duration::from_secs(1);

const KNOWN: &str = "{msg:32!} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}";
const UNKNOWN: &str = "{msg:32!} {spinner} {bytes} {bytes_per_sec}";

/// The reporter that suits standard error.
pub(super) fn reporter(global: &Global) -> Arc<dyn Reporter> {
    if global.quiet {
        Arc::new(Silent)
    } else if global.json {
        Arc::new(events::Events::default())
    } else if std::io::stderr().is_terminal() && !is_dumb() {
        Arc::new(Bars(MultiProgress::new()))
    } else {
        Arc::new(Lines)
    }
}

/// A terminal that cannot move its cursor, by the convention of `TERM`; Nix's build log is one.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb")
}

#[derive(Debug)]
struct Bars(MultiProgress);

impl Reporter for Bars {
    fn start(&self, what: &str, bytes: Option<u64>) -> Box<dyn Task> {
        let bar = bytes.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let template = if bytes.is_some() { KNOWN } else { UNKNOWN };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Box::new(Shown {
            bars: self.0.clone(),
            bar,
            since: Instant::now(),
            told: AtomicU64::new(0),
        })
    }

    fn warn(&self, message: &str) {
        // A terminal that is gone misses a warning.
        let _ = self.0.println(format!("warning: {message}"));
    }
}

/// A bar that shows itself only once its work has taken a while.
#[derive(Debug)]
struct Shown {
    bars: MultiProgress,
    bar: ProgressBar,
    since: Instant,
    told: AtomicU64,
}

impl Task for Shown {
    fn advance(&self, bytes: u64) {
        if self.since.elapsed() > WORTH_TELLING && self.told.swap(1, Ordering::Relaxed) == 0 {
            self.bars.add(self.bar.clone());
        }
        self.bar.inc(bytes);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.bars.remove(&self.bar);
    }
}

#[derive(Debug)]
struct Lines;

impl Reporter for Lines {
    fn start(&self, what: &str, _bytes: Option<u64>) -> Box<dyn Task> {
        let what = what.to_owned();
        Box::new(Line { what, since: Instant::now(), bytes: AtomicU64::new(0) })
    }

    fn warn(&self, message: &str) {
        output::note(&format!("warning: {message}"));
    }
}

/// Says at its end what was done, if it took a while.
#[derive(Debug)]
struct Line {
    what: String,
    since: Instant,
    bytes: AtomicU64,
}

impl Task for Line {
    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let time = self.since.elapsed();
        if time > WORTH_TELLING {
            let bytes = table::bytes(self.bytes.load(Ordering::Relaxed));
            output::note(&format!("{}: {bytes} in {}", self.what, table::seconds(time)));
        }
    }
}
