//! Runs and their times.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One run, or the median of several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measurement {
    pub(crate) seconds: f64,
    /// The peak memory of the process in bytes.
    pub(crate) peak: Option<f64>,
}

/// The limit of a run in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) seconds: f64,
    /// The limit with the work that cannot be left out.
    pub(crate) with_all: Option<f64>,
}

impl From<f64> for Limit {
    fn from(seconds: f64) -> Self {
        Self { seconds, with_all: None }
    }
}

/// Runs and their limits: medians of each, because the ratios vary less than the seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Comparison {
    pub(crate) measured: Measurement,
    pub(crate) limit: f64,
    pub(crate) ratio: f64,
    pub(crate) ratio_with_all: Option<f64>,
}

pub(crate) fn runs() -> usize {
    std::env::var("COOPER_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(5)
}

/// Measures a limit and a run in turns, so that a slow phase of the machine affects both.
pub(crate) fn compare(
    mut limit: impl FnMut() -> Limit,
    mut run: impl FnMut() -> Measurement,
) -> Comparison {
    let pairs: Vec<(Limit, Measurement)> = (0..runs()).map(|_| (limit(), run())).collect();
    let ratios = |limit: fn(&Limit) -> Option<f64>| {
        pairs.iter().filter_map(|(bound, run)| Some(run.seconds / limit(bound)?)).collect()
    };
    Comparison {
        measured: middle(pairs.iter().map(|(_, run)| *run).collect()),
        limit: median(pairs.iter().map(|(limit, _)| limit.seconds).collect()).unwrap(),
        ratio: median(ratios(|limit| Some(limit.seconds))).unwrap(),
        ratio_with_all: median(ratios(|limit| limit.with_all)),
    }
}

pub(crate) fn median_of(runs: usize, mut run: impl FnMut() -> Measurement) -> Measurement {
    middle((0..runs).map(|_| run()).collect())
}

fn middle(runs: Vec<Measurement>) -> Measurement {
    let peak = runs.iter().filter_map(|one| one.peak).reduce(f64::max);
    let seconds = median(runs.iter().map(|run| run.seconds).collect()).unwrap();
    Measurement { seconds, peak }
}

fn median(mut all: Vec<f64>) -> Option<f64> {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}

/// Returns the duration of a function in this process.
pub(crate) fn seconds(work: impl FnOnce()) -> f64 {
    let since = Instant::now();
    work();
    since.elapsed().as_secs_f64()
}

/// Runs a program to its end; a reader drops its standard output.
pub(crate) fn run(mut command: Command) -> Measurement {
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
    Measurement { seconds, peak }
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
