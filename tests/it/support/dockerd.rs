//! The Docker daemon, and daemons of another root.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::servers::Server;

/// A Docker daemon without networks, in its own network namespace.
#[derive(Debug)]
pub(crate) struct Dockerd {
    server: Server,
    /// The name is short, because the path of a socket has a limit.
    dir: tempfile::TempDir,
}

impl Dockerd {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::start_process(None, arguments, "{}")
    }

    /// Starts the Docker of another root, made by `tests/new-root.sh`, with this `daemon.json`.
    pub(crate) fn start_in(root: &Path, config: &str) -> Self {
        Self::start_process(Some(root), &[], config)
    }

    fn start_process(root: Option<&Path>, arguments: &[&str], config: &str) -> Self {
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

    /// Returns the daemon itself; `unshare` becomes that process.
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

/// Removes the mounts that a daemon left, so that its directory can be removed.
pub(crate) fn unmount_below(dir: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().rev().filter_map(|line| line.split(' ').nth(1));
    for point in points.filter(|point| Path::new(point).starts_with(dir)) {
        let _ = Command::new("umount").arg("--lazy").arg(point).status();
    }
}

/// Returns the command prefix for a program of another root, with a directory in both roots.
pub(crate) fn in_root(root: &Path, dir: &Path) -> [String; 4] {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/in-new-root.sh");
    [script.into(), root.display().to_string(), dir.display().to_string(), "--".into()]
}
