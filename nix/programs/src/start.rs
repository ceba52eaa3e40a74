//! The start of a program without Rust's own start code.
//!
//! That code links glibc's scanf with its locales: an eighth of each program here.

use std::ffi::c_int;
use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, IntoRawFd};

const SIGPIPE: c_int = 13;
const SIG_IGN: usize = 1;

#[expect(unsafe_code, reason = "a declaration of the C library")]
unsafe extern "C" {
    fn signal(number: c_int, handler: usize) -> usize;
}

/// Opens closed standard streams, so that no file gets their numbers, and ignores SIGPIPE, so that a
/// reader that closes its pipe does not end the program.
pub fn prepare() {
    while let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
        if null.as_raw_fd() > 2 {
            break;
        }
        // It stays open as the stream.
        let _ = null.into_raw_fd();
    }
    #[expect(unsafe_code, reason = "the standard library has no function for it")]
    // SAFETY: `signal` is a function of the C library, which the program is linked with, and takes
    // these arguments.
    unsafe {
        signal(SIGPIPE, SIG_IGN);
    }
}

/// Defines the `main` that the C library calls: it prepares the process and calls a function that
/// returns the exit code.
#[macro_export]
macro_rules! c_main {
    ($run:path) => {
        /// The entry point of the C library; the standard library provides the arguments.
        #[expect(unsafe_code, reason = "the C library's start code searches for this name")]
        #[unsafe(no_mangle)]
        pub extern "C" fn main(
            _argc: std::ffi::c_int,
            _argv: *const *const std::ffi::c_char,
        ) -> std::ffi::c_int {
            $crate::start::prepare();
            $run()
        }
    };
}
