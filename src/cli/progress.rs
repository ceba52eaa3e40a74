//! Progress: bars on a terminal, plain lines elsewhere, events for machines, nothing when asked
//! to be quiet.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Global, events, output, table};
use crate::report::{Reporter, Silent, Task};

/// Work that takes less is not worth a line.
const WORTH_TELLING: Duration = Duration::from_secs(1);

const KNOWN: &str = "{msg:32!} {wide_bar} {decimal_bytes:>9}/{decimal_total_bytes:9} \
                     {decimal_bytes_per_sec:>11}";
const UNKNOWN: &str = "{msg:32!} {spinner} {decimal_bytes} {decimal_bytes_per_sec}";

/// The reporter that suits standard error.
pub(super) fn reporter(global: &Global) -> Arc<dyn Reporter> {
    if global.quiet {
        Arc::new(Silent)
    } else if global.json {
        Arc::new(events::Events::default())
    } else if std::io::stderr().is_terminal() && !is_dumb() {
        Arc::new(Bars { multi: MultiProgress::new(), whole: None, patience: WORTH_TELLING })
    } else {
        Arc::new(Lines)
    }
}

/// A terminal that cannot move its cursor, by the convention of `TERM`; Nix's build log is one.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb")
}

/// Bars, each above that of the whole which it is part of.
#[derive(Debug)]
struct Bars {
    multi: MultiProgress,
    whole: Option<Arc<Shown>>,
    /// Work that takes less has no bar.
    patience: Duration,
}

impl Bars {
    fn bar(&self, what: &str, bytes: Option<u64>) -> Arc<Shown> {
        // Hidden until it is among the others.
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::hidden());
        let template = if bytes.is_some() { KNOWN } else { UNKNOWN };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Arc::new(Shown {
            multi: self.multi.clone(),
            whole: self.whole.clone(),
            bar,
            due: Instant::now() + self.patience,
            is_placed: Mutex::default(),
        })
    }
}

impl Reporter for Bars {
    fn start(&self, what: &str, bytes: Option<u64>) -> Box<dyn Task> {
        Box::new(Bar(self.bar(what, bytes)))
    }

    fn whole(&self, what: &str, bytes: u64) -> Option<Box<dyn Reporter>> {
        let whole = Some(self.bar(what, Some(bytes)));
        Some(Box::new(Self { multi: self.multi.clone(), whole, patience: self.patience }))
    }

    fn skip(&self, bytes: u64) {
        if let Some(whole) = &self.whole {
            whole.skip(bytes);
        }
    }

    fn warn(&self, message: &str) {
        // A terminal that is gone misses a warning.
        let _ = self.multi.println(format!("warning: {message}"));
    }
}

/// The bar of a task.
#[derive(Debug)]
struct Bar(Arc<Shown>);

impl Task for Bar {
    fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }

    fn skip(&self, bytes: u64) {
        self.0.skip(bytes);
    }
}

/// A bar that shows itself only once its work has taken a while.
#[derive(Debug)]
struct Shown {
    multi: MultiProgress,
    whole: Option<Arc<Self>>,
    bar: ProgressBar,
    due: Instant,
    is_placed: Mutex<bool>,
}

impl Shown {
    fn advance(&self, bytes: u64) {
        // The whole is older, so it is there when its part looks for it.
        if let Some(whole) = &self.whole {
            whole.advance(bytes);
        }
        if Instant::now() >= self.due {
            self.show();
        }
        self.bar.inc(bytes);
    }

    fn show(&self) {
        // Held until the bar is in its place, which its parts have to find.
        let mut is_placed = self.is_placed.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *is_placed, true) {
            match &self.whole {
                Some(whole) => self.multi.insert_before(&whole.bar, self.bar.clone()),
                None => self.multi.add(self.bar.clone()),
            };
        }
    }

    fn skip(&self, bytes: u64) {
        if let Some(whole) = &self.whole {
            whole.skip(bytes);
        }
        self.bar.dec_length(bytes);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.multi.remove(&self.bar);
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

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;
    use crate::report;

    #[test]
    fn an_image_has_a_bar_below_its_layers_and_all_images_one_below_that() {
        let term = InMemoryTerm::new(10, 90);
        let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
        let multi = MultiProgress::with_draw_target(target);
        let bars = Bars { multi, whole: None, patience: Duration::ZERO };
        // All but the rate.
        let shown = || {
            let line = |line: &str| line.chars().take(78).collect::<String>().trim_end().to_owned();
            term.contents().lines().map(line).collect::<Vec<_>>().join("\n")
        };
        let all = report::images(&bars, 2, 3_000_000);
        let image = all.reporter().whole("1 of 2: app", 1_000_000).unwrap();
        let layer = image.start("glibc", Some(600_000));
        assert_eq!(shown(), "", "nothing is done yet");
        layer.advance(300_000);
        insta::assert_snapshot!(shown(), @r"
        glibc                            ████████████░░░░░░░░░░░░░ 300.00 kB/600.00 kB
        1 of 2: app                      ███████░░░░░░░░░░░░░░░░░░ 300.00 kB/1.00 MB
        2 images                         ██░░░░░░░░░░░░░░░░░░░░░░░ 300.00 kB/3.00 MB
        ");
        image.skip(400_000);
        layer.advance(150_000);
        insta::assert_snapshot!(shown(), @r"
        glibc                            ██████████████████░░░░░░░ 450.00 kB/600.00 kB
        1 of 2: app                      ██████████████████░░░░░░░ 450.00 kB/600.00 kB
        2 images                         ████░░░░░░░░░░░░░░░░░░░░░ 450.00 kB/2.60 MB
        ");
        drop(layer);
        let layer = image.start("own files", None);
        layer.advance(50_000);
        assert!(shown().starts_with("own files "), "{}", shown());
        drop((layer, image, all));
        assert_eq!(shown(), "");
    }
}
