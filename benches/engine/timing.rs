//! Running things and timing them.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One run, or the median of several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    /// The most memory that the process had, in bytes.
    pub(crate) peak: Option<f64>,
}

pub(crate) fn runs() -> usize {
    std::env::var("COOPER_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(5)
}

pub(crate) fn median_of(run: impl FnMut() -> Measured) -> Measured {
    median_of_runs(runs(), run)
}

pub(crate) fn median_of_runs(runs: usize, mut run: impl FnMut() -> Measured) -> Measured {
    let mut all: Vec<Measured> = (0..runs).map(|_| run()).collect();
    all.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let middle = all[all.len() / 2];
    let peak = all.iter().filter_map(|one| one.peak).reduce(f64::max);
    Measured { peak, ..middle }
}

/// The median of how long it takes to do something in this process.
pub(crate) fn seconds(mut work: impl FnMut()) -> f64 {
    let timed = || {
        let since = Instant::now();
        work();
        Measured { seconds: since.elapsed().as_secs_f64(), peak: None }
    };
    median_of(timed).seconds
}

/// Runs a program to its end; its standard output goes through a pipe to a reader that drops it.
pub(crate) fn run(mut command: Command) -> Measured {
    let since = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
    let out = child.stdout.take().expect("it has a standard output");
    let sink = std::thread::spawn(|| drain(out));
    let path = format!("/proc/{}/status", child.id());
    let mut peak = None;
    let status = loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        peak = high_water(&path).or(peak);
        std::thread::sleep(Duration::from_millis(2));
    };
    let seconds = since.elapsed().as_secs_f64();
    assert!(status.success(), "{command:?} failed");
    sink.join().expect("the reader ends");
    Measured { seconds, peak }
}

/// Reads to the end.
pub(crate) fn drain(mut from: impl Read) {
    let mut buf = vec![0; 1 << 20];
    while from.read(&mut buf).is_ok_and(|count| count > 0) {}
}

fn high_water(path: &str) -> Option<f64> {
    let status = std::fs::read_to_string(path).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? * 1024.0)
}
