//! What several targets need.

pub mod tar;
pub mod temp;
