//! Real daemons and registries in temporary directories. Each is started, awaited, and stopped by
//! its process id when the test ends.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) use super::dockerd::{Dockerd, in_root, unmount_below};

/// The maximum start time; machines of continuous integration are slow.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(90);

/// A process that ends with the test.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program whose output goes to a log file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::create(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|e| panic!("failed to start {command:?}: {e}"));
        Self { child, log: log.into() }
    }

    /// Waits until the server answers; if it ends before, the failure shows its log.
    pub(crate) fn wait_until(&mut self, mut answers: impl FnMut() -> bool) {
        let since = Instant::now();
        while !answers() {
            let ended = self.child.try_wait().unwrap();
            let late = since.elapsed() > STARTUP_TIMEOUT;
            assert!(ended.is_none() && !late, "{ended:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(&mut self) {
        signal(self.child.id(), "TERM");
        let since = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if since.elapsed() > Duration::from_secs(20) {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(id: u32, name: &str) {
    let id = id.to_string();
    assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
}

/// Returns the root that `tests/new-root.sh` builds. `COOPER_TEST_NEW` is its path, or 1 or unset
/// for `target/new-root`. Tests that need it are ignored by default.
pub(crate) fn newest_root() -> PathBuf {
    let root = std::env::var("COOPER_TEST_NEW").ok().filter(|value| !value.is_empty());
    let root = root.unwrap_or_else(|| "1".into());
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/target/new-root");
    let root = PathBuf::from(if root == "1" { default } else { &root });
    assert!(root.join("usr/sbin/dockerd").exists(), "build it with tests/new-root.sh {root:?}");
    root
}
