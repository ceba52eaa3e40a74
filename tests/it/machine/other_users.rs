//! Processes of other users, and what other users can read of a process.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use crate::support::command::TestDir;

/// Starts a load that waits for a silent daemon, as another user if one is given.
fn spawn_waiting_load(
    test_dir: &TestDir,
    user: Option<&str>,
) -> (std::process::Child, std::net::TcpStream) {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("tcp://{}", silent.local_addr().unwrap());
    let mut command = Command::new("setpriv");
    if let Some(user) = user {
        command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]);
    }
    command.arg(test_dir.path("cooper")).args(["--cache", "none", "load", "spec.json"]);
    command.current_dir(test_dir.path("")).env("DOCKER_HOST", host).env("HOME", "/");
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    (child, silent.accept().unwrap().0)
}

#[test]
fn process_has_no_core_file_and_is_unreadable() {
    let test_dir = TestDir::new();
    test_dir.write("spec.json", r#"{"version":1,"name":"app"}"#);
    std::fs::copy(env!("CARGO_BIN_EXE_cooper"), test_dir.path("cooper")).unwrap();
    std::fs::set_permissions(test_dir.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    for user in [None, Some("65534")] {
        let (mut child, connection) = spawn_waiting_load(&test_dir, user);
        let read = |name: &str| {
            let mut text = String::new();
            let mut file = std::fs::File::open(format!("/proc/{}/{name}", child.id())).unwrap();
            file.read_to_string(&mut text).unwrap();
            text
        };
        let limits = read("limits");
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
        // The kernel assigns the files of a process that must not be dumped to root.
        let owner = std::fs::metadata(format!("/proc/{}/environ", child.id())).unwrap().uid();
        assert_eq!(owner, 0);
        drop(connection);
        child.wait().unwrap();
    }
}

#[test]
fn other_user_writes_to_all_outputs() {
    let test_dir = TestDir::new();
    test_dir.write("spec.json", r#"{"version":1,"name":"app","files":{"/x":{"text":"x"}}}"#);
    std::fs::copy(env!("CARGO_BIN_EXE_cooper"), test_dir.path("cooper")).unwrap();
    std::fs::set_permissions(test_dir.path(""), std::fs::Permissions::from_mode(0o777)).unwrap();
    let script = "set -e
        run() { ./cooper --cache cache build spec.json \"$@\"; }
        run -o file.tar
        run -o - >dash.tar
        run -o /dev/stdout | cat >stdout.tar
        run -o /dev/fd/3 3>&1 >&2 | cat >fd.tar
        run -o /proc/self/fd/3 3>&1 >&2 | cat >self.tar
        run --format layout -o layout
        for name in dash stdout fd self; do cmp file.tar $name.tar; done";
    let mut shell = Command::new("setpriv");
    shell.args(["--reuid=65534", "--regid=65534", "--clear-groups", "bash", "-c", script]);
    let output = shell.current_dir(test_dir.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(test_dir.path("layout/index.json").exists());
}
