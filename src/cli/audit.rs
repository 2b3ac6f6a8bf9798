//! `kigen audit`: whether what was certified is still gone.

use super::failure::Failure;
use super::reconcile::{moment, text};
use super::{Global, load, output};
use crate::clock;
use crate::exit;
use crate::ledger::{CertificateMatch, Ledger};
use crate::progress::Progress;
use crate::run::audit::{self, Audit, Audited};
use crate::run::execute::Environment;
use crate::shutdown::Shutdown;

/// Options of `kigen audit`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A certificate's id, or the beginning of it; all certificates if nothing is given
    #[arg(conflicts_with_all = ["run", "since"])]
    certificate: Option<String>,
    /// Those of this run
    #[arg(long, value_name = "ID", conflicts_with = "since")]
    run: Option<String>,
    /// Those of every run that went on after this time, with its zone: 2026-11-20T03:00:00+09:00
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

/// Looks again; can only read.
pub(super) async fn audit(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let since = arguments.since.as_ref();
    let since = since.map(|text| moment("--since", text)).transpose()?;
    let config = load::config(global)?;
    let progress = Progress::on_stderr();
    load::log(global, config.log_format, &progress)?;
    let jobs = load::jobs(&config)?;
    let selected = load::selected(global, &jobs)?;
    let ledger = load::ledger(&config).await?;
    ledger.check_migrated().await?;
    let audited = match (&arguments.certificate, &arguments.run, since) {
        (Some(id), _, _) => Audited::Certificate(certificate(&*ledger, id).await?),
        (None, Some(run_id), _) => Audited::Run(run(&*ledger, run_id).await?),
        (None, None, Some(since)) => Audited::Since(since),
        (None, None, None) => Audited::All,
    };
    let keyring = load::keyring(&config).await?;
    let environment = Environment {
        config: &config,
        ledger: &*ledger,
        now: &clock::now,
        shutdown: &Shutdown::default(),
        progress: &progress,
    };
    let found = audit::audit(&environment, &keyring, &selected, audited).await?;
    for (job, error) in &found.errors {
        tracing::error!(job.name = %job, code = error.code, "job `{job}` was not looked at: {}", error.message);
    }
    output::print(global.format, &found, render)?;
    ledger.close().await;
    Ok(found.exit())
}

/// The whole id of the one certificate that is meant.
async fn certificate(ledger: &dyn Ledger, id: &str) -> Result<String, Failure> {
    let message = match ledger.certificate(id).await? {
        CertificateMatch::One(found) => return Ok(found.summary.certificate_id),
        CertificateMatch::None => format!("no certificate begins with `{id}`"),
        CertificateMatch::Several(ids) => {
            format!("several certificates begin with `{id}`: {}", ids.join(", "))
        }
    };
    Err(Failure::new(exit::USAGE, message))
}

async fn run(ledger: &dyn Ledger, run_id: &str) -> Result<String, Failure> {
    if ledger.entries_of(run_id).await?.is_empty() {
        let message = format!("the ledger has no run `{run_id}`");
        return Err(Failure::new(exit::USAGE, message));
    }
    Ok(run_id.to_owned())
}

fn render(audit: &Audit) -> String {
    let mut lines = vec![format!(
        "audited: certificates {}, runs {}",
        audit.audited, audit.runs
    )];
    lines.push(String::new());
    lines.push(text::clusters(&audit.clusters));
    lines.extend(text::rows(&audit.clusters));
    lines.extend(text::undone(&audit.certificates));
    for look in &audit.leftovers {
        lines.push(format!(
            "{}, persons in `{}`.`{}` without a record: {}, of these with removed records: {}",
            look.job, look.table, look.column, look.checked, look.left
        ));
        for (certificate, persons) in &look.by_certificate {
            lines.push(format!("  certificate {certificate}: {persons}"));
        }
    }
    lines.extend(text::lost(&audit.lost));
    for (job, error) in &audit.errors {
        lines.push(format!(
            "{job} was not looked at: {}: {}",
            error.code, error.message
        ));
    }
    lines.push(String::new());
    let (found, undecided) = (audit.found(), audit.undecided());
    if found == 0 && undecided == 0 && audit.lost.is_empty() && audit.errors.is_empty() {
        lines.push("what was certified is gone".to_owned());
    }
    if found > 0 {
        lines.push(format!("{found} that should be gone are there"));
    }
    if undecided > 0 {
        lines.push(format!("{undecided} cannot be decided"));
    }
    lines.join("\n")
}
