//! Progress of work that builds no layer, and errors as JSON events.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::command::{CommandOutput, TestDir};
use crate::support::fixture::Fixture;

/// Returns the events of a run that must succeed.
fn events(fixture: &Fixture, args: &[&str]) -> Vec<Value> {
    let output = fixture.cooper().arg("--json").args(args).output().unwrap();
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{args:?}: {messages}");
    messages.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Returns the bytes of the only task with this text, which must have ended.
fn bytes(events: &[Value], what: &str) -> u64 {
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).collect::<Vec<_>>();
    let tasks = of("start");
    let tasks: Vec<_> = tasks.iter().filter(|e| e["what"] == what).collect();
    let [start] = tasks[..] else { panic!("one `{what}` in {events:?}") };
    let done = of("done").into_iter().find(|done| done["task"] == start["task"]).unwrap();
    let done = done["bytesDone"].as_u64().unwrap();
    assert!(start["bytes"].as_u64().is_none_or(|bytes| bytes == done), "{start} {done}");
    done
}

/// An image of two layers with this compression.
fn image(fixture: &Fixture, algorithm: &str) -> String {
    let item = fixture.item("a", 1, 300_000);
    let compression = json!({"compression": {"algorithm": algorithm}});
    fixture.write_spec("app", "v1", &[item], &compression).to_str().unwrap().to_owned()
}

fn size_of_all(dir: &Path) -> u64 {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn progress_written_bytes_without_layer_builds_are_reported() {
    for algorithm in ["none", "gzip"] {
        let fixture = Fixture::new();
        let spec = image(&fixture, algorithm);
        for _ in 0..2 {
            let messages = events(&fixture, &["build", &spec, "-o", "out.tar"]);
            let size = fixture.dir().join("out.tar").metadata().unwrap().len();
            assert_eq!(bytes(&messages, "writing `out.tar`"), size, "{algorithm}");
        }
        let messages = events(&fixture, &["build", &spec, "--format=layout", "-o", "out"]);
        let blobs = fixture.dir().join("out/blobs/sha256");
        let size = |what| messages.iter().filter(|e| e["what"] == what).count();
        assert!(size("writing to `out`") > 0, "{messages:?}");
        for (from, to) in [("out.tar", "./copy"), ("out", "copy.tar")] {
            let messages = events(&fixture, &["copy", from, to]);
            match to {
                "./copy" => {
                    assert_eq!(bytes(&messages, "writing to `./copy`"), size_of_all(&blobs));
                }
                _ => assert!(bytes(&messages, "writing `copy.tar`") >= size_of_all(&blobs)),
            }
        }
        let messages = events(&fixture, &["save", "out", "-o", "saved.tar"]);
        assert!(bytes(&messages, "writing `saved.tar`") >= size_of_all(&blobs));
        // Nothing is written when the layout is complete.
        let messages = events(&fixture, &["build", &spec, "--format=layout", "-o", "out"]);
        assert_eq!(messages, [Value::Null; 0]);
    }
}

#[test]
fn progress_rehash_of_cached_blob_is_reported() {
    let fixture = Fixture::new();
    let spec = image(&fixture, "gzip");
    events(&fixture, &["build", &spec, "-o", "out.tar"]);
    let blobs = cooper::cache::folder(&fixture.dir().join("cache")).join("blobs");
    let messages = events(&fixture, &["cache", "verify"]);
    assert_eq!(bytes(&messages, "checking the cache"), size_of_all(&blobs));
    // As after a restart: the file has no entry in the record of this boot.
    for blob in std::fs::read_dir(&blobs).unwrap() {
        let path = blob.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let whole = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, &whole).unwrap();
        let messages = events(&fixture, &["build", &spec, "-o", "out.tar"]);
        assert_eq!(
            bytes(&messages, &format!("checking the kept sha256:{name}")),
            whole.len() as u64
        );
    }
}

#[test]
fn progress_wait_for_cache_is_reported_first() {
    let fixture = Fixture::new();
    events(&fixture, &["cache", "info"]);
    let lock = cooper::cache::folder(&fixture.dir().join("cache")).join("lock");
    let lock = File::open(lock).unwrap();
    lock.lock_shared().unwrap();
    let mut gc = fixture.cooper();
    let gc = gc.args(["cache", "gc"]).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut gc = gc.spawn().unwrap();
    let (say, error_message) = std::sync::mpsc::channel();
    let mut stderr = BufReader::new(gc.stderr.take().unwrap());
    std::thread::spawn(move || {
        let mut messages = String::new();
        stderr.read_line(&mut messages).unwrap();
        say.send(messages).unwrap();
    });
    // A command that prints nothing would block here.
    let messages = error_message.recv_timeout(std::time::Duration::from_secs(20));
    lock.unlock().unwrap();
    assert!(gc.wait().unwrap().success());
    assert!(
        messages.as_ref().is_ok_and(|messages| messages.contains("is waited for")),
        "{messages:?}"
    );
}

#[test]
fn progress_task_ids_are_unique() {
    let fixture = Fixture::new();
    let spec = image(&fixture, "gzip");
    for archive in ["a.tar", "b.tar"] {
        events(&fixture, &["build", &spec, "-o", archive]);
    }
    let messages = events(&fixture, &["inspect", "a.tar", "b.tar"]);
    let starts = messages.iter().filter(|event| event["event"] == "start");
    let numbers: Vec<u64> = starts.map(|event| event["task"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2], "{messages:?}");
}

/// Returns the events of a run that must end with this exit code: one error a line, and no data.
fn errors(result: &CommandOutput, code: i32) -> Vec<Value> {
    assert_eq!((result.code, result.stdout.as_str()), (Some(code), ""), "{}", result.stderr);
    let events = result.stderr.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    events.inspect(|event| assert_eq!(event["event"], "error")).collect()
}

#[test]
fn json_error_is_an_event() {
    let test_dir = TestDir::new();
    test_dir.write("spec.json", r#"{"version":1,"name":"app","fils":{}}"#);
    let [event] = &errors(&test_dir.cooper(&["--json", "plan", "spec.json"]), 1)[..] else {
        panic!()
    };
    assert_eq!(event["message"], "failed to read `spec.json`");
    assert!(event["causes"][0].as_str().unwrap().contains("unknown field `fils`"), "{event}");
    assert_eq!(event["hint"], "did you mean `files`?");
    assert_eq!(event["exitCode"], 1);
    let result = test_dir.cooper(&["build", "--json", "--quiet", "none.json", "-o", "/proc/x"]);
    let [event] = &errors(&result, 1)[..] else { panic!() };
    assert_eq!(event["causes"].as_array().unwrap().len(), 1, "{event}");
    test_dir
        .cooper(&["plan", "spec.json"])
        .assert_failure(1, &["error: failed to read `spec.json`\n"]);
}

/// The arguments are wrong, and `--json` is among them.
#[test]
fn json_usage_error_is_an_event() {
    let test_dir = TestDir::new();
    for (words, message, hint) in [
        (&["plan", "--json", "--nope"][..], "unexpected argument '--nope' found", "--help"),
        (&["--json", "plan"], "required arguments were not provided:\n  <SPEC>", "Usage: cooper"),
        (&["bild", "--json"], "unrecognized subcommand 'bild'", "'build'"),
        (&["plan", "x", "--jobs=0", "--json"], "invalid value '0' for '--jobs <N>'", "--help"),
        (&["--json"], "requires a subcommand", "Usage: cooper"),
        (&["cache", "--json"], "requires a subcommand", "Usage: cooper"),
    ] {
        let [event] = &errors(&test_dir.cooper(words), 1)[..] else { panic!("{words:?}") };
        assert!(event["message"].as_str().unwrap().contains(message), "{event}");
        assert!(event["hint"].as_str().unwrap().contains(hint), "{event}");
        assert_eq!(event["exitCode"], 1);
    }
    test_dir.cooper(&["plan", "--nope", "--", "--json"]).assert_failure(1, &["error: unexpected"]);
    let mut command = test_dir.command(&["plan", "--json", "--max-layers"]);
    command.arg(std::ffi::OsStr::from_bytes(b"\xff"));
    let event = errors(&CommandOutput::new(command.output().unwrap()), 1).remove(0);
    assert!(event["message"].as_str().unwrap().contains("is not UTF-8"), "{event}");
}

#[test]
fn readme_and_schema_describe_the_events() {
    let read = |path: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
    };
    let shown = |text: &str| -> Vec<Value> {
        let lines = text.lines().map(|line| line.trim_start_matches("//! "));
        let lines = lines.filter(|line| line.starts_with('{') && line.contains("\"event\":"));
        lines.map(|line| serde_json::from_str(line).expect(line)).collect()
    };
    let events = shown(&read("README.md"));
    assert_eq!(events, shown(&read("src/cli/ui/events.rs")));
    assert_eq!(events.len(), 5);
    let map = read("src/lib.rs");
    for event in &events {
        let fields = event.as_object().unwrap().keys().filter(|field| *field != "event");
        for word in fields.map(String::as_str).chain(event["event"].as_str()) {
            assert!(map.contains(&format!("`{word}`")), "src/lib.rs does not name `{word}`");
        }
    }
}
