//! Full disks, limits of the process and signals.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::command::DEFAULT_SIGNALS;
use crate::support::sandbox::{
    GZIP, KillTimes, NONE, Sandbox, ZSTD, assert_success, events, noise, run, stderr_text,
};

/// The system calls that fail, with their errors.
const FAILURES: [&str; 3] = [
    "write,pwrite64,copy_file_range,sendfile,splice:error=ENOSPC",
    "fsync,fdatasync:error=EIO",
    "rename,renameat,renameat2:error=ENOSPC",
];

#[test]
fn archive_full_disk_at_any_call_leaves_nothing() {
    let sandbox = Sandbox::with_store_paths(3, 300_000, GZIP);
    let expected = sandbox.expected_archive();
    for failure in FAILURES {
        let mut failed = 0;
        for call in 1..200 {
            fs::remove_dir_all(sandbox.path("cache")).unwrap();
            let inject = format!("inject={failure}:when={call}");
            let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
            let output = sandbox.build(&strace, "out.tar", &["--jobs", "1"]).output().unwrap();
            if output.status.success() {
                break;
            }
            failed += 1;
            assert_eq!(output.status.code(), Some(2), "{failure} {call}: {}", stderr_text(&output));
            // The directory is synced after the rename, so the file may exist.
            match fs::read(sandbox.path("out.tar")) {
                Ok(bytes) => assert!(bytes == expected, "{failure} {call}"),
                Err(_) => assert_eq!(sandbox.leftovers(), [""; 0], "{failure} {call}"),
            }
            let again = sandbox.build(&[], "out.tar", &[]).output().unwrap();
            assert_success(&again);
            assert!(fs::read(sandbox.path("out.tar")).unwrap() == expected, "{failure} {call}");
            fs::remove_file(sandbox.path("out.tar")).unwrap();
        }
        assert!(failed > 0, "{failure} was never hit");
        assert!(sandbox.path("out.tar").exists(), "{failure}: the last run had nothing to fail at");
        fs::remove_file(sandbox.path("out.tar")).unwrap();
    }
}

#[test]
fn archive_kill_at_any_time_leaves_old_or_new() {
    let sandbox = Sandbox::with_store_paths(4, 600_000, GZIP);
    let expected = sandbox.expected_archive();
    let kills: u64 = std::env::var("COOPER_TEST_KILLS").map_or(50, |kills| kills.parse().unwrap());
    let (mut killed, mut kill_times) = (0, KillTimes::new());
    for number in 0..kills {
        let _ = fs::remove_dir_all(sandbox.path("cache"));
        let mut child = sandbox.build(&[], "out.tar", &[]).spawn().unwrap();
        std::thread::sleep(kill_times.next(Duration::from_millis(150)));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        if let Ok(bytes) = fs::read(sandbox.path("out.tar")) {
            assert!(bytes == expected, "kill {number}");
            fs::remove_file(sandbox.path("out.tar")).unwrap();
        }
        let again = sandbox.build_with("--json", &[], "-", &[]).output().unwrap();
        assert_success(&again);
        assert!(again.stdout == expected, "kill {number}");
        assert_eq!(
            events(&again, "warning"),
            [Value::Null; 0],
            "a killed process damages no cache"
        );
    }
    assert!(killed > 0, "every run was done before it was killed");
    // The next run in this directory removes the partial files.
    assert_success(&sandbox.build(&[], "out.tar", &[]).output().unwrap());
    assert_eq!(sandbox.leftovers(), ["out.tar"]);
}

/// The next run removes what a killed process left.
#[test]
fn layout_leftovers_of_killed_process_are_removed() {
    let sandbox = Sandbox::with_store_paths(2, 50_000, GZIP);
    let build =
        || assert_success(&sandbox.build(&[], "layout", &["--format", "layout"]).output().unwrap());
    build();
    let names = || {
        let entries = fs::read_dir(sandbox.path("layout/blobs/sha256")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    fs::write(sandbox.path("layout/blobs/sha256/.cooper-killed.tmp"), "half a blob").unwrap();
    build();
    assert_eq!(names(), before);
}

#[test]
fn build_works_with_64_file_descriptors() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(90, 400_000);
    for (compression, jobs) in [(GZIP, "64"), (ZSTD, "64"), (NONE, "64"), (GZIP, "13"), (NONE, "8")]
    {
        sandbox.write_spec(compression);
        for (out, format) in [("out.tar", "archive"), ("layout", "layout")] {
            let _ = fs::remove_dir_all(sandbox.path("cache"));
            let more = ["--jobs", jobs, "--format", format];
            assert_success(
                &sandbox.build(&["prlimit", "--nofile=64"], out, &more).output().unwrap(),
            );
        }
        fs::remove_dir_all(sandbox.path("layout")).unwrap();
    }
}

#[test]
fn ten_gigabyte_file_uses_bounded_memory() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(1, 10);
    let size = 10_000_000_000;
    let sparse = fs::File::create(sandbox.store_path(0).join("sparse")).unwrap();
    sparse.set_len(size).unwrap();
    sandbox.write_spec(ZSTD);
    let peak = peak_memory(sandbox.build(&[], "out.tar", &["--jobs", "2"]));
    assert!(peak < 64 + 2 * 10, "{peak} MiB");
    let layer = layers(&sandbox.path("out.tar")).remove(0);
    let mut tar = tar::Archive::new(zstd::Decoder::new(&layer[..]).unwrap());
    let sizes: Vec<u64> = tar.entries().unwrap().map(|entry| entry.unwrap().size()).collect();
    assert!(sizes.contains(&size), "{sizes:?}");
}

/// Runs a build that must succeed and returns its peak memory in MiB.
fn peak_memory(mut build: Command) -> u64 {
    let mut child = build.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or_default());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(child.wait().unwrap().success());
    assert!(peak > 0);
    peak >> 10
}

/// A thread takes 10 MB, whatever their number, and more at high levels of zstd.
#[test]
fn memory_grows_by_ten_megabytes_per_thread() {
    let sandbox = Sandbox::with_store_paths(24, 5_000_000, r#"{"algorithm": "zstd"}"#);
    for jobs in [4, 8] {
        fs::remove_dir_all(sandbox.path("cache")).ok();
        let peak = peak_memory(sandbox.build(&[], "/dev/null", &["--jobs", &jobs.to_string()]));
        assert!(peak < 64 + jobs * 10, "{jobs} jobs: {peak} MiB");
    }
    let sandbox = Sandbox::with_store_paths(1, 5_000_000, r#"{"algorithm": "zstd", "level": 19}"#);
    let peak = peak_memory(sandbox.build(&[], "/dev/null", &["--jobs", "1"]));
    assert!(peak < 64 + 100, "{peak} MiB");
}

/// Returns the layers in an archive, bottom first.
fn layers(archive: &std::path::Path) -> Vec<Vec<u8>> {
    let mut files = std::collections::BTreeMap::new();
    for entry in tar::Archive::new(fs::File::open(archive).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.path().unwrap().to_str().unwrap().to_owned(), bytes);
    }
    let manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let names = manifest[0]["Layers"].as_array().unwrap();
    names.iter().map(|name| files.remove(name.as_str().unwrap()).unwrap()).collect()
}

#[test]
fn stdout_full_or_closed_is_an_error() {
    let sandbox = Sandbox::with_store_paths(2, 500_000, NONE);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = sandbox.build(&[], "-", &[]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr_text(&output));
    assert!(
        stderr_text(&output).to_lowercase().contains("no space left"),
        "{}",
        stderr_text(&output)
    );
    let mut child = sandbox.build(&[], "-", &[]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(!child.wait().unwrap().success());
    assert_eq!(sandbox.leftovers(), [""; 0]);
}

/// Starts a build and sends it a signal while it builds a layer.
fn build_and_signal(sandbox: &Sandbox, before: &[&str], signal: &str) -> Child {
    let mut child = sandbox.build(before, "out.tar", &["--jobs", "1"]).spawn().unwrap();
    let temps = sandbox.cache_path("tmp");
    while !temps.read_dir().is_ok_and(|mut files| files.next().is_some()) {
        assert!(child.try_wait().unwrap().is_none(), "it was done before the signal");
        std::thread::sleep(Duration::from_millis(1));
    }
    run("kill", &[&signal, &child.id().to_string()]);
    child
}

#[test]
fn signal_during_layer_build_leaves_no_files() {
    for (signal, number) in [("-HUP", 1), ("-INT", 2), ("-TERM", 15)] {
        let sandbox = Sandbox::with_store_paths(1, 60_000_000, GZIP);
        let mut child = build_and_signal(&sandbox, &DEFAULT_SIGNALS, signal);
        assert_eq!(child.wait().unwrap().code(), Some(128 + number), "{signal}");
        assert_eq!(sandbox.leftovers(), [""; 0], "{signal}");
        assert_eq!(sandbox.cache_path("tmp").read_dir().unwrap().count(), 0, "{signal}");
    }
}

#[test]
fn ignored_signal_during_layer_build_stays_ignored() {
    let sandbox = Sandbox::with_store_paths(1, 20_000_000, GZIP);
    let ignoring = ["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""];
    let mut child = build_and_signal(&sandbox, &ignoring, "-HUP");
    assert!(child.wait().unwrap().success());
    assert_eq!(sandbox.leftovers(), ["out.tar"]);
}

#[test]
fn signal_while_file_is_created_leaves_no_file() {
    let sandbox = Sandbox::with_store_paths(1, 1_000_000, GZIP);
    // The delays leave a long time between the creation of a file, its registration and its rename.
    let made = ["-e", "inject=openat:delay_exit=20000"];
    let named = ["-e", "inject=rename,renameat,renameat2:delay_enter=300000"];
    let strace = ["strace", "-D", "-f", "-qq", "-e", "trace=openat,rename,renameat,renameat2"];
    let strace = [&strace[..], &made, &named, &["-o", "/dev/null"]].concat();
    let temps = sandbox.cache_path("tmp");
    for (name, dir) in
        [(".lock", &temps), ("blob-", &temps), ("layer-", &temps), (".cooper-", &sandbox.path(""))]
    {
        let _ = fs::remove_dir_all(sandbox.path("cache"));
        let mut child = sandbox.build(&strace, "out.tar", &["--jobs", "1"]).spawn().unwrap();
        let is_there = || {
            let files = fs::read_dir(dir).into_iter().flatten();
            files.flatten().any(|file| file.file_name().to_str().unwrap().contains(name))
        };
        while !is_there() {
            assert!(child.try_wait().unwrap().is_none(), "{name}: it was done before the signal");
        }
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(128 + 15), "{name}");
        assert_eq!(sandbox.leftovers(), [""; 0], "{name}");
        assert_eq!(temps.read_dir().map_or(0, Iterator::count), 0, "{name}");
    }
}

#[test]
fn umask_locale_and_jobs_do_not_change_the_bytes() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(5, 400_000);
    fs::write(sandbox.store_path(0).join("large"), noise(7, 5_000_000)).unwrap();
    for compression in [GZIP, ZSTD, NONE] {
        sandbox.write_spec(compression);
        let expected = sandbox.expected_archive();
        for (jobs, umask) in [("1", "000"), ("3", "077"), ("16", "022")] {
            let script = format!("umask {umask}; exec \"$0\" \"$@\"");
            let mut command = sandbox.build(&["sh", "-c", &script], "out.tar", &["--jobs", jobs]);
            command
                .env("LANG", "tr_TR.UTF-8")
                .env("LC_ALL", "tr_TR.UTF-8")
                .env("TZ", "Asia/Kathmandu");
            command.env_remove("HOME");
            let _ = fs::remove_dir_all(sandbox.path("cache"));
            assert_success(&command.output().unwrap());
            let out = sandbox.path("out.tar");
            assert!(fs::read(&out).unwrap() == expected, "{compression} {jobs} {umask}");
            assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o644);
        }
    }
}

#[test]
fn file_changed_while_read_is_named() {
    let sandbox = Sandbox::with_store_paths(1, 1000, GZIP);
    // A file of /proc has the size 0 and some content.
    let grown = sandbox.store_path(0).join("grown");
    fs::write(&grown, "").unwrap();
    let script = "mount --bind /proc/version \"$1\"; shift; exec \"$@\"";
    let grown_arg = grown.to_str().unwrap();
    let before = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", grown_arg];
    let output = sandbox.build(&before, "out.tar", &[]).output().unwrap();
    assert!(!output.status.success());
    assert!(stderr_text(&output).contains("changed while it was read"), "{}", stderr_text(&output));
    assert!(stderr_text(&output).contains("grown"), "{}", stderr_text(&output));
}

#[test]
fn archive_writeback_starts_before_fsync() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(1, 20_000_000);
    sandbox.write_spec(NONE);
    let calls = sandbox.path("calls");
    let strace = ["strace", "-f", "-qq", "-e", "trace=fadvise64,fsync", "-o"];
    let strace = [&strace[..], &[calls.to_str().unwrap()]].concat();
    assert_success(&sandbox.build(&strace, "out.tar", &[]).output().unwrap());
    let calls = fs::read_to_string(calls).unwrap();
    let (before, _) = calls.split_once("fsync(").expect("it is made durable");
    assert_eq!(before.matches("POSIX_FADV_DONTNEED) = 0").count(), 2, "{calls}");
}
