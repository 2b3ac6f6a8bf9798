//! kigen (期限) carries out an organisation's retention promises.
//!
//! Read in this order: `domain` decides, `job` is the text a lawyer reads, `store` finds and
//! removes, `evidence` proves, `ledger` remembers, `run` puts the steps in their order, `cli`
//! shows them to people; `paper` is what they are handed. `docs/ARCHITECTURE.md` has the map and its invariants.
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
pub mod domain;
pub mod evidence;
#[cfg(feature = "worker")]
pub mod job;
pub mod paper;
#[cfg(feature = "worker")]
pub mod plan;
#[cfg(feature = "worker")]
pub mod problem;
#[cfg(feature = "worker")]
pub mod pseudonym;
#[cfg(feature = "worker")]
pub mod report;

// What the tests of faults can switch off.
#[cfg(feature = "worker")]
pub mod guard;

// Edge: talks to the world.
#[cfg(feature = "worker")]
pub mod clock;
#[cfg(feature = "worker")]
pub mod config;
#[cfg(feature = "worker")]
pub mod database;
#[cfg(feature = "worker")]
pub mod keyring;
#[cfg(feature = "worker")]
pub mod ledger;
#[cfg(feature = "worker")]
pub mod prove;
#[cfg(feature = "worker")]
pub mod publish;
#[cfg(feature = "worker")]
pub mod run;
#[cfg(feature = "worker")]
pub mod schedule;
#[cfg(feature = "worker")]
pub mod shutdown;
#[cfg(feature = "worker")]
pub mod store;
#[cfg(feature = "worker")]
pub mod timestamp;
#[cfg(feature = "worker")]
pub mod verify;
#[cfg(feature = "worker")]
pub mod witness;

// Face: what people see.
#[cfg(feature = "worker")]
pub mod cli;
#[cfg(feature = "worker")]
pub mod demo;
#[cfg(feature = "worker")]
pub mod exit;
#[cfg(feature = "worker")]
pub mod progress;
#[cfg(feature = "worker")]
pub mod telemetry;

// For crash tests only.
#[cfg(feature = "failpoints")]
pub mod failpoints;
