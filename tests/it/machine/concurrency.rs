//! Several processes at the same time, and the work that the cache saves.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::support::sandbox::{
    GZIP, Sandbox, assert_success, events, run, stderr_text, with_mount,
};

#[test]
fn eight_processes_share_cache_and_layout() {
    let sandbox = Sandbox::with_store_paths(6, 800_000, GZIP);
    let tags: Vec<String> = (0..8).map(|number| format!("v{number}")).collect();
    let start = |tag: &String| {
        let args = ["--format", "layout", "--tag", tag];
        let mut command = sandbox.build_with("--json", &[], "layout", &args);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = tags.iter().map(start).collect();
    let mut made = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_success(&output);
        assert_eq!(events(&output, "warning"), [Value::Null; 0]);
        let starts = events(&output, "start");
        made += starts
            .iter()
            .filter(|start| start["what"].as_str().unwrap().contains("package"))
            .count();
    }
    assert_eq!(made, 6, "each layer is made once");
    assert_eq!(fs::read_dir(sandbox.cache_path("tmp")).unwrap().count(), 0);
    let index = fs::read(sandbox.path("layout/index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let mut found: Vec<&str> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(found, tags);
    let digests: Vec<_> =
        index["manifests"].as_array().unwrap().iter().map(|entry| &entry["digest"]).collect();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
}

/// Builds a layout and returns the traced calls that open and read files.
fn trace_build(sandbox: &Sandbox) -> Vec<String> {
    let calls = "trace=open,openat,openat2,read,pread64,readv,preadv,mmap,copy_file_range,sendfile,\
                 splice";
    // With a file for each thread, no call is split over two lines.
    let traces = tempfile::tempdir().unwrap();
    let trace = traces.path().join("of").to_str().unwrap().to_owned();
    let strace = ["strace", "-ff", "-qq", "-y", "-e", calls, "-o", &trace];
    assert_success(&sandbox.build(&strace, "layout", &["--format", "layout"]).output().unwrap());
    let files = fs::read_dir(traces.path()).unwrap();
    let text: String =
        files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert!(text.contains("spec.json"), "the trace shows what is read");
    text.lines().map(str::to_owned).collect()
}

/// Returns the lines about files below a directory.
fn lines_below<'a>(trace: &'a [String], directory: &Path) -> Vec<&'a str> {
    let directory = directory.to_str().unwrap();
    trace.iter().filter(|line| line.contains(directory)).map(String::as_str).collect()
}

#[test]
fn unchanged_image_reads_no_store_bytes() {
    let sandbox = Sandbox::with_store_paths(4, 200_000, GZIP);
    assert_success(&sandbox.build(&[], "layout", &["--format", "layout"]).output().unwrap());
    let trace = trace_build(&sandbox);
    assert_eq!(lines_below(&trace, &sandbox.path("store")), [""; 0]);
    assert_eq!(lines_below(&trace, &sandbox.cache_path("blobs")), [""; 0]);
}

#[test]
fn unchanged_image_reads_entrypoint_header_only() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(4, 200_000);
    let program = sandbox.store_path(0).join("bin/program");
    fs::create_dir(program.parent().unwrap()).unwrap();
    fs::copy("/bin/true", &program).unwrap();
    let spec = sandbox.write_spec(GZIP);
    let mut with: Value = serde_json::from_slice(&fs::read(&spec).unwrap()).unwrap();
    with["config"] = serde_json::json!({"Entrypoint": [program]});
    with["checks"] = serde_json::json!({"skip": ["interpreter"]});
    fs::write(&spec, with.to_string()).unwrap();
    assert_success(&sandbox.build(&[], "layout", &["--format", "layout"]).output().unwrap());
    let trace = trace_build(&sandbox);
    let of_store = lines_below(&trace, &sandbox.path("store"));
    let bytes = of_store.iter().filter(|line| !line.contains("open")).map(|line| {
        assert!(line.contains(program.to_str().unwrap()), "{line}");
        line.rsplit("= ").next().unwrap().parse::<u64>().expect(line)
    });
    let bytes = bytes.sum::<u64>();
    assert!((1..=16 << 10).contains(&bytes), "{bytes}: {of_store:?}");
    assert_eq!(lines_below(&trace, &sandbox.cache_path("blobs")), [""; 0]);
}

#[test]
fn one_changed_path_reads_that_path_only() {
    let sandbox = Sandbox::with_store_paths(4, 200_000, GZIP);
    assert_success(&sandbox.build(&[], "layout", &["--format", "layout"]).output().unwrap());
    let old: Vec<_> = fs::read_dir(sandbox.cache_path("blobs")).unwrap().collect();
    let new = sandbox.path("store/cccccccccccccccccccccccccccccccc-package-1");
    fs::rename(sandbox.store_path(1), &new).unwrap();
    sandbox.write_spec(GZIP);
    let trace = trace_build(&sandbox);
    let read = lines_below(&trace, &sandbox.path("store"));
    assert!(!read.is_empty());
    assert!(read.iter().all(|line| line.contains(new.to_str().unwrap())), "{read:?}");
    for blob in old {
        assert_eq!(lines_below(&trace, &blob.unwrap().path()), [""; 0]);
    }
}

#[test]
fn read_only_cache_is_used_without_writing() {
    let sandbox = Sandbox::with_store_paths(2, 100_000, GZIP);
    let expected = sandbox.expected_archive();
    let cache = sandbox.path("cache");
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" || exit 9; shift; exec \"$@\"";
    let before = with_mount(script, &cache);
    let known = sandbox.build(&before, "-", &[]).output().unwrap();
    assert_success(&known);
    assert!(known.stdout == expected);
    fs::remove_dir_all(&cache).unwrap();
    fs::create_dir(&cache).unwrap();
    let unknown = sandbox.build(&before, "-", &[]).output().unwrap();
    assert_success(&unknown);
    assert!(unknown.stdout == expected);
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
    assert_eq!(sandbox.leftovers(), [""; 0]);
}

#[test]
fn damaged_cache_is_reported_and_rebuilt() {
    let sandbox = Sandbox::with_store_paths(2, 100_000, GZIP);
    let expected = sandbox.expected_archive();
    for blob in fs::read_dir(sandbox.cache_path("blobs")).unwrap() {
        let blob = blob.unwrap().path();
        run("sh", &[&"-c", &"printf x | dd of=\"$0\" bs=1 seek=50 conv=notrunc 2>&1", &blob]);
    }
    let mut loud = sandbox.build(&[], "-", &[]);
    let args: Vec<_> = loud.get_args().filter(|arg| *arg != "--quiet").map(Into::into).collect();
    let args: Vec<std::ffi::OsString> = args;
    let program = loud.get_program().to_owned();
    loud = std::process::Command::new(program);
    let output = loud.args(args).output().unwrap();
    assert_success(&output);
    assert!(output.stdout == expected);
    assert!(stderr_text(&output).contains("is made again"), "{}", stderr_text(&output));
}

#[test]
fn cache_commands_show_verify_and_empty_the_cache() {
    let sandbox = Sandbox::with_store_paths(3, 50_000, GZIP);
    sandbox.expected_archive();
    let cache = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cooper"));
        command.args(["--json", "cache"]).args(args).arg("--cache").arg(sandbox.path("cache"));
        let output = command.output().unwrap();
        let messages = serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
        let is_damaged = messages["damaged"].as_array().is_some_and(|files| !files.is_empty());
        assert_eq!(output.status.code(), Some(is_damaged.into()), "{}", stderr_text(&output));
        messages
    };
    let info = cache(&["info", "--cache-size", "1GB"]);
    assert_eq!((&info["layers"], &info["limit"]), (&3.into(), &1_000_000_000.into()));
    fs::write(sandbox.cache_path("layers/0000"), "no record").unwrap();
    let verified = cache(&["verify"]);
    assert_eq!(verified["whole"], 3);
    assert_eq!(verified["damaged"].as_array().unwrap().len(), 1);
    assert_eq!(cache(&["gc"]), serde_json::json!({"bytes": 0, "files": 0}));
    cache(&["gc", "--cache-size", "0"]);
    assert_eq!(cache(&["info"])["bytes"], 0);
}

#[test]
fn own_files_layer_is_rebuilt_on_change_only() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(2, 200_000);
    let spec = |hash: &str| {
        let closure = [0, 1].map(
            |n| serde_json::json!({"path": sandbox.store_path(n), "narHash": hash, "narSize": 1000}),
        );
        let spec = serde_json::json!({
            "version": 1, "name": "test", "closure": closure, "includeStorePaths": false,
            "files": {"/tree": {"source": sandbox.store_path(0)},
                "/data": {"source": sandbox.store_path(1).join("share/data"), "mode": "0600"}},
        });
        fs::write(sandbox.path("spec.json"), spec.to_string()).unwrap();
    };
    let trace = sandbox.path("trace");
    let strace =
        ["strace", "-f", "-qq", "-e", "trace=open,openat,openat2", "-o", trace.to_str().unwrap()];
    let reads = |out: &str| {
        assert_success(&sandbox.build(&strace, out, &[]).output().unwrap());
        let trace = fs::read_to_string(&trace).unwrap();
        trace.lines().filter(|line| line.contains("share/data\"")).count()
    };
    spec("sha256:one");
    // The checks read the own files in each run.
    let first = reads("first.tar");
    assert_eq!(reads("second.tar"), first - 2);
    assert!(
        fs::read(sandbox.path("first.tar")).unwrap()
            == fs::read(sandbox.path("second.tar")).unwrap()
    );
    spec("sha256:two");
    assert_eq!(reads("third.tar"), first, "another content, another key");
}

/// Simulates a file system without locks.
const NO_LOCKS: [&str; 7] =
    ["strace", "-f", "-qq", "-e", "inject=flock:error=ENOLCK", "-o", "/dev/null"];

#[test]
fn cache_without_flock_keeps_limit_and_leaves_no_lock() {
    let sandbox = Sandbox::with_store_paths(3, 100_000, GZIP);
    assert_success(&sandbox.build(&NO_LOCKS, "-", &["--cache-size", "100kB"]).output().unwrap());
    let files = |below| fs::read_dir(sandbox.cache_path(below)).unwrap().map(|file| file.unwrap());
    assert_eq!(files("tmp").count(), 0);
    assert!(files("blobs").map(|file| file.metadata().unwrap().len()).sum::<u64>() <= 100_000);
}

#[test]
fn interrupted_lock_wait_is_retried() {
    let sandbox = Sandbox::with_store_paths(1, 1000, GZIP);
    let inject = "inject=flock:error=EINTR:when=1..2";
    let before = ["strace", "-f", "-qq", "-e", inject, "-o", "/dev/null"];
    assert_success(&sandbox.build(&before, "-", &[]).output().unwrap());
}
