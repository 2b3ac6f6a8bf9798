//! The compliance report: a fold over the ledger's entries, then its text. Pure.
//!
//! [`Report`] is the stable JSON of `kigen report --format json`; [`render_text`] says the same to
//! people.

mod build;
mod model;
mod text;

#[cfg(test)]
mod tests;

pub use build::ReportPeriod;
pub use build::build;
pub use model::CertificateLine;
pub use model::Cluster;
pub use model::Disposed;
pub use model::Month;
pub use model::Overdue;
pub use model::Refusal;
pub use model::Report;
pub use model::Runs;
pub use model::StageStatus;
pub use model::Title;
pub use text::render_text;
