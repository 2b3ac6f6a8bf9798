//! Suspends and resumes jobs: in the ledger, which every run asks, and then in the clients' logs, so
//! that nights without certificates have their reason.

use jiff::Timestamp;
use jiff::civil::Date;
use kigen_evidence::log::entry::{self, Resumption, Suspension, SuspensionReason};
use kigen_evidence::statement::{EntryPlace, LogPlace};

use super::client_log::{ClientLog, ClientLogError, EntryHeader, LogWriter, NewPayload, OpenLog};
use super::control::Suspensions;
use super::error::RunError;
use super::execute::Environment;
use super::open::Inventories;
use super::outcome::JobError;
use super::{certify, statement_parts};
use crate::archive;
use crate::config::Config;
use crate::job::Job;
use crate::keyring::Keyring;
use crate::ledger::Ledger;
use crate::ledger::entry::{Entry, JobSuspended};
use crate::ledger::log::LogRole;

/// Why jobs are suspended, and when somebody looks again.
#[derive(Clone, Copy, Debug)]
pub struct Why {
    pub reason: SuspensionReason,
    pub review_on: Option<Date>,
}

/// A job, and the clients whose logs say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuspendedClients {
    pub job: String,
    pub clients: Vec<String>,
}

/// Suspends `jobs`: from the next batch on nothing of theirs is disposed of.
///
/// Repeatable: what an earlier attempt could not write into the clients' logs is written now. The
/// suspension holds as soon as the ledger has it, also if the logs cannot be written.
pub async fn suspend(
    environment: &Environment<'_>,
    keyring: &Keyring,
    jobs: &[&Job],
    why: Why,
) -> Result<Vec<SuspendedClients>, RunError> {
    environment.config.certificates.origin()?;
    for job in jobs {
        let entry = JobSuspended {
            job: job.cluster.clone(),
            reason: why.reason,
            review_on: why.review_on,
        };
        let suspensions = Suspensions::now(environment.ledger).await?;
        let standing = suspensions.of(&job.cluster);
        if standing.is_none_or(|standing| standing.why != entry) {
            let entry = Entry::JobSuspended(entry);
            let at = (environment.now)();
            environment.ledger.append(None, at, &entry).await?;
        }
        fail::fail_point!("suspend.after-entry");
    }
    let notices = Notices::open(environment, keyring).await?;
    let mut inventories = Inventories::default();
    let mut noted = Vec::new();
    for job in jobs {
        let store = inventories.rows(environment.config, &job.store).await;
        let store = store.map_err(|error| RunError::Step(JobError::of_store(&error)))?;
        let clients = store.clients(job).await;
        let clients = clients.map_err(|error| RunError::Step(JobError::of_store(&error)))?;
        for client in &clients {
            notices.suspend(client, &job.cluster, why).await?;
        }
        noted.push(SuspendedClients {
            job: job.cluster.clone(),
            clients: clients.into_iter().collect(),
        });
    }
    Ok(noted)
}

/// Resumes `jobs`. Repeatable like [`suspend`].
pub async fn resume(
    environment: &Environment<'_>,
    keyring: &Keyring,
    jobs: &[&Job],
) -> Result<Vec<SuspendedClients>, RunError> {
    let notices = Notices::open(environment, keyring).await?;
    let mut noted = Vec::new();
    for job in jobs {
        let suspensions = Suspensions::now(environment.ledger).await?;
        if suspensions.of(&job.cluster).is_some() {
            let entry = Entry::JobResumed {
                job: job.cluster.clone(),
            };
            let at = (environment.now)();
            environment.ledger.append(None, at, &entry).await?;
        }
        fail::fail_point!("suspend.after-entry");
        let mut clients = Vec::new();
        for client in environment.ledger.log_clients().await? {
            if notices.resume(&client, &job.cluster).await? {
                clients.push(client);
            }
        }
        noted.push(SuspendedClients {
            job: job.cluster.clone(),
            clients,
        });
    }
    Ok(noted)
}

/// Writes into the clients' logs.
struct Notices<'a> {
    config: &'a Config,
    origin: &'a str,
    ledger: &'a dyn Ledger,
    keyring: &'a Keyring,
    place: std::sync::Arc<dyn archive::Archive>,
    at: Timestamp,
}

impl<'a> Notices<'a> {
    async fn open(environment: &Environment<'a>, keyring: &'a Keyring) -> Result<Self, RunError> {
        let place = archive::open(&environment.config.certificates.place).await?;
        Ok(Self {
            config: environment.config,
            origin: environment.config.certificates.origin()?,
            ledger: environment.ledger,
            keyring,
            place,
            at: (environment.now)(),
        })
    }

    fn keeper(&self) -> LogWriter<'_> {
        LogWriter {
            ledger: self.ledger,
            place: &*self.place,
            keyring: self.keyring,
            origin: self.origin,
            clients: &self.config.clients,
        }
    }

    async fn suspend(&self, client: &str, job: &str, why: Why) -> Result<(), RunError> {
        certify::publish_keys(self.keeper()).await?;
        let mut log = ClientLog::new(self.keeper(), client).open().await?;
        let written = self.write_suspension(&mut log, client, job, why).await;
        log.close().await;
        Ok(written?)
    }

    async fn write_suspension(
        &self,
        log: &mut OpenLog<'_>,
        client: &str,
        job: &str,
        why: Why,
    ) -> Result<(), ClientLogError> {
        if log.open_suspension(job).await?.is_none() {
            let make = |log: LogPlace, recorded_at: Timestamp| {
                payload(
                    client,
                    &Suspension {
                        log,
                        issuer: statement_parts::issuer(
                            &self.config.issuer,
                            env!("CARGO_PKG_VERSION"),
                        ),
                        controller: statement_parts::controller(&self.config.clients, client),
                        clusters: Some(vec![job.to_owned()]),
                        reason: why.reason,
                        review_on: why.review_on,
                        recorded_at,
                    },
                )
            };
            log.append(&self.mark(), make).await?;
        }
        log.publish(self.at).await?;
        Ok(())
    }

    /// Whether the client's log had said that the job is suspended.
    async fn resume(&self, client: &str, job: &str) -> Result<bool, RunError> {
        let mut log = ClientLog::new(self.keeper(), client).open().await?;
        let written = self.write_resumption(&mut log, client, job).await;
        log.close().await;
        Ok(written?)
    }

    async fn write_resumption(
        &self,
        log: &mut OpenLog<'_>,
        client: &str,
        job: &str,
    ) -> Result<bool, ClientLogError> {
        let standing = log.open_suspension(job).await?;
        if let Some(suspension) = standing {
            let make = |log: LogPlace, recorded_at: Timestamp| {
                payload(
                    client,
                    &Resumption {
                        log,
                        issuer: statement_parts::issuer(
                            &self.config.issuer,
                            env!("CARGO_PKG_VERSION"),
                        ),
                        controller: statement_parts::controller(&self.config.clients, client),
                        suspension,
                        recorded_at,
                    },
                )
            };
            log.append(&self.mark(), make).await?;
        }
        log.publish(self.at).await?;
        Ok(standing.is_some())
    }

    fn mark(&self) -> EntryHeader<'static> {
        EntryHeader {
            role: LogRole::Notice,
            run_id: None,
            plan: None,
            at: self.at,
        }
    }
}

fn payload<P: entry::Predicate>(client: &str, predicate: &P) -> Result<NewPayload, ClientLogError> {
    let payload = entry::to_payload(predicate).map_err(|error| ClientLogError::Entry {
        client: client.to_owned(),
        error,
    })?;
    Ok(NewPayload {
        payload,
        certificate: None,
    })
}

impl OpenLog<'_> {
    /// The suspension of `job` that no resumption has ended.
    async fn open_suspension(&self, job: &str) -> Result<Option<EntryPlace>, ClientLogError> {
        let mut open: Vec<EntryPlace> = Vec::new();
        for (place, notice) in self.notices().await? {
            match notice {
                entry::Entry::Suspension(suspension)
                    if suspension.clusters.as_deref() == Some(&[job.to_owned()]) =>
                {
                    open.push(place);
                }
                entry::Entry::Resumption(resumption) => {
                    open.retain(|place| *place != resumption.suspension);
                }
                entry::Entry::Plan(_)
                | entry::Entry::Certificate(_)
                | entry::Entry::Noop(_)
                | entry::Entry::Abort(_)
                | entry::Entry::Suspension(_)
                | entry::Entry::KeyRotation(_) => {}
            }
        }
        Ok(open.pop())
    }
}
