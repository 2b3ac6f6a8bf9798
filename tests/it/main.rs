//! The integration tests: one binary, against real databases and real processes.
//!
//! A test whose service is missing says so aloud and passes, unless `KIGEN_REQUIRE_SERVICES=1`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::pedantic,
    clippy::disallowed_methods,
    clippy::clone_on_ref_ptr,
    clippy::type_complexity,
    clippy::print_stderr,
    clippy::print_stdout,
    dead_code,
    unreachable_pub,
    reason = "a test may panic, asks the environment for its servers, and says aloud what it skips"
)]

mod architecture;
mod audit;
mod bad_input;
mod bad_input_files;
mod bad_input_postgres;
mod bucket;
mod cli;
mod cli_signals;
mod client_logs;
mod crash;
mod evidence_rule;
mod faults;
mod fuzz;
mod keyring;
#[cfg(feature = "failpoints")]
mod keyring_crash;
mod oulad;
mod pages;
mod promises;
mod prove;
mod published;
mod receipts;
mod reconcile;
mod rehearse;
mod scene;
mod stores;
mod support;
mod tampering;
mod timestamp;
mod witness;
