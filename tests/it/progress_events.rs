//! What is told while images are made.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::sandbox::{GZIP, House, errors, succeeded};

/// What a run says on standard error, a JSON value a line.
fn events(house: &House, args: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cooper"));
    command.arg("--cache").arg(house.path("cache")).args(args);
    command.arg("build").arg(house.path("spec.json")).args(["--format", "layout"]);
    let output = command.arg("-o").arg(house.path("layout")).output().unwrap();
    succeeded(&output);
    errors(&output).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn json_events_cover_every_layer() {
    let house = House::new();
    house.fill(3, 300_000);
    house.spec(GZIP);
    let events = events(&house, &["--json"]);
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
    assert!(of("start").iter().all(|event| event["bytes"] == 1000), "by the store's own word");
    assert!(of("done").iter().all(|event| event["bytesDone"].as_u64().unwrap() > 300_000));
    assert!(of("done").iter().all(|event| event["milliseconds"].is_u64()));
}

#[test]
fn json_events_unchanged_build_has_warnings_only() {
    let house = House::new();
    house.fill(1, 300_000);
    house.spec(GZIP);
    events(&house, &["--json"]);
    assert_eq!(events(&house, &["--json"]), [Value::Null; 0]);
    for entry in fs::read_dir(house.cached("layers")).unwrap() {
        fs::write(entry.unwrap().path(), "junk").unwrap();
    }
    let told = events(&house, &["--json"]);
    let warning = told.iter().find(|event| event["event"] == "warning").unwrap();
    assert!(warning["message"].as_str().unwrap().contains("made again"), "{warning}");
    assert_eq!(events(&house, &["--json", "--quiet"]), [Value::Null; 0]);
}
