//! The plan of a run in the log of every client whose records it may remove, before its first
//! removal.
//!
//! Whoever watches a log sees a run that was left out, or that died, as a plan without an end.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::certified;
use super::certified::Damaged;
use super::client_log::ClientLog;
use super::client_log::ClientLogError;
use super::execute::Environment;
use super::execute::RunError;
use super::open::Stores;
use super::outcome::JobError;
use super::start::Ready;
use crate::evidence::log::entry;
use crate::evidence::log::entry::Plan;
use crate::evidence::log::entry::PlannedLimit;
use crate::evidence::log::entry::PlannedTarget;
use crate::job::Job;
use crate::ledger::entry::RunStarted;
use crate::ledger::entry::TargetEntry;
use crate::ledger::log::Appended;
use crate::ledger::log::LogRole;
use crate::ledger::log::NewLogEntry;

/// The clients of each job, by cluster.
pub(super) type Clients = BTreeMap<String, BTreeSet<String>>;

/// Asks the stores on whose behalf the records of each job are kept.
pub(super) async fn clients(
    environment: &Environment<'_>,
    stores: &mut Stores,
    jobs: &[Ready<'_>],
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
    Ok(clients)
}

/// Writes the run's plan into the log of each client. Returns the clients.
pub(super) async fn announce(
    environment: &Environment<'_>,
    run_id: &str,
    started: &RunStarted,
    jobs: &[Ready<'_>],
    clients: &Clients,
    now: Timestamp,
) -> Result<BTreeSet<String>, RunError> {
    let all: BTreeSet<String> = clients.values().flatten().cloned().collect();
    for client in &all {
        let origin = environment.config.certificates.origin();
        let log = ClientLog::new(environment.ledger, origin, client);
        let concerned = |ready: &&Ready<'_>| clients[&ready.job.cluster].contains(client);
        let jobs: Vec<&Job> = jobs
            .iter()
            .filter(concerned)
            .map(|ready| ready.job)
            .collect();
        let announcement = Announcement {
            environment,
            run_id,
            started,
            jobs: &jobs,
        };
        announcement.append(&log, now).await?;
        fail::fail_point!("run.announced");
    }
    Ok(all)
}

/// What one client is told.
struct Announcement<'a> {
    environment: &'a Environment<'a>,
    run_id: &'a str,
    started: &'a RunStarted,
    /// The jobs that keep records of the client.
    jobs: &'a [&'a Job],
}

impl Announcement<'_> {
    async fn append(&self, log: &ClientLog<'_>, now: Timestamp) -> Result<(), RunError> {
        loop {
            let end = log.end().await?;
            let plan = self.plan(log, end.place(None), end.time(now))?;
            let entry = NewLogEntry {
                client: log.client.to_owned(),
                index: end.index(),
                role: LogRole::Plan,
                run_id: Some(self.run_id.to_owned()),
                payload: entry::to_payload(&plan).map_err(|error| log.unusable(error))?,
                at: plan.recorded_at,
            };
            let appended = log.ledger.append_to_log(&entry, None).await;
            match appended.map_err(ClientLogError::Ledger)? {
                Appended::New | Appended::AlreadyThere(_) => return Ok(()),
                // Another run was quicker.
                Appended::Moved => {}
            }
        }
    }

    fn plan(
        &self,
        log: &ClientLog<'_>,
        place: crate::evidence::statement::LogPlace,
        recorded_at: Timestamp,
    ) -> Result<Plan, RunError> {
        let config = self.environment.config;
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
            issuer: certified::issuer(&config.issuer, env!("CARGO_PKG_VERSION")),
            controller: certified::controller(&config.clients, log.client),
            trigger: certified::trigger(self.started),
            run: certified::run(self.run_id, self.started.as_of, first),
            recorded_at,
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
            store: certified::store(target),
            object: target.object.clone(),
            rule: certified::rule(target, entry)?,
            method: certified::method(target)?,
            limit: PlannedLimit {
                max_records: job.limit.max_records,
                max_percent: job.limit.max_percent.to_string(),
                max_persons: job.limit.max_persons,
            },
        })
    }
}
