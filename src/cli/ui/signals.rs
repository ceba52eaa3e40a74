//! SIGHUP, SIGINT and SIGTERM: remove what is half written, then go as the signal asks. A mistake
//! of cooper's: the same, and ask for a report. SIGXFSZ: nothing.

use std::path::Path;
use std::sync::Arc;

use super::failure::Failure;
use super::progress;
use crate::cli::exit;
use crate::fs;

/// By convention a process that a signal ends leaves 128 and the signal's number.
const SIGNALLED: i32 = 128;

/// Installs the handler. Without one the process ends all the same, with its temporary files
/// left behind. What whoever started this ignores, as `nohup` does, is ignored still.
pub(in crate::cli) fn install() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    // A file over the limit is an error of who writes it, which is told.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    let ignored = ignored();
    let heard =
        [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let Ok(mut signals) = signal_hook::iterator::Signals::new(heard) else { return };
    // Where no thread can be started, what needs one says so.
    let _ = std::thread::Builder::new().spawn(move || {
        if let Some(signal) = signals.forever().next() {
            fs::remove_temp_paths();
            progress::clear();
            signal_hook::low_level::exit(SIGNALLED + signal);
        }
    });
}

/// The signals that this process ignores, a bit each; none where the kernel does not tell.
fn ignored() -> u64 {
    let status = fs::read(Path::new("/proc/self/status"), 1 << 16).unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or_default()
}

/// Installs what a panic ends in. It is of the thread that panics, and nothing is unwound.
pub(in crate::cli) fn install_hook(json: bool) {
    std::panic::set_hook(Box::new(move |panic| {
        Failure::bug(panic.to_string().replace('\n', " ")).tell(json);
        fs::remove_temp_paths_without_waiting();
        signal_hook::low_level::exit(exit::BUG.into());
    }));
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;
    use crate::fs::{AtomicFile, TempPath};

    const HOW: &str = "COOPER_TEST_PANIC";

    /// Runs a test of this module alone in a process, where it finds out how it shall panic.
    fn panicked(test: &str, how: &Path) -> Output {
        let name = format!("{}::{test}", module_path!());
        let mut command = Command::new("timeout");
        command.arg("20").arg(std::env::current_exe().unwrap());
        command.args([name.split_once("::").unwrap().1, "--nocapture"]).env(HOW, how);
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit::BUG.into()), "{stderr}");
        for part in ["panicked", "on purpose", "this is a bug in cooper", "/issues"] {
            assert!(stderr.contains(part), "{stderr}");
        }
        output
    }

    #[test]
    fn a_panic_asks_for_a_report_and_leaves_nothing_half_written() {
        if let Some(path) = std::env::var_os(HOW) {
            install_hook(path.as_encoded_bytes().ends_with(b"json"));
            let _half = AtomicFile::create(Path::new(&path)).unwrap();
            panic!("on purpose");
        }
        let dir = tempfile::tempdir().unwrap();
        for out in ["out", "out.json"] {
            let ended = panicked("a_panic_asks", &dir.path().join(out));
            assert_eq!(ended.stderr.starts_with(b"{"), out == "out.json");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_panic_ends_the_process_whoever_is_just_making_a_file() {
        if let Some(path) = std::env::var_os(HOW) {
            install_hook(false);
            let panic = || -> std::io::Result<()> { panic!("on purpose") };
            let _ = TempPath::make(panic, |()| path.into());
        }
        panicked("a_panic_ends", Path::new("nowhere"));
    }
}
