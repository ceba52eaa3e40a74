//! Integration tests: one binary, a module a subject.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a test stops at the first error anyway")]

mod input;
mod looking;
mod planner;
mod running;
mod store;
mod tidy;
