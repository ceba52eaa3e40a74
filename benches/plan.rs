//! The time to plan 100, 1,000 and 10,000 paths, in one image and divided among ten.
//!
//! `cargo bench --bench plan` prints milliseconds a plan, the median of five. It fails if ten times
//! the paths take more than a hundred times as long. In one image all paths are in one class, which
//! is the worst case of the planner.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use cooper::closure::Closure;
use cooper::plan::{Request, plan_set};
use cooper::spec::Layering;
use cooper::store_path::{PathInfo, StorePath};

fn path(image: usize, at: usize) -> StorePath {
    let hash: String = format!("{image:04}{at:028}");
    format!("/nix/store/{hash}-package{image}x{at}-1.0").parse().unwrap()
}

/// Returns paths in levels like those of real closures: a few at the bottom that nearly all others
/// refer to, and many at the top. The sizes spread over four orders of magnitude.
fn closure(image: usize, count: usize) -> Closure {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ image as u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    let infos: Vec<PathInfo> = (0..count)
        .map(|at| {
            let near = |random: &mut dyn FnMut(usize) -> usize| at - 1 - random(at.min(40));
            let mut references: Vec<StorePath> = Vec::new();
            if at > 0 {
                let deep = random(at.div_ceil(10));
                references.push(path(image, deep));
                let more = random(4);
                references.extend((0..more).map(|_| path(image, near(&mut random))));
            }
            let nar_size = 1_000 << random(14);
            PathInfo { path: path(image, at), nar_hash: "sha256:x".into(), nar_size, references }
        })
        .collect();
    Closure::new(infos).unwrap()
}

fn median(closures: &[(String, Closure)]) -> Duration {
    let layering = Layering::default();
    let requests: Vec<Request<'_>> = closures
        .iter()
        .map(|(name, closure)| Request { name, closure, max_layers: 60, layering: &layering })
        .collect();
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            let since = Instant::now();
            plan_set(&requests).unwrap();
            since.elapsed()
        })
        .collect();
    times.sort();
    times.into_iter().nth(2).unwrap()
}

fn main() {
    for images in [1, 10] {
        let mut last: Option<Duration> = None;
        for count in [100, 1_000, 10_000] {
            let closures: Vec<(String, Closure)> =
                (0..images).map(|at| (format!("image{at}"), closure(at, count / images))).collect();
            let time = median(&closures);
            println!(
                "{count:>6} paths in {images:>2} images: {:>8.1} ms",
                time.as_secs_f64() * 1e3
            );
            let growth = last.map(|last| time.as_secs_f64() / last.as_secs_f64());
            assert!(growth.is_none_or(|growth| growth < 100.0), "grew {growth:?} times");
            last = Some(time);
        }
    }
}
