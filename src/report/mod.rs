//! The compliance report: a fold over the ledger's entries, then its text. Pure.
//!
//! [`Report`] is the stable JSON of `kigen report --format json`; [`render_text`] says the same to
//! people.

mod build;
mod model;
mod text;

#[cfg(test)]
mod tests;

pub use build::{ReportPeriod, build};
pub use model::{
    CertificateLine, Cluster, Disposed, Month, Overdue, Refusal, Report, Runs, StageStatus, Title,
};
pub use text::render_text;
