//! The fixture's run in the logs of its clients, before it began.

use jiff::Timestamp;
use kigen_evidence::log::entry::{Plan, PlannedLimit, PlannedTarget, to_payload};
use kigen_evidence::statement::{self, LogPlace};

use crate::ledger::log::LogRole;
use crate::run::client_log::{ClientLog, ClientLogError, EntryHeader, LogWriter, NewPayload};
use crate::run::statement_parts;

use super::fixture::{Fixture, at, started};

impl Fixture {
    /// Writes the plan of a run into the log of `client` and publishes it.
    pub(super) async fn announce(&self, run: &str, client: &str) {
        let place = self.place();
        let keeper = LogWriter {
            ledger: &*self.ledger,
            place: &*place,
            keyring: &self.keyring,
            origin: &self.origin,
            clients: &self.clients,
        };
        let mut log = ClientLog::new(keeper, client).open().await.unwrap();
        let mark = EntryHeader {
            role: LogRole::Plan,
            run_id: Some(run),
            plan: None,
            at: at(1),
        };
        let make = |place, recorded_at| -> Result<NewPayload, ClientLogError> {
            let plan = self.plan(run, client, place, recorded_at);
            Ok(NewPayload {
                payload: to_payload(&plan).unwrap(),
                certificate: None,
            })
        };
        log.append(&mark, make).await.unwrap();
        log.publish(at(1)).await.unwrap();
        log.close().await;
    }

    fn plan(&self, run: &str, client: &str, log: LogPlace, recorded_at: Timestamp) -> Plan {
        let started = started();
        let targets = started.targets.iter().map(|target| {
            let job = started.jobs.iter().find(|job| job.job == target.job);
            PlannedTarget {
                index: target.index,
                job: target.job.clone(),
                stage: target.stage.clone(),
                store: statement_parts::store(target),
                object: target.object.clone(),
                relation: target.relation.clone(),
                inspection_sha256: statement_parts::inspection(target).unwrap(),
                rule: statement_parts::rule(target, job.unwrap()).unwrap(),
                method: statement_parts::method(target).unwrap(),
                limit: PlannedLimit {
                    max_records: 1_000,
                    max_percent: "10".to_owned(),
                    max_persons: 1_000,
                },
            }
        });
        Plan {
            log,
            issuer: statement_parts::issuer(&self.issuer, "0.1.0"),
            controller: statement_parts::controller(&self.clients, client),
            trigger: statement::Trigger::ScheduledRetention,
            run: statement_parts::run(run, started.as_of, &started.jobs[0]),
            recorded_at,
            like: None,
            targets: targets.collect(),
        }
    }
}
