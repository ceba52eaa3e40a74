//! Standard output as a pipe, which gets large files by `splice`, and as other files.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Output, Stdio};
use std::thread::{sleep, spawn};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::support::sandbox::{GZIP, NONE, Sandbox, ZSTD, assert_success, noise, stderr_text};

/// The capacity of the pipe of a `cooper build`.
const PIPE: u64 = 1 << 20;

/// A store path with files around the limits of a pipe, and two large ones whose bytes are not in
/// the pipe at the end.
fn odd_sizes() -> Sandbox {
    let sandbox = Sandbox::new();
    let dir = sandbox.store_path(0);
    fs::create_dir_all(&dir).unwrap();
    for size in [0, 1, 511, 512, 4095, 4097, 65_535, 65_536, 65_537, 100_001, 300_000] {
        fs::write(dir.join(format!("a-{size:06}")), noise(size, size)).unwrap();
    }
    let mut holes = fs::File::create(dir.join("b-holes")).unwrap();
    holes.set_len(2_000_001).unwrap();
    holes.seek(SeekFrom::Start(1_000_001)).unwrap();
    holes.write_all(b"between holes").unwrap();
    fs::write(dir.join("c-large"), noise(1, 6_000_001)).unwrap();
    fs::write(dir.join("d-small"), noise(2, 10)).unwrap();
    sandbox
}

/// Reads to the end in chunks of this size.
fn read_slowly(mut from: ChildStdout, at_once: usize) -> Vec<u8> {
    let (mut bytes, mut buf) = (Vec::new(), vec![0; at_once]);
    loop {
        match from.read(&mut buf).unwrap() {
            0 => return bytes,
            count => bytes.extend_from_slice(&buf[..count]),
        }
        sleep(Duration::from_micros(50));
    }
}

#[test]
fn pipe_gets_same_bytes_and_splices_large_files() {
    let sandbox = odd_sizes();
    let other = sandbox.path("other.json");
    for compression in [NONE, GZIP, ZSTD] {
        let spec = fs::read_to_string(sandbox.write_spec(compression)).unwrap();
        fs::write(&other, spec.replace("\"test\"", "\"other\"")).unwrap();
        // One image, and a set of two.
        for more in [&[][..], &[other.to_str().unwrap()]] {
            let calls = sandbox.path("calls");
            let strace = ["strace", "-f", "-qq", "-e", "trace=splice", "-o"];
            let strace = [&strace[..], &[calls.to_str().unwrap()]].concat();
            let fresh = || drop(fs::remove_dir_all(sandbox.path("cache")));
            fresh();
            assert_success(&sandbox.build(&strace, "out.tar", more).output().unwrap());
            let expected = fs::read(sandbox.path("out.tar")).unwrap();
            assert_eq!(fs::read_to_string(&calls).unwrap(), "", "nothing is spliced into a file");
            fresh();
            let output = sandbox.build(&strace, "-", more).output().unwrap();
            assert_success(&output);
            assert!(output.stdout == expected, "{compression}");
            assert!(fs::read_to_string(&calls).unwrap().contains("splice("), "{compression}");
            for at_once in [1000, 300_000] {
                fresh();
                let mut child =
                    sandbox.build(&[], "-", more).stdout(Stdio::piped()).spawn().unwrap();
                let read = read_slowly(child.stdout.take().unwrap(), at_once);
                assert!(child.wait().unwrap().success());
                assert!(read == expected, "{compression} {at_once}");
            }
        }
    }
}

#[test]
fn pipe_without_splice_midway_gets_same_bytes() {
    let sandbox = odd_sizes();
    sandbox.write_spec(NONE);
    let expected = sandbox.expected_archive();
    for fault in ["EINVAL:when=1+", "EINVAL:when=3+", "EIO:when=2+2", "EINTR:when=2+2"] {
        fs::remove_dir_all(sandbox.path("cache")).unwrap();
        let inject = format!("inject=splice:error={fault}");
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
        let output = sandbox.build(&strace, "-", &[]).output().unwrap();
        assert_success(&output);
        assert!(output.stdout == expected, "{fault}");
    }
}

#[test]
fn socket_and_dev_null_are_written() {
    let sandbox = odd_sizes();
    sandbox.write_spec(NONE);
    let expected = sandbox.expected_archive();
    fs::remove_dir_all(sandbox.path("cache")).unwrap();
    assert_success(&sandbox.build(&[], "-", &[]).stdout(Stdio::null()).output().unwrap());
    fs::remove_dir_all(sandbox.path("cache")).unwrap();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let reader = spawn(move || {
        let mut bytes = Vec::new();
        ours.read_to_end(&mut bytes).map(|_| bytes)
    });
    assert_success(&sandbox.build(&[], "-", &[]).stdout(OwnedFd::from(theirs)).output().unwrap());
    assert!(reader.join().unwrap().unwrap() == expected);
}

#[test]
fn pipe_closed_or_nonblocking_is_an_error() {
    let sandbox = odd_sizes();
    sandbox.write_spec(NONE);
    let mut child = sandbox.build(&[], "-", &[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut vec![0; 1_000_000]).unwrap();
    wait_until_full(&stdout);
    drop(stdout);
    assert_eq!(child.wait().unwrap().code(), Some(2));
    fs::remove_dir_all(sandbox.path("cache")).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    let output = sandbox.build(&[], "-", &[]).stdout(writer).output().unwrap();
    drop(reader);
    assert_eq!(output.status.code(), Some(2), "{}", stderr_text(&output));
    assert!(stderr_text(&output).contains("temporarily unavailable"), "{}", stderr_text(&output));
}

/// Waits until the process is blocked because the pipe is full.
fn wait_until_full(stdout: &ChildStdout) {
    while rustix::io::ioctl_fionread(stdout).unwrap() < PIPE * 7 / 8 {
        sleep(Duration::from_millis(1));
    }
}

/// Reads two million bytes, calls a function when the pipe is full again, and reads the rest.
fn read_with_pause(mut child: Child, change: impl FnOnce()) -> Output {
    let stdout = child.stdout.as_mut().unwrap();
    let mut first = vec![0; 2_000_000];
    stdout.read_exact(&mut first).unwrap();
    wait_until_full(stdout);
    change();
    child.wait_with_output().unwrap()
}

#[test]
fn file_changed_while_in_pipe_is_an_error() {
    type Change = fn(&fs::File);
    let changes: [(&str, Change); 5] = [
        ("", |_| ()),
        // All bytes of the file are in the pipe, and its stamp has been read since.
        ("a", |file| file.write_all_at(b"other", 2_400_000).unwrap()),
        ("b", |file| file.write_all_at(b"other", 3_900_000).unwrap()),
        ("b", |file| file.set_len(3_000_000).unwrap()),
        ("b", |file| file.set_len(5_000_000).unwrap()),
    ];
    for (name, change) in changes {
        let sandbox = Sandbox::new();
        let dir = sandbox.store_path(0);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("a"), noise(1, 2_500_000)).unwrap();
        fs::write(dir.join("b"), noise(2, 4_000_000)).unwrap();
        sandbox.write_spec(NONE);
        let mut command = sandbox.build(&[], "-", &[]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = read_with_pause(child, || {
            if !name.is_empty() {
                change(&fs::File::options().write(true).open(dir.join(name)).unwrap());
            }
        });
        let code = if name.is_empty() { 0 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{}", stderr_text(&output));
        assert!(
            name.is_empty() || stderr_text(&output).contains("changed"),
            "{}",
            stderr_text(&output)
        );
    }
}
