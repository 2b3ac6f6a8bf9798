//! The plan of a run in the log of every client whose records it may remove, before its first
//! removal.
//!
//! Whoever watches a log sees a run that was left out, or that died, as a plan without an end.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kigen_evidence::log::entry::{self, Plan, PlannedLimit, PlannedTarget};
use kigen_evidence::statement::{Controller, Issuer, LogPlace};

use super::certify;
use super::client_log::{ClientLog, ClientLogError, EntryHeader, LogWriter, NewPayload, OpenLog};
use super::error::RunError;
use super::execute::Environment;
use super::open::Stores;
use super::outcome::JobError;
use super::statement_parts::{self, Damaged};
use super::targets::ConnectedJob;
use crate::config::Config;
use crate::exit;
use crate::guard::{self, Guard};
use crate::job::Job;
use crate::job::spelling::folded;
use crate::ledger::entry::{RunStarted, TargetEntry};
use crate::ledger::log::LogRole;

/// The clients of each job, by cluster.
pub(super) type Clients = BTreeMap<String, BTreeSet<String>>;

/// Asks the stores on whose behalf the records of each job are kept.
pub(super) async fn clients(
    environment: &Environment<'_>,
    stores: &mut Stores,
    jobs: &[ConnectedJob<'_>],
) -> Result<Clients, JobError> {
    let mut clients = Clients::new();
    for ready in jobs {
        let job = ready.job;
        let store = stores.rows(environment.config, &job.store).await;
        let store = store.map_err(|error| JobError::of_store(&error))?;
        let found = store.clients(job).await;
        let found = found.map_err(|error| JobError::of_store(&error))?;
        clients.insert(job.cluster.clone(), found);
    }
    one_spelling(environment, &clients).await?;
    Ok(clients)
}

/// No log is begun for another spelling of a client that has a log, or is about to have one.
async fn one_spelling(environment: &Environment<'_>, clients: &Clients) -> Result<(), JobError> {
    let with_log = environment.ledger.log_clients().await;
    let with_log = with_log.map_err(|error| {
        let error = RunError::Ledger(error);
        JobError::new(error.exit(), error.to_string())
    })?;
    let all = all(clients);
    let new = all.iter().filter(|name| !with_log.contains(name));
    let mut twins = Vec::new();
    for name in new {
        let spelt = folded(name);
        let mut others = with_log.iter().chain(all.iter().copied());
        let other = others.find(|other| other != name && folded(other) == spelt);
        twins.extend(other.map(|other| {
            format!(
                "clients `{other}` and `{name}` differ only in case, width or blanks: each would have a log and certificates of its own\nhint: write the client in one way in all rows and jobs"
            )
        }));
    }
    if twins.is_empty() || !guard::stands(Guard::ClientNames) {
        return Ok(());
    }
    Err(JobError::new(exit::SCHEMA_MISMATCH, twins.join("\n")))
}

/// Compares the log of each client with what was published before. Writes nothing: a ledger that was
/// restored from a backup must be seen by a person before a run begins.
pub(super) async fn check_logs(
    keeper: LogWriter<'_>,
    clients: &Clients,
) -> Result<(), ClientLogError> {
    for client in all(clients) {
        ClientLog::new(keeper, client).check().await?;
    }
    Ok(())
}

/// Writes the run's plan into the log of each client and publishes it. Returns the clients.
pub(super) async fn announce(
    environment: &Environment<'_>,
    keeper: LogWriter<'_>,
    run: AnnouncedRun<'_>,
    clients: &Clients,
    now: Timestamp,
) -> Result<BTreeSet<String>, RunError> {
    let all = all(clients);
    if !all.is_empty() {
        certify::publish_keys(keeper).await?;
    }
    for client in &all {
        let concerned = |ready: &&ConnectedJob<'_>| clients[&ready.job.cluster].contains(*client);
        let jobs = run.jobs.iter().filter(concerned);
        let jobs: Vec<&Job> = jobs.map(|ready| ready.job).collect();
        let announcement = Announcement {
            config: environment.config,
            client,
            run_id: run.run_id,
            started: run.started,
            jobs: &jobs,
        };
        let mut log = ClientLog::new(keeper, client).open().await?;
        let published = announcement.publish(&mut log, now).await;
        log.close().await;
        published?;
    }
    Ok(all.into_iter().cloned().collect())
}

fn all(clients: &Clients) -> BTreeSet<&String> {
    clients.values().flatten().collect()
}

/// What is announced.
#[derive(Clone, Copy)]
pub(super) struct AnnouncedRun<'a> {
    pub(super) run_id: &'a str,
    pub(super) started: &'a RunStarted,
    pub(super) jobs: &'a [ConnectedJob<'a>],
}

/// What one client is told.
struct Announcement<'a> {
    config: &'a Config,
    client: &'a str,
    run_id: &'a str,
    started: &'a RunStarted,
    /// The jobs that keep records of the client.
    jobs: &'a [&'a Job],
}

impl Announcement<'_> {
    async fn publish(&self, log: &mut OpenLog<'_>, now: Timestamp) -> Result<(), RunError> {
        let issuer = statement_parts::issuer(&self.config.issuer, env!("CARGO_PKG_VERSION"));
        let controller = statement_parts::controller(&self.config.clients, self.client);
        log.announce_keys(&issuer, &controller, now).await?;
        let named = log.named_plan().await?;
        let mark = EntryHeader {
            role: LogRole::Plan,
            run_id: Some(self.run_id),
            plan: None,
            at: now,
        };
        let make = |place: LogPlace, at: Timestamp| -> Result<NewPayload, RunError> {
            let plan = self.plan(place, at, issuer, controller)?;
            let plan = match named {
                Some((place, earlier)) => plan.shortened(&earlier, place),
                None => plan,
            };
            let payload = entry::to_payload(&plan);
            Ok(NewPayload {
                payload: payload.map_err(|error| ClientLogError::Entry {
                    client: self.client.to_owned(),
                    error,
                })?,
                certificate: None,
            })
        };
        log.append(&mark, make).await?;
        fail::fail_point!("run.planned");
        log.publish(now).await?;
        fail::fail_point!("run.announced");
        tracing::debug!(client = %self.client, "the plan stands in the published log");
        Ok(())
    }

    fn plan(
        &self,
        place: LogPlace,
        recorded_at: Timestamp,
        issuer: Issuer,
        controller: Controller,
    ) -> Result<Plan, RunError> {
        let damaged = |Damaged(what): Damaged| RunError::Damaged {
            run: self.run_id.to_owned(),
            what,
        };
        let mut targets = Vec::new();
        for target in &self.started.targets {
            let job = self.jobs.iter().find(|job| job.cluster == target.job);
            if let Some(job) = job {
                targets.push(self.target(target, job).map_err(damaged)?);
            }
        }
        let first = self.jobs.first().map(|job| job.cluster.as_str());
        let mut entries = self.started.jobs.iter();
        let first = entries.find(|entry| Some(entry.job.as_str()) == first);
        let first = first.ok_or_else(|| damaged(Damaged("have no job".to_owned())))?;
        Ok(Plan {
            log: place,
            issuer,
            controller,
            trigger: statement_parts::trigger(self.started),
            run: statement_parts::run(self.run_id, self.started.day_of(&first.job), first),
            recorded_at,
            like: None,
            targets,
        })
    }

    fn target(&self, target: &TargetEntry, job: &Job) -> Result<PlannedTarget, Damaged> {
        let mut entries = self.started.jobs.iter();
        let entry = entries.find(|entry| entry.job == target.job);
        let entry = entry.ok_or_else(|| Damaged("have a target of an unknown job".to_owned()))?;
        Ok(PlannedTarget {
            index: target.index,
            job: target.job.clone(),
            stage: target.stage.clone(),
            store: statement_parts::store(target),
            object: target.object.clone(),
            relation: target.relation.clone(),
            inspection_sha256: statement_parts::inspection(target)?,
            rule: statement_parts::rule(target, entry)?,
            method: statement_parts::method(target)?,
            limit: PlannedLimit {
                max_records: job.limit.max_records,
                max_percent: job.limit.max_percent.to_string(),
                max_persons: job.limit.max_persons,
            },
        })
    }
}
