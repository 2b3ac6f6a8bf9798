//! The integration tests: one binary, against real databases.
//!
//! A test whose service is missing says so aloud and passes, unless `KIGEN_REQUIRE_SERVICES=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod stores;
mod support;
