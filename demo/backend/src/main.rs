//! A small backend, to show what the image of one has to carry.
//!
//! | module | what it is for |
//! |---|---|
//! | [`config`] | the environment, read once and checked before anything starts |
//! | [`routes`] | the pages, and the layer that counts, times and traces each request |
//! | [`metrics`] | `/metrics`, in Prometheus' text format |
//! | [`tracing`] | spans, sent over OTLP in batches, never in a request's way |
//! | [`serve`] | from the open port to the last finished request |
//! | [`log`] | lines on standard error; only it prints |
//!
//! Deliberately absent: TLS (a proxy or mesh in front does it), a profiler (see `/v1/health`), and
//! state: any number of these may run side by side.

mod config;
mod log;
mod metrics;
mod routes;
mod serve;
mod tracing;

use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    match serve::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut message = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                message = format!("{message}: {error}");
                cause = error.source();
            }
            log::error(&message);
            ExitCode::FAILURE
        }
    }
}
