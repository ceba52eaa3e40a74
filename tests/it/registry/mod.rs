//! Pushes to real registries and reads from them, with and without injected faults.

mod auth;
mod blob_hosts;
mod copy;
mod crane_oras;
mod exit_codes;
mod failures;
mod fault_proxy;
mod network;
mod pull;
mod push;
mod push_responses;
pub(crate) mod server;
mod tagging;
mod timeouts;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::fixture::{Fixture, stdout};

/// An image of three layers: a large one, a small one and one for its own files.
fn image(fixture: &Fixture, name: &str, seed: u64) -> std::path::PathBuf {
    let items =
        [fixture.item("large", 1, 2_000_000), fixture.item(&format!("small-{name}"), seed, 20_000)];
    fixture.write_spec(name, "v1", &items, &json!({}))
}

/// Returns a `cooper push` with short timeouts.
fn push(fixture: &Fixture, spec: &Path, to: &str) -> Command {
    let mut command = fixture.cooper();
    command.args(["push", "--json", "--registry-timeout", "2", "--registry-retries", "2"]);
    command.arg(spec).args(["--to", to]);
    command
}

/// Returns a `cooper validate` with short timeouts.
fn validate(fixture: &Fixture, location: &str) -> Command {
    let mut command = fixture.cooper();
    command.args(["validate", "--registry-timeout", "2", "--registry-retries", "2", location]);
    command
}

fn push_result(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).unwrap()
}

/// Returns a response with a status and an error code.
fn error_response(status: u16, code: &str) -> fault_proxy::Fault {
    let body = json!({"errors": [{"code": code, "message": "by a test"}]});
    fault_proxy::Fault::Answer(status, Vec::new(), body.to_string().into_bytes())
}

/// Returns the digest that a push printed.
fn digest(output: &Output) -> String {
    push_result(output)["images"][0]["digest"].as_str().unwrap().to_owned()
}
