//! Folds the ledger's entries into a report.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::ledger::CertificateSummary;
use crate::ledger::entry::{Entry, Outcome, RecordedEntry, RunState, StageFinished, StageSurveyed};
use crate::ledger::fold::fold_runs;

use super::model::{
    CertificateLine, Cluster, Disposed, Month, Overdue, Refusal, Report, Runs, StageStatus, Title,
};

/// Whole days in a time zone, both ends inclusive.
#[derive(Clone, Debug)]
pub struct ReportPeriod {
    pub from: Date,
    pub to: Date,
    pub time_zone: TimeZone,
    /// The zone's IANA name, as written.
    pub time_zone_name: String,
}

impl ReportPeriod {
    /// The first moment after the period; what the ledger holds before it makes the report.
    ///
    /// `None` if the day lies at the end of the calendar.
    pub fn end(&self) -> Option<Timestamp> {
        let next = self.to.tomorrow().ok()?;
        let midnight = next.to_zoned(self.time_zone.clone()).ok()?;
        Some(midnight.timestamp())
    }

    fn day_of(&self, at: Timestamp) -> Date {
        at.to_zoned(self.time_zone.clone()).date()
    }

    fn holds(&self, day: Date) -> bool {
        self.from <= day && day <= self.to
    }
}

/// Builds the report of `period` from all `entries` before its end, in the ledger's order, and
/// the certificates of the ledger.
///
/// Entries before the period tell how things stood; entries after it are passed over. Months are
/// those of the moment of disposal, not of the day for which a run decided.
pub fn build(
    entries: &[RecordedEntry],
    certificates: &[CertificateSummary],
    period: &ReportPeriod,
) -> Report {
    let known: Vec<RecordedEntry> = entries
        .iter()
        .filter(|recorded| period.day_of(recorded.at) <= period.to)
        .cloned()
        .collect();
    let mut fold = Fold::new(period);
    for recorded in &known {
        fold.take(recorded);
    }
    Report {
        from: period.from,
        to: period.to,
        time_zone: period.time_zone_name.clone(),
        runs: count_runs(&known, period),
        clusters: fold.clusters.into_values().filter(has_content).collect(),
        certificates: certificates
            .iter()
            .filter(|certificate| period.holds(period.day_of(certificate.created_at)))
            .map(certificate_line)
            .collect(),
    }
}

fn count_runs(known: &[RecordedEntry], period: &ReportPeriod) -> Runs {
    let mut runs = Runs::default();
    for run in fold_runs(known) {
        if !period.holds(period.day_of(run.started_at)) {
            continue;
        }
        runs.started += 1;
        match run.finished.map(|(_, outcome)| outcome) {
            Some(Outcome::Complete) => runs.complete += 1,
            Some(Outcome::Partial) => runs.partial += 1,
            Some(Outcome::Stopped) => runs.stopped += 1,
            None => runs.unfinished += 1,
        }
        match run.state {
            RunState::Finished | RunState::Sealed => runs.not_certified += 1,
            RunState::Running | RunState::Published => {}
        }
    }
    runs
}

/// A cluster that some run knew, but of which nothing is to be told, is left out.
fn has_content(cluster: &Cluster) -> bool {
    !cluster.months.is_empty() || !cluster.stages.is_empty() || !cluster.refusals.is_empty()
}

fn certificate_line(certificate: &CertificateSummary) -> CertificateLine {
    CertificateLine {
        certificate_id: certificate.certificate_id.clone(),
        run_id: certificate.run_id.clone(),
        client: certificate.client.clone(),
        created_at: certificate.created_at,
        payload_sha256: certificate.payload_sha256.clone(),
        leaves_sha256: certificate.leaves_sha256.clone(),
        signed: certificate.signed,
    }
}

struct Fold<'a> {
    period: &'a ReportPeriod,
    clusters: BTreeMap<String, Cluster>,
    /// The day for which each run decides.
    as_of: BTreeMap<&'a str, Date>,
    /// Run, job and stage of every end that was counted: a worker that was taken for dead may
    /// write its stage after that was counted for it.
    finished: BTreeSet<(&'a str, &'a str, &'a str)>,
    /// Runs that removed again what a restored backup had brought back: they say nothing of what is
    /// due.
    reconciling: BTreeSet<&'a str>,
}

impl<'a> Fold<'a> {
    fn new(period: &'a ReportPeriod) -> Self {
        Self {
            period,
            clusters: BTreeMap::new(),
            as_of: BTreeMap::new(),
            finished: BTreeSet::new(),
            reconciling: BTreeSet::new(),
        }
    }

    fn take(&mut self, recorded: &'a RecordedEntry) {
        let day = self.period.day_of(recorded.at);
        let run_id = recorded.run_id.as_deref();
        match &recorded.entry {
            Entry::RunStarted(started) => {
                if let Some(run_id) = run_id {
                    self.as_of.insert(run_id, started.as_of);
                    if started.reconciles.is_some() {
                        self.reconciling.insert(run_id);
                    }
                }
                for job in &started.jobs {
                    self.cluster(&job.job).title = Some(Title {
                        ja: job.title.ja.clone(),
                        en: job.title.en.clone(),
                    });
                }
            }
            Entry::StageSurveyed(surveyed) => self.take_survey(day, run_id, surveyed),
            Entry::StageFinished(finished) => {
                let end = (run_id.unwrap_or_default(), &*finished.job, &*finished.stage);
                if self.finished.insert(end) {
                    self.take_finish(day, run_id, finished);
                }
            }
            Entry::StageRefused(refused) => {
                let (code, message) = (&refused.code, &refused.message);
                self.refuse(
                    &refused.job,
                    day,
                    run_id,
                    Some(&refused.stage),
                    (code, message),
                );
            }
            Entry::JobFailed(failed) => {
                self.refuse(
                    &failed.job,
                    day,
                    run_id,
                    None,
                    (&failed.code, &failed.message),
                );
            }
            // They tell of runs, not of clusters: see `count_runs`.
            Entry::RunFinished { .. }
            | Entry::RunRecovered { .. }
            | Entry::Sealed { .. }
            | Entry::Published { .. }
            // They tell of keys.
            | Entry::KeyRotated(_)
            | Entry::EvidenceKeyDestroyed(_)
            // They tell why there were no runs.
            | Entry::JobSuspended(_)
            | Entry::JobResumed { .. } => {}
        }
    }

    fn cluster(&mut self, name: &str) -> &mut Cluster {
        self.clusters
            .entry(name.to_owned())
            .or_insert_with(|| Cluster {
                cluster: name.to_owned(),
                title: None,
                months: Vec::new(),
                stages: Vec::new(),
                refusals: Vec::new(),
            })
    }

    fn take_survey(&mut self, day: Date, run_id: Option<&str>, surveyed: &StageSurveyed) {
        if run_id.is_some_and(|run_id| self.reconciling.contains(run_id)) {
            return;
        }
        let as_of = run_id.and_then(|run_id| self.as_of.get(run_id)).copied();
        let cluster = self.cluster(&surveyed.job);
        let status = stage_status(cluster, &surveyed.stage, day);
        status.disposal.clone_from(&surveyed.disposal);
        status.as_of = as_of;
        status.overdue = Overdue {
            records: surveyed.due.records,
            oldest_days: surveyed.oldest_overdue_days,
        };
        status.retained.clone_from(&surveyed.retained);
    }

    fn take_finish(&mut self, day: Date, run_id: Option<&str>, finished: &StageFinished) {
        let as_of = run_id.and_then(|run_id| self.as_of.get(run_id)).copied();
        let is_in_period = self.period.holds(day);
        let has_content = is_in_period && (finished.disposed > 0 || finished.failed > 0);
        let reconciles = run_id.is_some_and(|run_id| self.reconciling.contains(run_id));
        let cluster = self.cluster(&finished.job);
        if has_content {
            add_to_month(cluster, day, finished);
        }
        if reconciles {
            return;
        }
        let status = stage_status(cluster, &finished.stage, day);
        status.disposal.clone_from(&finished.disposal);
        status.as_of = as_of;
        status.overdue = Overdue {
            records: finished.remaining_due,
            oldest_days: finished.oldest_overdue_days,
        };
    }

    fn refuse(
        &mut self,
        job: &str,
        day: Date,
        run_id: Option<&str>,
        stage: Option<&str>,
        (code, message): (&str, &str),
    ) {
        if !self.period.holds(day) {
            return;
        }
        self.cluster(job).refusals.push(Refusal {
            day,
            stage: stage.map(str::to_owned),
            code: code.to_owned(),
            message: message.to_owned(),
            run_id: run_id.map(str::to_owned),
        });
    }
}

/// The status of `stage`, made if it is new, with `day` as the day of its latest news.
fn stage_status<'c>(cluster: &'c mut Cluster, stage: &str, day: Date) -> &'c mut StageStatus {
    let index = if let Some(index) = cluster
        .stages
        .iter()
        .position(|status| status.stage == stage)
    {
        index
    } else {
        cluster.stages.push(StageStatus {
            stage: stage.to_owned(),
            disposal: String::new(),
            day,
            as_of: None,
            overdue: Overdue::default(),
            retained: BTreeMap::new(),
        });
        cluster.stages.len() - 1
    };
    let status = &mut cluster.stages[index];
    status.day = day;
    status
}

fn add_to_month(cluster: &mut Cluster, day: Date, finished: &StageFinished) {
    let name = format!("{:04}-{:02}", day.year(), day.month());
    // A clock that went backwards may bring an earlier month after a later one.
    let index = match cluster
        .months
        .binary_search_by(|month| month.month.cmp(&name))
    {
        Ok(index) => index,
        Err(index) => {
            cluster.months.insert(
                index,
                Month {
                    month: name,
                    disposed: Vec::new(),
                    failed_records: 0,
                },
            );
            index
        }
    };
    let month = &mut cluster.months[index];
    month.failed_records += finished.failed;
    if finished.disposed == 0 {
        return;
    }
    let is_same = |disposed: &Disposed| {
        disposed.stage == finished.stage && disposed.disposal == finished.disposal
    };
    let index = if let Some(index) = month.disposed.iter().position(is_same) {
        index
    } else {
        month.disposed.push(Disposed {
            stage: finished.stage.clone(),
            disposal: finished.disposal.clone(),
            records: 0,
            ended_by: BTreeMap::new(),
        });
        month.disposed.len() - 1
    };
    let disposed = &mut month.disposed[index];
    disposed.records += finished.disposed;
    for (purpose, records) in &finished.ended_by {
        *disposed.ended_by.entry(purpose.clone()).or_default() += records;
    }
}
