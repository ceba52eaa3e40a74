//! One file for each command: its arguments, a call into the library, its output.

pub(in crate::cli) mod build;
pub(in crate::cli) mod cache;
pub(in crate::cli) mod completions;
pub(in crate::cli) mod copy;
pub(in crate::cli) mod diff;
pub(in crate::cli) mod history;
pub(in crate::cli) mod index;
pub(in crate::cli) mod inspect;
pub(in crate::cli) mod list;
pub(in crate::cli) mod load;
pub(in crate::cli) mod lock;
pub(in crate::cli) mod man;
pub(in crate::cli) mod plan;
pub(in crate::cli) mod push;
pub(in crate::cli) mod schema;
pub(in crate::cli) mod simulate;
pub(in crate::cli) mod spec;
pub(in crate::cli) mod validate;
pub(in crate::cli) mod why;
