//! Arguments that several commands share, and what they resolve to.

pub(in crate::cli) mod daemon;
pub(in crate::cli) mod location;
pub(in crate::cli) mod output_path;
pub(in crate::cli) mod registry;
pub(in crate::cli) mod spec_input;
