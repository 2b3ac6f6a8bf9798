//! Time stamps of an authority (RFC 3161) over the heads of logs.
//!
//! `wire` speaks the format, `authority` asks over HTTP, `stamping` publishes what was answered. A
//! head without a stamp is pending, and that alone is the state: what is published says it. Nothing
//! here stops a run.

mod authority;
mod stamping;
mod wire;

pub use authority::{AskError, Authority};
pub use stamping::{StampError, Stamped, Stamper};
pub use wire::{AnswerError, Question, Stamp};
