//! A containerd with directories of its own.

use std::path::Path;
use std::process::Command;

use crate::support::servers::{Server, unmount_below};

/// Server and clients start with the same prefix, which may lead into another root.
pub(super) struct Containerd {
    server: Server,
    before: Vec<String>,
    /// The name is short, because the path of a socket has a limit.
    dir: tempfile::TempDir,
}

impl Containerd {
    pub(super) fn start(before: impl Fn(&Path) -> Vec<String>) -> Self {
        let dir = tempfile::Builder::new().prefix("c").tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let config = format!(
            "version = 2\nroot = \"{}\"\nstate = \"{}\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{}\"\n",
            at("root"),
            at("state"),
            at("s")
        );
        std::fs::write(at("config"), config).unwrap();
        let before = before(dir.path());
        let mut start = behind(&before, "containerd");
        start.args(["--config", &at("config")]);
        let server = Server::start(&mut start, Path::new(&at("log")));
        let mut containerd = Self { server, before, dir };
        let mut version = containerd.ctr();
        version.arg("version");
        let answers = || version.output().unwrap().status.success();
        containerd.server.wait_until(answers);
        containerd
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn address(&self) -> String {
        self.dir().join("s").display().to_string()
    }

    pub(super) fn command(&self, program: &str) -> Command {
        behind(&self.before, program)
    }

    pub(super) fn ctr(&self) -> Command {
        let mut ctr = self.command("ctr");
        ctr.args(["--address", &self.address()]);
        ctr
    }
}

fn behind(before: &[String], program: &str) -> Command {
    let mut words = before.iter().map(String::as_str).chain([program]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.server.stop();
        unmount_below(self.dir.path());
    }
}
