//! Helpers of several targets.

pub mod tar;
pub mod temp;
