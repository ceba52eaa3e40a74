//! The real binary in a temporary directory, with generated store paths.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const HASH: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The start of a command that a signal must end. A shell ignores SIGINT for background jobs, and
/// `cooper` leaves an ignored signal ignored: the test run can be such a job.
pub(crate) const DEFAULT_SIGNALS: [&str; 2] = ["env", "--default-signal=HUP,INT,TERM"];

/// A temporary directory with a store.
pub(crate) struct TestDir {
    dir: tempfile::TempDir,
}

/// The exit code and the output of a run.
pub(crate) struct CommandOutput {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestDir {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Writes a file and creates the directories above it.
    pub(crate) fn write(&self, below: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes a file into the store path of this name.
    pub(crate) fn store_file(&self, name: &str, below: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        self.write(&format!("store/{HASH}-{name}/{below}"), bytes)
    }

    /// Writes an executable file into the store path of this name.
    pub(crate) fn executable(&self, name: &str, below: &str, bytes: &[u8]) -> PathBuf {
        let path = self.store_file(name, below, bytes);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o555)).unwrap();
        path
    }

    /// Returns the store path of this name.
    pub(crate) fn store_path(&self, name: &str) -> PathBuf {
        self.path(&format!("store/{HASH}-{name}"))
    }

    /// Writes `spec.json` with these fields and a closure of the store paths of these names.
    pub(crate) fn write_spec(&self, closure: &[&str], fields: Value) -> PathBuf {
        let info = |name: &&str| json!({"path": self.store_path(name), "narHash": "sha256:0", "narSize": 1000});
        let mut spec = json!({"version": 1, "name": "app"});
        spec["closure"] = closure.iter().map(info).collect::<Vec<_>>().into();
        let Value::Object(fields) = fields else { panic!("a spec is an object") };
        spec.as_object_mut().unwrap().extend(fields);
        self.write("spec.json", spec.to_string())
    }

    /// Runs cooper in this directory, with its own cache.
    pub(crate) fn cooper(&self, args: &[&str]) -> CommandOutput {
        CommandOutput::new(self.command(args).output().unwrap())
    }

    /// Runs cooper in this directory with a text on standard input.
    pub(crate) fn run_with_stdin(&self, args: &[&str], input: &str) -> CommandOutput {
        CommandOutput::new(run_with_stdin(&mut self.command(args), input))
    }

    /// Returns a command of cooper in this directory.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cooper"));
        command.current_dir(self.dir.path()).env("XDG_CACHE_HOME", self.path("cache"));
        command.args(args);
        command
    }

    /// Runs cooper, which must succeed without messages, and returns its standard output.
    pub(crate) fn stdout_of(&self, args: &[&str]) -> String {
        let result = self.cooper(args);
        assert_eq!((result.code, result.stderr.as_str()), (Some(0), ""), "{args:?}");
        result.stdout
    }

    /// Builds `spec.json`. The build must fail with this exit code and one error with these texts,
    /// and leave no file in the output directory.
    pub(crate) fn assert_build_fails(&self, code: i32, expected_text: &[&str]) {
        std::fs::create_dir_all(self.path("out")).unwrap();
        for format in ["archive", "layout"] {
            let target = self.path(&format!("out/{format}"));
            let args = ["build", "spec.json", "--format", format, "-o", target.to_str().unwrap()];
            let result = self.cooper(&args);
            result.assert_failure(code, expected_text);
            let left: Vec<_> = std::fs::read_dir(self.path("out")).unwrap().collect();
            assert!(left.is_empty(), "left behind: {left:?}");
        }
    }

    /// Builds a spec, which must succeed, and opens the tars of its plain layers.
    pub(crate) fn layers(&self, spec: &str) -> Vec<File> {
        // Tests change store paths, which a Nix store never does; a cache would be stale.
        let layout = ["--format", "layout", "-o", "layout", "--cache", "none"];
        self.cooper(&[&["build", spec], &layout[..]].concat()).assert_success();
        let open = |digest: &Value| {
            let blob = digest.as_str().unwrap().replace(':', "/");
            File::open(self.path("layout/blobs").join(blob)).unwrap()
        };
        let json = |file| -> Value { serde_json::from_reader(file).unwrap() };
        let index = json(File::open(self.path("layout/index.json")).unwrap());
        let manifest = json(open(&index["manifests"][0]["digest"]));
        let layers = manifest["layers"].as_array().unwrap().iter();
        let layers = layers.map(|layer| open(&layer["digest"])).collect();
        std::fs::remove_dir_all(self.path("layout")).unwrap();
        layers
    }

    /// Builds `spec.json` into `image.tar`, which must succeed.
    pub(crate) fn build_archive(&self) -> PathBuf {
        let result = self.cooper(&["build", "spec.json", "-o", "image.tar"]);
        assert_eq!(result.code, Some(0), "{}", result.stderr);
        self.path("image.tar")
    }
}

impl CommandOutput {
    /// Checks that the exit code is 0.
    pub(crate) fn assert_success(&self) {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
    }

    pub(crate) fn new(Output { status, stdout, stderr }: Output) -> Self {
        Self {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Checks for one `error:` line with these texts, and an empty standard output.
    pub(crate) fn assert_failure(&self, code: i32, expected_text: &[&str]) {
        let Self { stdout, stderr, .. } = self;
        assert_eq!(self.code, Some(code), "{stderr}");
        assert_eq!(stdout, "", "{stderr}");
        assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
        for words in expected_text {
            assert!(stderr.contains(words), "wanted `{words}`, got: {stderr}");
        }
    }
}

/// Runs a command with a text on standard input.
pub(crate) fn run_with_stdin(command: &mut Command, input: &str) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    match std::io::Write::write_all(&mut stdin, input.as_bytes()) {
        // A process that does not read its input may have ended.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        written => written.unwrap(),
    }
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// Runs a program of the machine, which must succeed.
pub(crate) fn run(program: &str, args: &[&Path]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}
