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

/// Returns a config that runs the busybox among the store paths.
fn run_config(busybox: &StoreItem, expected_text: &str) -> Value {
    let program = format!("{}/bin/busybox", busybox.path);
    json!({"config": {"Entrypoint": [program, "echo"], "Cmd": [expected_text]}})
}

/// Loads with `--json` and returns the number of bytes sent for each image.
fn load(fixture: &Fixture, host: &str, arguments: &[&str], specs: &[&Path]) -> Vec<Option<u64>> {
    let mut command = fixture.cooper();
    command.env("DOCKER_HOST", host).args(["load", "--json"]).args(arguments).args(specs);
    sent_bytes(&mut command)
}

fn sent_bytes(command: &mut Command) -> Vec<Option<u64>> {
    let images: Value = serde_json::from_str(&stdout(&command.output().unwrap())).unwrap();
    images.as_array().unwrap().iter().map(|image| image["sentBytes"].as_u64()).collect()
}
