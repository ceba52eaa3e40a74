//! Progress: bars on a terminal, plain lines elsewhere, events for machines, nothing when asked
//! to be quiet.

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{events, output, table};
use crate::cli::{GlobalArgs, secrets};
use crate::progress::{NullReporter, Reporter, Task};

/// Work that takes less is not worth a line.
const WORTH_TELLING: Duration = Duration::from_secs(1);

const KNOWN: &str = "{msg:32!} {wide_bar} {decimal_bytes:>9}/{decimal_total_bytes:9} \
                     {decimal_bytes_per_sec:>11}";
const UNKNOWN: &str = "{msg:32!} {spinner} {decimal_bytes} {decimal_bytes_per_sec}";

/// The bars of this process, for [`clear`].
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// The reporter of this process, for [`current`].
static REPORTER: OnceLock<Arc<dyn Reporter>> = OnceLock::new();

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Nothing,
    Events,
    Bars,
    Lines,
}

/// The reporter that suits standard error; one a process.
pub(in crate::cli) fn reporter(global: &GlobalArgs) -> Arc<dyn Reporter> {
    Arc::clone(REPORTER.get_or_init(|| new_reporter(global)))
}

/// The reporter of this process, once a command has one.
pub(in crate::cli) fn current() -> Arc<dyn Reporter> {
    REPORTER.get().cloned().unwrap_or_else(|| Arc::new(NullReporter))
}

fn new_reporter(global: &GlobalArgs) -> Arc<dyn Reporter> {
    let term = std::env::var_os("TERM");
    match style(global.quiet, global.json, std::io::stderr().is_terminal(), term.as_deref()) {
        Style::Nothing => Arc::new(NullReporter),
        Style::Events => Arc::new(events::Events::default()),
        Style::Bars => {
            let multi = BARS.get_or_init(MultiProgress::new).clone();
            Arc::new(Bars { multi, whole: None, patience: WORTH_TELLING })
        }
        Style::Lines => Arc::new(Lines { patience: WORTH_TELLING }),
    }
}

/// Whether a terminal knows neither colours nor how to move its cursor, by the convention of
/// `TERM`; Nix's build log is one.
pub(in crate::cli) fn is_dumb(term: Option<&OsStr>) -> bool {
    term.is_none_or(|term| term == "dumb")
}

/// A dumb terminal gets lines.
fn style(quiet: bool, json: bool, is_terminal: bool, term: Option<&OsStr>) -> Style {
    match (quiet, json) {
        (true, _) => Style::Nothing,
        (false, true) => Style::Events,
        (false, false) if is_terminal && !is_dumb(term) => Style::Bars,
        (false, false) => Style::Lines,
    }
}

/// Takes the bars from the terminal for good: whoever goes on there finds its line empty.
pub(in crate::cli) fn clear() {
    BARS.get().into_iter().for_each(wipe);
}

fn wipe(multi: &MultiProgress) {
    // A terminal that is gone shows none.
    let _ = multi.clear();
    multi.set_draw_target(ProgressDrawTarget::hidden());
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
        bar.set_message(output::escaped(what));
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

    fn group(&self, what: &str, bytes: u64) -> Option<Box<dyn Reporter>> {
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
        let line = format!("warning: {}", secrets::hide(message));
        let _ = self.multi.println(output::escaped(&line));
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

/// A line for each work at its end.
#[derive(Debug)]
struct Lines {
    /// Work that takes less has no line.
    patience: Duration,
}

impl Reporter for Lines {
    fn start(&self, what: &str, _bytes: Option<u64>) -> Box<dyn Task> {
        let (what, patience) = (what.to_owned(), self.patience);
        Box::new(Line { what, since: Instant::now(), patience, bytes: AtomicU64::new(0) })
    }

    fn warn(&self, message: &str) {
        output::note(format_args!("warning: {message}"));
    }
}

/// Says at its end what was done, if it took a while.
#[derive(Debug)]
struct Line {
    what: String,
    since: Instant,
    patience: Duration,
    bytes: AtomicU64,
}

impl Line {
    fn text(&self) -> Option<String> {
        let time = self.since.elapsed();
        (time > self.patience).then(|| {
            let bytes = table::bytes(self.bytes.load(Ordering::Relaxed));
            format!("{}: {bytes} in {}", self.what, table::seconds(time))
        })
    }
}

impl Task for Line {
    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.text().iter().for_each(output::note);
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;
    use crate::progress;

    const LONG: Duration = Duration::from_secs(3600);

    fn bars(patience: Duration) -> (Bars, InMemoryTerm) {
        let term = InMemoryTerm::new(10, 90);
        let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
        (Bars { multi: MultiProgress::with_draw_target(target), whole: None, patience }, term)
    }

    #[test]
    fn what_is_shown_is_by_options_and_terminal() {
        for (quiet, json, is_terminal, term, shown) in [
            (false, false, true, Some("xterm"), Style::Bars),
            (false, false, true, Some("dumb"), Style::Lines),
            (false, false, true, None, Style::Lines),
            (false, false, false, Some("xterm"), Style::Lines),
            (false, true, true, Some("xterm"), Style::Events),
            (false, true, false, None, Style::Events),
            (true, true, true, Some("xterm"), Style::Nothing),
            (true, false, false, None, Style::Nothing),
        ] {
            assert_eq!(style(quiet, json, is_terminal, term.map(OsStr::new)), shown);
        }
    }

    #[test]
    fn nothing_is_shown_of_work_before_it_has_taken_a_while() {
        assert_eq!(WORTH_TELLING, Duration::from_secs(1));
        for (patience, is_shown) in [(LONG, false), (Duration::ZERO, true)] {
            let (bars, term) = bars(patience);
            let task = bars.start("glibc", Some(2));
            task.advance(1);
            assert_eq!(term.contents().starts_with("glibc"), is_shown);
            let (since, bytes) = (Instant::now(), AtomicU64::new(5_000_000));
            let line = Line { what: "glibc".into(), since, patience, bytes };
            assert_eq!(line.text().is_some_and(|t| t.starts_with("glibc: 5.00 MB in ")), is_shown);
        }
    }

    #[test]
    fn bars_that_are_cleared_leave_nothing_and_do_not_come_back() {
        let (bars, term) = bars(Duration::ZERO);
        let task = bars.start("glibc", Some(4));
        task.advance(1);
        assert!(term.contents().starts_with("glibc"));
        wipe(&bars.multi);
        assert_eq!(term.contents(), "");
        task.advance(1);
        bars.start("openssl", None).advance(1);
        assert_eq!(term.contents(), "");
    }

    #[test]
    fn an_image_has_a_bar_below_its_layers_and_all_images_one_below_that() {
        let (bars, term) = bars(Duration::ZERO);
        // All but the rate.
        let shown = || {
            let line = |line: &str| line.chars().take(78).collect::<String>().trim_end().to_owned();
            term.contents().lines().map(line).collect::<Vec<_>>().join("\n")
        };
        let all = progress::images(&bars, 2, 3_000_000);
        let image = all.reporter().group("1 of 2: app", 1_000_000).unwrap();
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
