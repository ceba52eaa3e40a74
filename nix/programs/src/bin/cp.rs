//! `cp`: `cp --help` lists the differences from coreutils' cp.

#![no_main]
use std::ffi::c_int;
use std::io::Write;

use image_programs::copy::{args, copy};

image_programs::c_main!(run);

fn run() -> c_int {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(Ok(request)) => c_int::from(!copy(&request, &mut print_error)),
        Ok(Err(text)) => c_int::from(std::io::stdout().write_all(text.as_bytes()).is_err()),
        Err(error) => {
            print_error(&error);
            2
        }
    }
}

fn print_error(error: &str) {
    // A closed standard error does not stop a copy.
    let _ = writeln!(std::io::stderr(), "cp: {error}");
}
