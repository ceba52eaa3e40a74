//! `make bench`: how close cooper comes to what this machine can do, and to what a user would
//! have used instead. Every figure stands beside a limit that was measured in the same run, so
//! that ratios can be compared where seconds cannot.
//!
//! Arguments are folders, each with store paths in it. `COOPER_BENCH_RUNS` (5) is how many runs
//! a median is taken of, `COOPER_BENCH_PARTS` (`cold again peers`) which lines.

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
use timing::{Measured, median_of};

/// Other tools work once, not several times, on more bytes than these.
const PEERS_ONCE: u64 = 500_000_000;

/// What something is held against.
#[derive(Clone, Copy)]
struct Limit {
    what: &'static str,
    seconds: f64,
    /// The ratio to it that is the goal.
    goal: f64,
    /// The same with what cannot be left out either, and what that is.
    also: Option<(&'static str, f64)>,
}

/// A line of the table.
struct Line {
    what: String,
    measured: Measured,
    limit: Option<Limit>,
}

fn main() {
    // cargo adds its own flags.
    let stores: Vec<PathBuf> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from).collect();
    if stores.is_empty() {
        println!("name folders of store paths, or run `make bench`, which makes some");
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
    let limit = line.limit.map_or(" | | | ".into(), |limit| {
        let also = limit
            .also
            .map_or(String::new(), |(with, both)| format!(" ({with} {:.2})", seconds / both));
        let ratio = seconds / limit.seconds;
        format!("{} | {:.3} | {ratio:.2}{also} | {:.2}", limit.what, limit.seconds, limit.goal)
    });
    let peak = line.measured.peak.map_or(String::new(), |peak| format!("{:.0}", peak / 1e6));
    println!("| {} | {seconds:.3} | {limit} | {peak} |", line.what);
}

/// What is made where there was nothing.
fn cold(corpus: &Corpus, cores: usize) -> Vec<Line> {
    let reading = limits::read_and_hash(corpus, cores);
    let piping = limits::pipe(corpus.bytes);
    let gzip = limits::compress(corpus, cores, 1 << 20, limits::gzip);
    let zstd = limits::compress(corpus, cores, 4 << 20, limits::zstd);
    println!(
        "On {cores} cores, in seconds: reading {:.2}, reading and hashing {reading:.2}, a pipe \
         {piping:.2}, writing to disk {:.2}, gzip {:.2}, zstd {:.2}.\n",
        limits::read(corpus, cores),
        limits::write(corpus),
        gzip.alone,
        zstd.alone,
    );
    let line =
        |what: &str, measured, limit| Line { what: what.into(), measured, limit: Some(limit) };
    let limit = |what, seconds, goal| Limit { what, seconds, goal, also: None };
    let compressor = |c: &limits::Compressing, goal| Limit {
        also: Some(("with hashing", c.hashed)),
        ..limit("the compressor alone", c.alone, goal)
    };
    // Whoever reads the pipe needs a core too.
    let both = Limit {
        also: Some(("both", reading + piping)),
        ..limit("read and hash, or the pipe", reading.max(piping), 1.25)
    };
    let all = median_of(|| corpus.cold("gzip", cores));
    let mut lines = vec![
        line("archive to a pipe, plain", median_of(|| corpus.archive()), both),
        line("layout, gzip 6", all, compressor(&gzip, 1.2)),
        line("layout, zstd 3", median_of(|| corpus.cold("zstd", cores)), compressor(&zstd, 1.3)),
    ];
    if cores > 1 {
        let one = median_of(|| corpus.cold("gzip", 1));
        let goal = 0.85 * cores as f64;
        lines.push(line(
            "layout, gzip 6, one thread",
            one,
            limit("all threads; at least", all.seconds, goal),
        ));
    }
    lines
}

/// What is made again, from the cache and into the layout that holds what was made before.
fn again(corpus: &Corpus, cores: usize) -> Vec<Line> {
    let line = |what: String, measured, against, seconds| {
        let limit = Limit { what: against, seconds, goal: 1.0, also: None };
        Line { what, measured, limit: Some(limit) }
    };
    let start = limits::start();
    let unchanged = |algorithm| {
        corpus.cold(algorithm, cores);
        let what = format!("layout, {algorithm}, nothing changed");
        line(what, median_of(|| corpus.warm(algorithm)), "starting + 30 ms", start)
    };
    let mut lines = vec![unchanged("none"), unchanged("gzip")];
    let ten = limits::ten_megabytes();
    // The version before: an image that has the program at all is planned otherwise.
    corpus.changed();
    let changed = median_of(|| corpus.changed());
    lines.push(line(
        "layout, gzip, 10 MB changed".into(),
        changed,
        "1.5 × those 10 MB + 30 ms",
        ten,
    ));
    lines
}

fn peers(corpus: &Corpus) -> Vec<Line> {
    // Minutes each over the largest corpus; they are no limit, only company.
    let runs = if corpus.bytes < PEERS_ONCE { timing::runs() } else { 1 };
    let line = |(what, command): (String, String)| {
        let measured = timing::median_of_runs(runs, || timing::run(peers::shell(&command, corpus)));
        let what = if runs == 1 { format!("{what} (one run)") } else { what };
        // The shell's memory says nothing of what runs in it.
        Line { what, measured: Measured { peak: None, ..measured }, limit: None }
    };
    peers::commands().into_iter().map(line).collect()
}
