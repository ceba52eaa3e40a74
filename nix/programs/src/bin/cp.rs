//! `cp`: see `cp --help` for how it differs from coreutils' one.

// Rust's own start code links glibc's scanf with its locales, which this program has no use for: an
// eighth of it. `prepare` does what else that code does.
#![no_main]

use std::error::Error;
use std::ffi::{c_char, c_int};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd};

use image_programs::copy::args::{HELP, Wish, parse};
use image_programs::copy::{Event, copy};

const SIGPIPE: c_int = 13;
const SIG_IGN: usize = 1;

const COPIED: c_int = 0;
const FAILED: c_int = 1;
const WRONG_USE: c_int = 2;

/// The C library's entry; the arguments come from the standard library all the same.
#[expect(unsafe_code, reason = "the start code looks for this very name; nothing else has it")]
#[unsafe(no_mangle)]
pub extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    prepare();
    run()
}

/// A file that is opened must not take the number of a standard stream that is closed, and a reader
/// that closes its pipe must not end a copy.
fn prepare() {
    while let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
        if null.as_raw_fd() > 2 {
            break;
        }
        // It stays open in the stream's place.
        let _ = null.into_raw_fd();
    }
    #[expect(unsafe_code, reason = "the standard library has no function for it")]
    // SAFETY: `signal` is the C library's, which the program is linked with, and takes these.
    unsafe {
        signal(SIGPIPE, SIG_IGN);
    }
}

#[expect(unsafe_code, reason = "a declaration of the C library's")]
unsafe extern "C" {
    fn signal(number: c_int, handler: usize) -> usize;
}

fn run() -> c_int {
    match parse(std::env::args_os().skip(1)) {
        Ok(Wish::Help) => say(HELP.trim_end()),
        Ok(Wish::Version) => say(concat!("cp (image-programs) ", env!("CARGO_PKG_VERSION"))),
        Ok(Wish::Copy(request)) => {
            let verbose = request.options.verbose;
            if copy(&request, &mut |event| show(&event, verbose)) { COPIED } else { FAILED }
        }
        Err(why) => {
            complain(&why);
            WRONG_USE
        }
    }
}

fn show(event: &Event<'_>, verbose: bool) {
    match event {
        Event::Copied(from, to) if verbose => {
            say(&format!("`{}` -> `{}`", from.display(), to.display()));
        }
        Event::Copied(..) => {}
        Event::LeavesTree(link, target) => complain(&format!(
            "warning: `{}` stays a link to `{}`, which may not be there for who reads the copy; \
             -r copies what it leads to",
            link.display(),
            target.display()
        )),
        Event::Failed(error) => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            complain(&format!("{error}{cause}"));
        }
    }
}

fn say(text: &str) -> c_int {
    // The copy is what counts; a reader that has gone away does not stop it.
    let _ = writeln!(std::io::stdout(), "{text}");
    COPIED
}

fn complain(text: &str) {
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "cp: {text}");
}
