//! SIGINT and SIGTERM: remove what is half written, then go as the signal asks.

use crate::file;

/// By convention a process that a signal ends leaves 128 and the signal's number.
const SIGNALLED: i32 = 128;

/// Installs the handler. Without one the process ends all the same, with its temporary files
/// left behind.
pub(super) fn install() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM]) else {
        return;
    };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            file::remove_unfinished();
            signal_hook::low_level::exit(SIGNALLED + signal);
        }
    });
}
