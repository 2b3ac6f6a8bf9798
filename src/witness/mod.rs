//! Witnesses: the other side's watch over a log, and what they say brought home.
//!
//! `held` is what a witness remembers, `look` compares the published log with it and reads the whole
//! story, `contradiction` keeps the proof of two stories, `collect` is the worker's side: it puts
//! a cosigned head beside the published one. The clock is read by `cli` alone.

mod collect;
mod contradiction;
mod held;
mod look;

pub use collect::{CollectError, Collected, Collector};
pub use contradiction::Contradiction;
pub use held::{Held, HeldError};
pub use look::{LookError, Seen, WatchedLog};
