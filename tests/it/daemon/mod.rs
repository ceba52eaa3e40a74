//! Loading into real daemons.

mod containerd;
mod copy;
mod docker;
mod docker_newest;
mod docker_protocol;
mod docker_remote;
mod failures;
mod podman_containerd;
mod unpack;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::fixture::{Fixture, StoreItem, stdout};

/// A config that runs the busybox which is among the items.
fn runs(busybox: &StoreItem, says: &str) -> Value {
    let program = format!("{}/bin/busybox", busybox.path);
    json!({"config": {"Entrypoint": [program, "echo"], "Cmd": [says]}})
}

/// Loads with `--json`, and gives back the bytes that were sent for each image.
fn load(fixture: &Fixture, host: &str, arguments: &[&str], specs: &[&Path]) -> Vec<Option<u64>> {
    let mut command = fixture.cooper();
    command.env("DOCKER_HOST", host).args(["load", "--json"]).args(arguments).args(specs);
    sent(&mut command)
}

fn sent(command: &mut Command) -> Vec<Option<u64>> {
    let made: Value = serde_json::from_str(&stdout(&command.output().unwrap())).unwrap();
    made.as_array().unwrap().iter().map(|image| image["sentBytes"].as_u64()).collect()
}
