//! `healthprobe URL`: a health check for images without a shell or curl.

// Rust's own start code learns where the main thread's stack ends, for a nicer message on
// overflow, and links glibc's scanf with its locales for that: an eighth of this program.
#![no_main]

use std::ffi::{c_char, c_int};
use std::io::Write;

use image_programs::probe::{args, probe};

const HEALTHY: c_int = 0;
const UNHEALTHY: c_int = 1;
const WRONG_USE: c_int = 2;

/// The C library's entry; the arguments come from the standard library all the same.
#[expect(unsafe_code, reason = "the start code looks for this very name; nothing else has it")]
#[unsafe(no_mangle)]
pub extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    run()
}

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
            // With standard error closed there is nobody left to tell.
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
