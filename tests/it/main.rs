//! Integration tests: one binary, a module a subject.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a test stops at the first error anyway")]

mod base;
mod base_accounts;
mod cache_damage;
#[cfg(feature = "daemon")]
mod daemon;
mod differing;
mod edges;
mod ending;
mod engine;
mod fixture;
mod foreign;
mod foreign_bytes;
mod foreign_images;
mod foreign_text;
#[cfg(feature = "registry")]
mod found;
mod hints;
mod hybrid;
mod input;
#[cfg(all(feature = "daemon", feature = "registry"))]
mod json_errors;
#[cfg(all(feature = "daemon", feature = "registry"))]
mod locks;
mod looking;
mod manners;
mod odd;
mod planner;
#[cfg(feature = "registry")]
mod registry;
mod running;
mod same_bytes;
#[cfg(all(feature = "daemon", feature = "registry"))]
mod secrets;
#[cfg(any(feature = "daemon", feature = "registry"))]
mod servers;
mod stdin;
mod store;
mod target;
mod telling;
mod tidy;
mod trees;
