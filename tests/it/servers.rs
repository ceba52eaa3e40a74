//! Real daemons and registries in folders of their own. Each is waited for until it answers, and
//! stopped by its process id however the test ends.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Machines of continuous integration are slow.
const PATIENCE: Duration = Duration::from_secs(90);

/// A process that ends with the test.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program whose words go to a log file.
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

    /// Waits until it answers; when it ends before, its log says why.
    pub(crate) fn wait_until(&mut self, answers: impl Fn() -> bool) {
        let since = Instant::now();
        while !answers() {
            let ended = self.child.try_wait().unwrap();
            let late = since.elapsed() > PATIENCE;
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

    /// Asks it to end, and waits until it has.
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

/// A Docker daemon without networks, in a network namespace of its own.
#[derive(Debug)]
pub(crate) struct Dockerd {
    server: Server,
    /// Short, because a socket's path must be.
    dir: tempfile::TempDir,
}

impl Dockerd {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::start_by(None, arguments, "{}")
    }

    /// A Docker of another root, made by `tests/new-root.sh`, with the given `daemon.json`.
    pub(crate) fn start_in(root: &Path, config: &str) -> Self {
        Self::start_by(Some(root), &[], config)
    }

    fn start_by(root: Option<&Path>, arguments: &[&str], config: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("d").tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        fs::write(at("config"), config).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]);
        match root {
            Some(root) => command.args(in_root(root, dir.path())),
            None => command.args(["unshare", "--mount"]),
        };
        command.arg("dockerd");
        // dockerd starts containerd with sockets below exec-root, and its children end with it.
        let host = format!("unix://{}", at("s"));
        command.args(["--bridge=none", "--iptables=false", "--data-root", &at("data")]);
        command.args(["--exec-root", &at("exec"), "--pidfile", &at("pid"), "--host", &host]);
        command.args(["--config-file", &at("config")]).args(arguments);
        let mut server = Server::start(&mut command, Path::new(&at("log")));
        server.wait_until(|| {
            let mut docker = Command::new("docker");
            docker.args(["--host", &host, "version"]);
            docker.output().is_ok_and(|output| output.status.success())
        });
        Self { server, dir }
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.dir.path().join("s").display())
    }

    pub(crate) fn docker(&self) -> Command {
        let mut docker = Command::new("docker");
        docker.args(["--host", &self.host()]);
        docker
    }

    /// The daemon itself: `unshare` becomes it.
    pub(crate) fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        self.server.stop();
        unmount_below(self.dir.path());
    }
}

/// What a daemon left mounted keeps its folder from being removed.
pub(crate) fn unmount_below(dir: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().rev().filter_map(|line| line.split(' ').nth(1));
    for point in points.filter(|point| Path::new(point).starts_with(dir)) {
        let _ = Command::new("umount").arg("--lazy").arg(point).status();
    }
}

/// The words before a program of another root, with a folder that both roots have.
pub(crate) fn in_root(root: &Path, dir: &Path) -> [String; 4] {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/in-new-root.sh");
    [script.into(), root.display().to_string(), dir.display().to_string(), "--".into()]
}

/// The folder that `tests/new-root.sh` builds, when tests with the newest tools are asked for.
pub(crate) fn newest_root() -> Option<PathBuf> {
    let root = std::env::var("COOPER_TEST_NEW").ok().filter(|value| !value.is_empty())?;
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/target/new-root");
    let root = PathBuf::from(if root == "1" { default } else { &root });
    assert!(root.join("usr/sbin/dockerd").exists(), "build it with tests/new-root.sh {root:?}");
    Some(root)
}
