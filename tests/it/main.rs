//! The integration tests: one binary, against real databases.
//!
//! A test whose service is missing says so aloud and passes, unless `KIGEN_REQUIRE_SERVICES=1`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic"
)]

mod architecture;
mod bad_input;
mod bad_input_files;
mod bad_input_postgres;
mod cli;
mod cli_signals;
mod scene;
mod stores;
mod support;
