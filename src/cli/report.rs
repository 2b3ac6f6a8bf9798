//! `kigen report`: what was disposed of, what is overdue and why.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::failure::Failure;
use super::{Global, load, output};
use crate::exit;
use crate::ledger::{CertificateFilter, Ledger};
use crate::progress::Progress;
use crate::report::{self, Report, ReportPeriod};

/// Options of `kigen report`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The first day
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Date,
    /// The last day, included
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Date,
    /// Whose days count
    #[arg(long, default_value = "Asia/Tokyo", value_name = "ZONE")]
    time_zone: String,
}

/// Folds the ledger into a report.
pub(super) async fn report(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    if arguments.to < arguments.from {
        return Err(Failure::new(
            exit::USAGE,
            format!(
                "--to {} lies before --from {}",
                arguments.to, arguments.from
            ),
        ));
    }
    let time_zone = TimeZone::get(&arguments.time_zone).map_err(|_| {
        let message = format!(
            "there is no time zone `{}`\nhint: IANA names, such as `Asia/Tokyo`",
            arguments.time_zone
        );
        Failure::new(exit::USAGE, message)
    })?;
    let period = ReportPeriod {
        from: arguments.from,
        to: arguments.to,
        time_zone: time_zone.clone(),
        time_zone_name: arguments.time_zone.clone(),
    };
    let ledger = load::ledger(&config).await?;
    let report = build(&*ledger, &period).await?;
    output::print(global.format, &report, |report| {
        report::render_text(report, &time_zone)
    })?;
    ledger.close().await;
    Ok(exit::DONE)
}

/// Folds all that the ledger knows of `period`.
pub(super) async fn build(ledger: &dyn Ledger, period: &ReportPeriod) -> Result<Report, Failure> {
    ledger.check_migrated().await?;
    let entries = ledger.entries(None, period.end()).await?;
    let certificates = ledger.certificates(&CertificateFilter::default()).await?;
    Ok(report::build(&entries, &certificates, period))
}
