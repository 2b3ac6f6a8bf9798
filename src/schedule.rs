//! `kigen daemon`: jobs at the times of their schedules.
//!
//! [`timetable`] is pure; [`daemon`] is the loop, which is handed clock, sleep and what it is to run.

pub mod daemon;
pub mod timetable;
