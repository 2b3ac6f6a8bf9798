//! Values and decisions: no I/O, no clock, no async.

pub mod calendar;
pub mod rule;
pub mod schedule;
pub mod value;
