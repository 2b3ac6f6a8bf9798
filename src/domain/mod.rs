//! Values and decisions: no I/O, no clock, no async.

pub mod rule;
pub mod schedule;
