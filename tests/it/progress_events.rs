//! JSON events of layer builds.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::sandbox::{GZIP, Sandbox, assert_success, stderr_text};

/// Returns the events on standard error, one JSON value a line.
fn events(sandbox: &Sandbox, args: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cooper"));
    command.arg("--cache").arg(sandbox.path("cache")).args(args);
    command.arg("build").arg(sandbox.path("spec.json")).args(["--format", "layout"]);
    let output = command.arg("-o").arg(sandbox.path("layout")).output().unwrap();
    assert_success(&output);
    stderr_text(&output).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn json_events_cover_every_layer() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(3, 300_000);
    sandbox.write_spec(GZIP);
    let events = events(&sandbox, &["--json"]);
    let is_layers = |event: &Value| event["what"].as_str().unwrap().contains("package");
    let layers = events.iter().filter(|event| event["event"] == "start" && is_layers(event));
    let layers: BTreeSet<_> = layers.map(|event| event["task"].as_u64().unwrap()).collect();
    let of = |kind: &str| {
        let is_one = |event: &&Value| {
            let task = event["task"].as_u64();
            event["event"] == kind && task.is_some_and(|task| layers.contains(&task))
        };
        events.iter().filter(is_one).collect::<Vec<_>>()
    };
    let tasks =
        |kind| of(kind).iter().map(|e| e["task"].as_u64().unwrap()).collect::<BTreeSet<_>>();
    assert_eq!(of("start").len(), 3);
    assert_eq!(tasks("start"), tasks("done"));
    assert!(of("start").iter().all(|event| event["bytes"] == 1000), "the NAR size in the spec");
    assert!(of("done").iter().all(|event| event["bytesDone"].as_u64().unwrap() > 300_000));
    assert!(of("done").iter().all(|event| event["milliseconds"].is_u64()));
}

#[test]
fn json_events_unchanged_build_has_warnings_only() {
    let sandbox = Sandbox::new();
    sandbox.add_store_paths(1, 300_000);
    sandbox.write_spec(GZIP);
    events(&sandbox, &["--json"]);
    assert_eq!(events(&sandbox, &["--json"]), [Value::Null; 0]);
    for entry in fs::read_dir(sandbox.cache_path("layers")).unwrap() {
        fs::write(entry.unwrap().path(), "junk").unwrap();
    }
    let messages = events(&sandbox, &["--json"]);
    let warning = messages.iter().find(|event| event["event"] == "warning").unwrap();
    assert!(warning["message"].as_str().unwrap().contains("made again"), "{warning}");
    assert_eq!(events(&sandbox, &["--json", "--quiet"]), [Value::Null; 0]);
}
