//! `make bench`: cooper compared with the limits of this machine and with other tools. Every figure
//! has a limit that was measured in the same run, so that ratios can be compared between machines.
//!
//! Arguments are directories with store paths. `COOPER_BENCH_RUNS` (default: 5) is the number of
//! runs of a median, `COOPER_BENCH_PARTS` (`cold again peers`) selects lines.

#![expect(clippy::disallowed_methods, reason = "a benchmark stops at the first error anyway")]
#![expect(clippy::print_stdout, reason = "its output is a table")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark stops at the first error anyway"
)]

mod corpus;
mod limits;
mod peers;
mod timing;

use std::path::PathBuf;

use corpus::Corpus;
use timing::{Comparison, Measurement};

/// With more bytes than this, other tools run once instead of several times.
const PEERS_ONCE: u64 = 500_000_000;
/// The limit includes hashing of input and output.
const COMPRESSOR: &str = "the compressor alone";

/// A line of the table.
struct Line {
    what: String,
    measured: Measurement,
    against: Option<Baseline>,
}

/// The limit of a line.
#[derive(Clone, Copy)]
struct Baseline {
    what: &'static str,
    compared: Comparison,
    /// The ratio to reach.
    goal: f64,
}

impl Line {
    fn of(what: impl Into<String>, against: &'static str, compared: Comparison, goal: f64) -> Self {
        let against = Some(Baseline { what: against, compared, goal });
        Self { what: what.into(), measured: compared.measured, against }
    }
}

fn main() {
    // cargo adds its own flags.
    let stores: Vec<PathBuf> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from).collect();
    if stores.is_empty() {
        println!("name directories of store paths, or run `make bench`, which creates some");
        return;
    }
    let parts = std::env::var("COOPER_BENCH_PARTS").unwrap_or_else(|_| "cold again peers".into());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores; medians of {} runs\n", timing::runs());
    for store in stores {
        let corpus = Corpus::new(&store);
        println!(
            "**{}**: {} store paths, {:.0} MB\n",
            corpus.name,
            corpus.paths,
            corpus.megabytes()
        );
        let mut lines = Vec::new();
        if parts.contains("cold") {
            lines.extend(cold(&corpus, cores));
        }
        if parts.contains("again") {
            lines.extend(again(&corpus, cores));
        }
        if parts.contains("peers") {
            lines.extend(peers(&corpus));
        }
        println!("| | s | limit | s | ratio | goal | peak MB |\n|---|---|---|---|---|---|---|");
        lines.iter().for_each(print);
        println!();
    }
}

fn print(line: &Line) {
    let seconds = line.measured.seconds;
    let against = line.against.map_or(" | | | ".into(), |Baseline { what, compared, goal }| {
        let with_all = compared.ratio_with_all;
        let with_all = with_all.map_or(String::new(), |ratio| format!(" (with all {ratio:.2})"));
        format!("{what} | {:.3} | {:.2}{with_all} | {goal:.2}", compared.limit, compared.ratio)
    });
    let peak = line.measured.peak.map_or(String::new(), |peak| format!("{:.0}", peak / 1e6));
    println!("| {} | {seconds:.3} | {against} | {peak} |", line.what);
}

/// Measures builds without a cache and without an output.
fn cold(corpus: &Corpus, cores: usize) -> Vec<Line> {
    println!(
        "On {cores} cores, in seconds: reading {:.2}, writing to disk {:.2}.\n",
        limits::read(corpus, cores),
        limits::write(corpus),
    );
    let plain = || limits::read_and_hash_or_pipe(corpus, cores);
    let plain = timing::compare(plain, || corpus.archive());
    let mut lines =
        vec![Line::of("archive to a pipe, plain", "read and hash, or the pipe", plain, 1.25)];
    let blocks = corpus.blocks(1 << 20);
    let gzip = || limits::compress(&blocks, cores, limits::gzip);
    let gzip = timing::compare(gzip, || corpus.cold("gzip", cores));
    lines.push(Line::of("layout, gzip 6", COMPRESSOR, gzip, 1.2));
    let blocks = corpus.blocks(4 << 20);
    let zstd = || limits::compress(&blocks, cores, limits::zstd);
    let zstd = timing::compare(zstd, || corpus.cold("zstd", cores));
    lines.push(Line::of("layout, zstd 3", COMPRESSOR, zstd, 1.3));
    if cores > 1 {
        let all = || corpus.cold("gzip", cores).seconds.into();
        let one = timing::compare(all, || corpus.cold("gzip", 1));
        // With two cores, threads disturb each other less than with four.
        let goal = if cores == 2 { 1.85 } else { 0.85 * cores as f64 };
        lines.push(Line::of("layout, gzip 6, one thread", "all threads; at least", one, goal));
    }
    lines
}

/// Measures builds with a cache, into the layout of an earlier build.
fn again(corpus: &Corpus, cores: usize) -> Vec<Line> {
    let unchanged = |algorithm| {
        corpus.cold(algorithm, cores);
        let compared = timing::compare(|| limits::start().into(), || corpus.warm(algorithm));
        let what = format!("layout, {algorithm}, nothing changed");
        Line::of(what, "starting + 30 ms", compared, 1.0)
    };
    let mut lines = vec![unchanged("none"), unchanged("gzip")];
    // The earlier version of the program: an image without it has another plan.
    corpus.changed();
    let changed = timing::compare(|| limits::ten_megabytes().into(), || corpus.changed());
    lines.push(Line::of("layout, gzip, 10 MB changed", "1.5 × those 10 MB + 30 ms", changed, 1.0));
    lines
}

fn peers(corpus: &Corpus) -> Vec<Line> {
    // Each takes minutes with the largest corpus, and none is a limit.
    let runs = if corpus.bytes < PEERS_ONCE { timing::runs() } else { 1 };
    let line = |(what, command): (String, String)| {
        let measured = timing::median_of(runs, || timing::run(peers::shell(&command, corpus)));
        let what = if runs == 1 { format!("{what} (one run)") } else { what };
        // The memory of the shell is not the memory of its children.
        Line { what, measured: Measurement { peak: None, ..measured }, against: None }
    };
    peers::commands().into_iter().map(line).collect()
}
