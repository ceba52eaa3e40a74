//! Section F of the faults: the disk, limits, signals.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::sandbox::{
    GZIP, House, Lives, NONE, ZSTD, errors, events, noise, run, succeeded,
};

/// Which calls fail, and how.
const FAILURES: [&str; 3] = [
    "write,pwrite64,copy_file_range,sendfile,splice:error=ENOSPC",
    "fsync,fdatasync:error=EIO",
    "rename,renameat,renameat2:error=ENOSPC",
];

#[test]
fn archive_full_disk_at_any_call_leaves_nothing() {
    let house = House::filled(3, 300_000, GZIP);
    let expected = house.expected();
    for failure in FAILURES {
        let mut failed = 0;
        for call in 1..200 {
            fs::remove_dir_all(house.path("cache")).unwrap();
            let inject = format!("inject={failure}:when={call}");
            let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
            let output = house.build(&strace, "out.tar", &["--jobs", "1"]).output().unwrap();
            if output.status.success() {
                break;
            }
            failed += 1;
            assert_eq!(output.status.code(), Some(2), "{failure} {call}: {}", errors(&output));
            // Whether a rename is durable is asked when it is done already.
            match fs::read(house.path("out.tar")) {
                Ok(bytes) => assert!(bytes == expected, "{failure} {call}"),
                Err(_) => assert_eq!(house.leftovers(), [""; 0], "{failure} {call}"),
            }
            let again = house.build(&[], "out.tar", &[]).output().unwrap();
            succeeded(&again);
            assert!(fs::read(house.path("out.tar")).unwrap() == expected, "{failure} {call}");
            fs::remove_file(house.path("out.tar")).unwrap();
        }
        assert!(failed > 0, "{failure} was never hit");
        assert!(house.path("out.tar").exists(), "{failure}: the last run had nothing to fail at");
        fs::remove_file(house.path("out.tar")).unwrap();
    }
}

#[test]
fn archive_kill_at_any_time_leaves_old_or_new() {
    let house = House::filled(4, 600_000, GZIP);
    let expected = house.expected();
    let kills: u64 = std::env::var("COOPER_TEST_KILLS").map_or(50, |kills| kills.parse().unwrap());
    let (mut killed, mut lives) = (0, Lives::new());
    for number in 0..kills {
        let _ = fs::remove_dir_all(house.path("cache"));
        let mut child = house.build(&[], "out.tar", &[]).spawn().unwrap();
        std::thread::sleep(lives.next(Duration::from_millis(150)));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        if let Ok(bytes) = fs::read(house.path("out.tar")) {
            assert!(bytes == expected, "kill {number}");
            fs::remove_file(house.path("out.tar")).unwrap();
        }
        let again = house.build_told("--json", &[], "-", &[]).output().unwrap();
        succeeded(&again);
        assert!(again.stdout == expected, "kill {number}");
        assert_eq!(
            events(&again, "warning"),
            [Value::Null; 0],
            "a killed process damages no cache"
        );
    }
    assert!(killed > 0, "every run was done before it was killed");
    // Those that were half written go with the next one that is written there.
    succeeded(&house.build(&[], "out.tar", &[]).output().unwrap());
    assert_eq!(house.leftovers(), ["out.tar"]);
}

/// The next run removes what a killed process left.
#[test]
fn layout_leftovers_of_killed_process_are_removed() {
    let house = House::filled(2, 50_000, GZIP);
    let build =
        || succeeded(&house.build(&[], "layout", &["--format", "layout"]).output().unwrap());
    build();
    let names = || {
        let entries = fs::read_dir(house.path("layout/blobs/sha256")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    fs::write(house.path("layout/blobs/sha256/.cooper-killed.tmp"), "half a blob").unwrap();
    build();
    assert_eq!(names(), before);
}

#[test]
fn build_works_with_64_file_descriptors() {
    let house = House::new();
    house.fill(90, 400_000);
    for (compression, jobs) in [(GZIP, "64"), (ZSTD, "64"), (NONE, "64"), (GZIP, "13"), (NONE, "8")]
    {
        house.spec(compression);
        for (out, format) in [("out.tar", "archive"), ("layout", "layout")] {
            let _ = fs::remove_dir_all(house.path("cache"));
            let more = ["--jobs", jobs, "--format", format];
            succeeded(&house.build(&["prlimit", "--nofile=64"], out, &more).output().unwrap());
        }
        fs::remove_dir_all(house.path("layout")).unwrap();
    }
}

#[test]
fn ten_gigabyte_file_uses_bounded_memory() {
    let house = House::new();
    house.fill(1, 10);
    let size = 10_000_000_000;
    let sparse = fs::File::create(house.store_path(0).join("sparse")).unwrap();
    sparse.set_len(size).unwrap();
    house.spec(ZSTD);
    let peak = peak_of(house.build(&[], "out.tar", &["--jobs", "2"]));
    assert!(peak < 64 + 2 * 10, "{peak} MiB");
    let layer = layers(&house.path("out.tar")).remove(0);
    let mut tar = tar::Archive::new(zstd::Decoder::new(&layer[..]).unwrap());
    let sizes: Vec<u64> = tar.entries().unwrap().map(|entry| entry.unwrap().size()).collect();
    assert!(sizes.contains(&size), "{sizes:?}");
}

/// Runs a build to its good end; the most memory that it had, in MiB.
fn peak_of(mut build: Command) -> u64 {
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
    let house = House::filled(24, 5_000_000, r#"{"algorithm": "zstd"}"#);
    for jobs in [4, 8] {
        fs::remove_dir_all(house.path("cache")).ok();
        let peak = peak_of(house.build(&[], "/dev/null", &["--jobs", &jobs.to_string()]));
        assert!(peak < 64 + jobs * 10, "{jobs} jobs: {peak} MiB");
    }
    let house = House::filled(1, 5_000_000, r#"{"algorithm": "zstd", "level": 19}"#);
    let peak = peak_of(house.build(&[], "/dev/null", &["--jobs", "1"]));
    assert!(peak < 64 + 100, "{peak} MiB");
}

/// The layers in an archive, bottom first.
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
    let house = House::filled(2, 500_000, NONE);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = house.build(&[], "-", &[]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    assert!(errors(&output).to_lowercase().contains("no space left"), "{}", errors(&output));
    let mut child = house.build(&[], "-", &[]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(!child.wait().unwrap().success());
    assert_eq!(house.leftovers(), [""; 0]);
}

/// Starts a build and sends it a signal in the middle of its layer.
fn signalled(house: &House, before: &[&str], signal: &str) -> Child {
    let mut child = house.build(before, "out.tar", &["--jobs", "1"]).spawn().unwrap();
    let temps = house.cached("tmp");
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
        let house = House::filled(1, 60_000_000, GZIP);
        let mut child = signalled(&house, &[], signal);
        assert_eq!(child.wait().unwrap().code(), Some(128 + number), "{signal}");
        assert_eq!(house.leftovers(), [""; 0], "{signal}");
        assert_eq!(house.cached("tmp").read_dir().unwrap().count(), 0, "{signal}");
    }
}

#[test]
fn ignored_signal_during_layer_build_stays_ignored() {
    let house = House::filled(1, 20_000_000, GZIP);
    let ignoring = ["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""];
    let mut child = signalled(&house, &ignoring, "-HUP");
    assert!(child.wait().unwrap().success());
    assert_eq!(house.leftovers(), ["out.tar"]);
}

#[test]
fn signal_while_file_is_created_leaves_no_file() {
    let house = House::filled(1, 1_000_000, GZIP);
    // Who makes a file hears of it long after it is there, and gives it its name long after.
    let made = ["-e", "inject=openat:delay_exit=20000"];
    let named = ["-e", "inject=rename,renameat,renameat2:delay_enter=300000"];
    let strace = ["strace", "-D", "-f", "-qq", "-e", "trace=openat,rename,renameat,renameat2"];
    let strace = [&strace[..], &made, &named, &["-o", "/dev/null"]].concat();
    let temps = house.cached("tmp");
    for (name, dir) in
        [(".lock", &temps), ("blob-", &temps), ("layer-", &temps), (".cooper-", &house.path(""))]
    {
        let _ = fs::remove_dir_all(house.path("cache"));
        let mut child = house.build(&strace, "out.tar", &["--jobs", "1"]).spawn().unwrap();
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
        assert_eq!(house.leftovers(), [""; 0], "{name}");
        assert_eq!(temps.read_dir().map_or(0, Iterator::count), 0, "{name}");
    }
}

#[test]
fn umask_locale_and_jobs_do_not_change_the_bytes() {
    let house = House::new();
    house.fill(5, 400_000);
    fs::write(house.store_path(0).join("large"), noise(7, 5_000_000)).unwrap();
    for compression in [GZIP, ZSTD, NONE] {
        house.spec(compression);
        let expected = house.expected();
        for (jobs, umask) in [("1", "000"), ("3", "077"), ("16", "022")] {
            let script = format!("umask {umask}; exec \"$0\" \"$@\"");
            let mut command = house.build(&["sh", "-c", &script], "out.tar", &["--jobs", jobs]);
            command
                .env("LANG", "tr_TR.UTF-8")
                .env("LC_ALL", "tr_TR.UTF-8")
                .env("TZ", "Asia/Kathmandu");
            command.env_remove("HOME");
            let _ = fs::remove_dir_all(house.path("cache"));
            succeeded(&command.output().unwrap());
            let out = house.path("out.tar");
            assert!(fs::read(&out).unwrap() == expected, "{compression} {jobs} {umask}");
            assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o644);
        }
    }
}

#[test]
fn file_changed_while_read_is_named() {
    let house = House::filled(1, 1000, GZIP);
    // A file of /proc says that it has no bytes, and has some.
    let grown = house.store_path(0).join("grown");
    fs::write(&grown, "").unwrap();
    let script = "mount --bind /proc/version \"$1\"; shift; exec \"$@\"";
    let grown_arg = grown.to_str().unwrap();
    let before = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", grown_arg];
    let output = house.build(&before, "out.tar", &[]).output().unwrap();
    assert!(!output.status.success());
    assert!(errors(&output).contains("changed while it was read"), "{}", errors(&output));
    assert!(errors(&output).contains("grown"), "{}", errors(&output));
}

#[test]
fn archive_writeback_starts_before_fsync() {
    let house = House::new();
    house.fill(1, 20_000_000);
    house.spec(NONE);
    let calls = house.path("calls");
    let strace = ["strace", "-f", "-qq", "-e", "trace=fadvise64,fsync", "-o"];
    let strace = [&strace[..], &[calls.to_str().unwrap()]].concat();
    succeeded(&house.build(&strace, "out.tar", &[]).output().unwrap());
    let calls = fs::read_to_string(calls).unwrap();
    let (before, _) = calls.split_once("fsync(").expect("it is made durable");
    assert_eq!(before.matches("POSIX_FADV_DONTNEED) = 0").count(), 2, "{calls}");
}
