//! kigen (期限) carries out an organisation's retention promises.
//!
//! Read in this order: `domain` decides, `job` is the text a lawyer reads, `store` finds and
//! removes, `ledger` remembers, `run` puts the steps in their order, `cli` shows them to people.
//! What proves a removal, and what people are handed of it, is the crate `kigen_evidence`.
//! `docs/ARCHITECTURE.md` has the map and its invariants.
#![cfg_attr(
    test,
    allow(
        clippy::pedantic,
        clippy::disallowed_methods,
        clippy::clone_on_ref_ptr,
        clippy::print_stderr,
        unreachable_pub,
        reason = "tests ask the environment for their servers, and say aloud what they skip"
    )
)]

// Core: values and decisions.
pub mod diagnostic;
pub mod domain;
pub mod job;
pub mod plan;
pub mod pseudonym;
pub mod report;

// What the tests of faults can switch off.
pub mod guard;

// Edge: talks to the world.
pub mod archive;
pub mod clock;
pub mod config;
pub mod database;
pub mod keyring;
pub mod ledger;
pub mod prove;
pub mod run;
pub mod schedule;
pub mod shutdown;
pub mod store;
pub mod timestamp;
pub mod verify;
pub mod witness;

// Face: what people see.
pub mod cli;
pub mod exit;
pub mod progress;
pub mod telemetry;

// For crash tests only.
#[cfg(feature = "failpoints")]
pub mod failpoints;
