//! Authentication with a registry: stored logins, credential helpers, challenges, tokens.

pub(in crate::transport::registry) mod challenge;
pub(in crate::transport::registry) mod files;
pub(in crate::transport::registry) mod helper;
pub(in crate::transport::registry) mod token;
