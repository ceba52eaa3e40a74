//! `make bench`: how close cooper comes to what this machine can do, and to what a user would
//! have used instead. Every figure stands beside a limit that was measured in the same run, so
//! that ratios can be compared where seconds cannot.
//!
//! Arguments are folders, each with store paths in it. `COOPER_BENCH_RUNS` (5) is how many runs
//! a median is taken of.

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

/// A line of the table: what was done, and the limit that it is held against.
struct Line {
    what: String,
    measured: Measured,
    limit: Option<(&'static str, f64)>,
}

fn main() {
    // cargo adds its own flags.
    let stores: Vec<PathBuf> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from).collect();
    if stores.is_empty() {
        println!("name folders of store paths, or run `make bench`, which makes some");
        return;
    }
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
        let lines = lines(&corpus, cores);
        println!("| | s | limit | ratio | peak MB |\n|---|---|---|---|---|");
        lines.iter().for_each(print);
        println!();
    }
}

fn print(line: &Line) {
    let seconds = line.measured.seconds;
    let (limit, ratio) = line.limit.map_or((String::new(), String::new()), |(what, limit)| {
        (format!("{what} {limit:.2}"), format!("{:.2}", seconds / limit))
    });
    let peak = line.measured.peak.map_or(String::new(), |peak| format!("{:.0}", peak / 1e6));
    println!("| {} | {seconds:.2} | {limit} | {ratio} | {peak} |", line.what);
}

fn lines(corpus: &Corpus, cores: usize) -> Vec<Line> {
    let blocks = corpus.blocks();
    let reading = limits::read_and_hash(corpus, cores);
    let piping = limits::pipe(corpus.bytes);
    let gzip = limits::compress(&blocks, cores, limits::gzip);
    let zstd = limits::compress(&blocks, cores, limits::zstd);
    drop(blocks);
    println!(
        "On {cores} cores, in seconds: reading {:.2}, reading and hashing {reading:.2}, a pipe \
         {piping:.2}, writing to disk {:.2}, gzip {gzip:.2}, zstd {zstd:.2}.\n",
        limits::read(corpus, cores),
        limits::write(corpus),
    );
    let line = |what: &str, measured, limit| Line { what: what.into(), measured, limit };
    let mut lines = vec![
        line(
            "archive to a pipe, plain, cold",
            median_of(|| corpus.archive()),
            Some(("read and hash, or pipe", reading.max(piping))),
        ),
        line(
            "layout, gzip 6, cold",
            median_of(|| corpus.cold("gzip", cores)),
            Some(("compressor", gzip)),
        ),
        line(
            "layout, zstd 3, cold",
            median_of(|| corpus.cold("zstd", cores)),
            Some(("compressor", zstd)),
        ),
    ];
    if cores > 1 {
        let all = median_of(|| corpus.cold("gzip", cores)).seconds;
        let one = median_of(|| corpus.cold("gzip", 1));
        lines.push(line("layout, gzip 6, cold, one thread", one, Some(("all threads", all))));
    }
    corpus.cold("gzip", cores);
    let start = limits::start();
    lines.push(line("nothing changed", median_of(|| corpus.warm()), Some(("starting", start))));
    let ten = limits::ten_megabytes();
    lines.push(line(
        "one path of 10 MB changed",
        median_of(|| corpus.changed()),
        Some(("those 10 MB", ten)),
    ));
    for (what, command) in peers::commands() {
        // Minutes each over the largest corpus; they are no limit, only company.
        let runs = if corpus.bytes < PEERS_ONCE { timing::runs() } else { 1 };
        let measured = timing::median_of_runs(runs, || timing::run(peers::shell(&command, corpus)));
        let what = if runs == 1 { format!("{what} (one run)") } else { what };
        // The shell's memory says nothing of what runs in it.
        lines.push(line(&what, Measured { peak: None, ..measured }, None));
    }
    lines
}
