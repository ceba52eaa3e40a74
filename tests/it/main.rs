//! Integration tests: one binary, a module a subject.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a test stops at the first error anyway")]

#[cfg(feature = "daemon")]
mod daemon;
mod fixture;
mod servers;
mod tidy;
