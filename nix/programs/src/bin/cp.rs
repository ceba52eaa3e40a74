//! `cp`: `cp --help` lists the differences from coreutils' cp.

#![no_main]

use std::ffi::c_int;
use std::io::Write;

use image_programs::copy::args::{Action, HELP, parse};
use image_programs::copy::copy;

image_programs::c_main!(run);

fn run() -> c_int {
    let text = match parse(std::env::args_os().skip(1)) {
        Ok(Action::Copy(request)) => return c_int::from(!copy(&request, &mut print_error)),
        Ok(Action::Help) => HELP.trim_end(),
        Ok(Action::Version) => concat!("cp (image-programs) ", env!("CARGO_PKG_VERSION")),
        Err(error) => {
            print_error(&error);
            return 2;
        }
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    0
}

fn print_error(error: &str) {
    // A closed standard error does not stop a copy.
    let _ = writeln!(std::io::stderr(), "cp: {error}");
}
