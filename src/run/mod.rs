//! One run, from the lock to the certificate. CronJob, daemon and hand are three ways into it.
//!
//! Each step's output is the next one's input: `begun` (locks, what killed runs left), `open` (stores),
//! `start` (targets, run key, first entry), `announce` (the plan in the clients' logs), `stage` (survey,
//! approve, execute) under its `control` (suspensions, signals), `recover` (what is to be certified), `seal` (certificates).

mod announce;
pub mod audit;
pub mod certify;
mod client_log;
mod control;
mod count_journal;
pub mod day;
mod error;
pub mod execute;
mod execute_job;
mod intents;
mod lock;
mod locks;
pub mod objects;
pub mod open;
pub mod outcome;
pub mod plan;
pub mod reconcile;
pub mod recover;
pub mod rehearse;
pub mod restore;
mod restored;
mod statement_parts;
pub mod suspend;
mod targets;
mod timestamp_heads;

pub use client_log::ClientLogError;
pub use control::Suspensions;
pub use day::Day;
pub use error::RunError;
pub use execute::{RunRequest, run};
pub use outcome::FinishedRun;
