//! Integration tests: one binary, a module a subject.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a test stops at the first error anyway")]

mod base;
mod base_accounts;
mod cache_damage;
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
mod found;
mod hints;
mod hybrid;
mod input;
mod json_errors;
mod locks;
mod looking;
mod manners;
mod odd;
mod planner;
mod registry;
mod running;
mod same_bytes;
mod secrets;
mod servers;
mod stdin;
mod store;
mod target;
mod telling;
mod tidy;
mod trees;
