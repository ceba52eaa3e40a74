//! A directory for one test, which contains the program and which the user `nobody` can use.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const NOBODY: u32 = 65534;

pub(crate) struct Bench {
    at: PathBuf,
    user: Option<u32>,
}

impl Bench {
    pub(crate) fn new(name: &str) -> Self {
        let at = std::env::temp_dir().join(format!("image-programs-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&at);
        fs::create_dir_all(at.join("bin")).unwrap();
        // Another process writes the program. If this one did, a child that another test forks at
        // that moment would hold it open for writing, and nothing could execute it.
        let mut copy = Command::new("/bin/cp");
        let copied = copy.arg(env!("CARGO_BIN_EXE_cp")).arg(at.join("bin/cp")).status();
        assert!(copied.unwrap().success());
        let am_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        let bench = Self { at, user: am_root.then_some(NOBODY) };
        // The emptyDir volume of a pod.
        fs::create_dir(bench.path("volume")).unwrap();
        bench.give("volume");
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }

    pub(crate) fn give(&self, name: &str) {
        chown(self.path(name), self.user, self.user).unwrap();
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }

    /// Creates a plugin without write permissions, as in a store.
    pub(crate) fn plugin(&self) {
        self.file("plugin/plugin.json", "{}");
        self.file("plugin/module.js", "define([])");
        self.file("plugin/img/logo.svg", "<svg/>");
        for (name, mode) in [
            ("plugin/plugin.json", 0o444),
            ("plugin/module.js", 0o555),
            ("plugin/img/logo.svg", 0o444),
            ("plugin/img", 0o555),
            ("plugin", 0o555),
        ] {
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    pub(crate) fn command(&self, program: &Path, args: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.at).env_clear().env("PATH", self.path("bin"));
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command.output().unwrap()
    }

    pub(crate) fn cp(&self, args: &[&str]) -> Output {
        self.command(&self.path("bin/cp"), args)
    }

    pub(crate) fn copies(&self, args: &[&str]) {
        let output = self.cp(args);
        assert!(output.status.success(), "cp {args:?}: {}", stderr(&output));
        assert_eq!(stderr(&output), "", "cp {args:?}");
    }

    pub(crate) fn fails(&self, args: &[&str], why: &[&str]) {
        let output = self.cp(args);
        assert_eq!(output.status.code(), Some(1), "cp {args:?}: {}", stderr(&output));
        for part in why {
            assert!(stderr(&output).contains(part), "cp {args:?}: {}", stderr(&output));
        }
    }

    /// Every path below `name` with what it is.
    pub(crate) fn tree(&self, name: &str) -> Vec<String> {
        let mut lines = Vec::new();
        walk(&self.path(name), "", &mut lines);
        lines.sort();
        lines
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for name in ["plugin/img", "plugin"] {
            let _ = fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755));
        }
        let _ = fs::remove_dir_all(&self.at);
    }
}

fn walk(path: &Path, name: &str, lines: &mut Vec<String>) {
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{name}{}", entry.file_name().display());
        let about = entry.metadata().unwrap();
        if about.is_dir() {
            lines.push(format!("{name}/"));
            walk(&entry.path(), &format!("{name}/"), lines);
        } else if about.is_symlink() {
            lines.push(format!("{name} -> {}", fs::read_link(entry.path()).unwrap().display()));
        } else {
            lines.push(format!("{name} = {}", fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The result of [`Bench::plugin`] in the form of [`Bench::tree`].
pub(crate) const PLUGIN: [&str; 4] =
    ["img/", "img/logo.svg = <svg/>", "module.js = define([])", "plugin.json = {}"];
