//! Integration tests in one binary, with one module a subject.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a test stops at the first error anyway")]

mod argument_hints;
mod base_accounts;
mod cache_damage;
mod cli_conventions;
mod daemon;
mod diff;
mod docker_archive;
mod docs;
mod exit_codes;
mod foreign_blobs;
mod foreign_indexes;
mod foreign_layouts;
mod from_tree;
mod help;
mod inspect;
mod inspect_built;
mod interop;
mod json_errors;
mod lock_timeouts;
mod machine;
mod output_errors;
mod plan;
mod progress;
mod progress_events;
mod registry;
mod secrets;
mod spec_errors;
mod spec_stdin;
mod support;
mod terminal_escapes;
mod tidy;
