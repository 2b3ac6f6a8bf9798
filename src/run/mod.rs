//! One run, from the lock to the certificate. CronJob, daemon and hand are three ways into it.
//!
//! Each step's output is the next one's input: `begun` (locks, what killed runs left), `open` (stores),
//! `start` (targets, run key, first entry), `announce` (the plan in the clients' logs), `stage` (survey,
//! approve, execute) under its `control` (suspensions, signals), `recover` (what is to be certified), `seal` (certificates).

mod announce;
pub mod audit;
mod begun;
mod certified;
mod client_log;
mod control;
pub mod day;
mod error;
pub mod execute;
mod intents;
mod locks;
pub mod objects;
pub mod open;
pub mod outcome;
pub mod plan;
pub mod recall;
pub mod reconcile;
mod recount;
pub mod recover;
pub mod rehearse;
mod restored;
pub mod seal;
mod stage;
mod stamp;
mod start;
pub mod suspend;

pub use client_log::ClientLogError;
pub use control::Suspensions;
pub use day::Day;
pub use error::RunError;
pub use execute::RunRequest;
pub use execute::run;
pub use outcome::FinishedRun;
