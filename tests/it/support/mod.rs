//! Directories, commands and servers that several tests share.

pub(crate) mod command;
mod dockerd;
pub(crate) mod fixture;
pub(crate) mod layout_builder;
pub(crate) mod sandbox;
pub(crate) mod servers;
