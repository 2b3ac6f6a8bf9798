//! Values and decisions: no I/O, no clock, no async.

pub mod calendar;
pub mod rule;
// Its crates are the worker's alone.
#[cfg(feature = "worker")]
pub mod schedule;
pub mod value;
