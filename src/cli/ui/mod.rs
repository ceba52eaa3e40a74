//! Output for users and for programs: results, progress, errors, JSON events.

pub(in crate::cli) mod events;
pub(in crate::cli) mod failure;
pub(in crate::cli) mod output;
pub(in crate::cli) mod progress;
pub(in crate::cli) mod signals;
pub(in crate::cli) mod summary;
pub(in crate::cli) mod table;
