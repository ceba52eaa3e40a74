//! `healthprobe URL`: a health check for images without a shell or curl.

#![no_main]

use std::ffi::c_int;
use std::io::Write;

use image_programs::probe::{args, probe};

const HEALTHY: c_int = 0;
const UNHEALTHY: c_int = 1;
const WRONG_USE: c_int = 2;

image_programs::c_main!(run);

fn run() -> c_int {
    match args::parse(std::env::args_os().skip(1), |name| std::env::var(name).ok()) {
        Ok(args::Wish::Help) => say(args::HELP.trim_end(), HEALTHY),
        Ok(args::Wish::Version) => say(concat!("healthprobe ", env!("CARGO_PKG_VERSION")), HEALTHY),
        Ok(args::Wish::Lacks(missing)) => say(&format!("unhealthy: {missing}"), UNHEALTHY),
        Ok(args::Wish::Probe(target, limit)) => match probe(&target, limit) {
            Ok(how) => say(&format!("healthy: {how}"), HEALTHY),
            // On standard output as well: Docker keeps what a health check prints there.
            Err(why) => say(&format!("unhealthy: {why}"), UNHEALTHY),
        },
        Err(why) => {
            // A closed standard error does not change the exit code.
            let _ = writeln!(std::io::stderr(), "healthprobe: {why}");
            WRONG_USE
        }
    }
}

fn say(line: &str, code: c_int) -> c_int {
    // The exit code is the answer; that the line found no reader does not change it.
    let _ = writeln!(std::io::stdout(), "{line}");
    code
}
