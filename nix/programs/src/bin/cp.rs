//! `cp`: see `cp --help` for how it differs from coreutils' one.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use image_programs::copy::args::{HELP, Wish, parse};
use image_programs::copy::{Event, copy};

const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Ok(Wish::Help) => say(HELP.trim_end()),
        Ok(Wish::Version) => say(concat!("cp (image-programs) ", env!("CARGO_PKG_VERSION"))),
        Ok(Wish::Copy(request)) => {
            let verbose = request.options.verbose;
            if copy(&request, &mut |event| show(&event, verbose)) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(why) => {
            complain(&why);
            ExitCode::from(WRONG_USE)
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

fn say(text: &str) -> ExitCode {
    // The copy is what counts; a reader that has gone away does not stop it.
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn complain(text: &str) {
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "cp: {text}");
}
