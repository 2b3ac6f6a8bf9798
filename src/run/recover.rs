//! What a killed run left: its removals are journaled, so they only need to be certified.

use std::collections::BTreeMap;
use std::time::Duration;

use super::certify::{self, SealContext};
use super::error::RunError;
use super::execute::Environment;
use super::lock::{Begin, Purpose};
use super::open::Stores;
use super::outcome::{CertificateLine, NotCertified, RecoveredRun, ReleasedLine};
use super::{count_journal, intents, restored};
use crate::archive;
use crate::job::Job;
use crate::keyring::Keyring;
use crate::ledger::entry::{Entry, Outcome, RunState};
use crate::ledger::error::LockError;
use crate::ledger::fold::{RunRecord, fold_runs};
use crate::store::{AnnouncedClients, RemovedKeys, RunContext, TokenKey};

/// The most records of a run that is certified although it was asked to stop.
const SEALED_WHEN_STOPPED: u64 = 100_000;

/// How long after the request to stop its sealing may go on.
const SEALING_GRACE: Duration = Duration::from_secs(6);

/// Takes up every run that no living process holds, and brings it to its certificates.
pub(super) async fn recover(
    environment: &Environment<'_>,
    keyring: &Keyring,
    stores: &mut Stores,
    begin: &Begin<'_>,
) -> Result<Vec<RecoveredRun>, RunError> {
    let mut recovered = Vec::new();
    for run in environment.ledger.unfinished_runs().await? {
        if environment.shutdown.is_requested() {
            return Err(RunError::Stopped);
        }
        let name = format!("run:{}", run.run_id);
        let lock = match environment.ledger.lock(&[name]).await {
            Ok(lock) => lock,
            // Somebody is working on it right now.
            Err(LockError::Busy { .. }) => continue,
            Err(LockError::NotAsked(error)) => return Err(RunError::Ledger(error)),
            Err(other) => return Err(RunError::Busy(other)),
        };
        tracing::warn!(run.id = %run.run_id, "run {} was not finished; taking it up again", run.run_id);
        recovered.push(resume_run(environment, keyring, stores, begin, &run).await?);
        if let Err(error) = lock.release().await {
            tracing::warn!(error = %error, "the lock of a recovered run could not be released");
        }
    }
    Ok(recovered)
}

async fn resume_run(
    environment: &Environment<'_>,
    keyring: &Keyring,
    stores: &mut Stores,
    begin: &Begin<'_>,
    run: &RunRecord,
) -> Result<RecoveredRun, RunError> {
    let mut released = Vec::new();
    let ended = bring_to_end(environment, keyring, stores, begin, run, &mut released).await?;
    let (certificates, error) = match ended {
        Ok(certificates) => (certificates, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    Ok(RecoveredRun {
        run_id: run.run_id.clone(),
        certificates,
        released,
        error,
    })
}

async fn bring_to_end(
    environment: &Environment<'_>,
    keyring: &Keyring,
    stores: &mut Stores,
    begin: &Begin<'_>,
    run: &RunRecord,
    released: &mut Vec<ReleasedLine>,
) -> Result<Result<Vec<CertificateLine>, NotCertified>, RunError> {
    let jobs = begin.all_jobs;
    if begin.purpose == Purpose::Dispose
        && let Err(lost) = restored::refuse_to_end(environment, stores, run).await
    {
        return Ok(Err(lost));
    }
    // An object store that was down may have left intents open, also in a run that has ended.
    if matches!(run.state, RunState::Running | RunState::Finished) {
        match intents::end(environment, keyring, stores, jobs, run).await {
            Ok(lines) => *released = lines,
            Err(error) => return Ok(Err(NotCertified::failed(error))),
        }
        let journals = match count_journal::journals(environment, stores, run).await {
            Ok(journals) => journals,
            Err(error) => return Ok(Err(NotCertified::failed(error))),
        };
        // Nothing is written of a run that waits: it may wait for many nights.
        let open = intents::none_is_open(environment, &journals, jobs, &run.run_id).await;
        if let Err(waits) = open {
            return Ok(Err(waits));
        }
    }
    let entry = Entry::RunRecovered {
        found_state: run.state,
    };
    let appended = environment.append(&run.run_id, &entry).await;
    appended.map_err(RunError::Step)?;
    if run.state == RunState::Running {
        if let Err(error) = count_journal::append_missing(environment, stores, run).await {
            return Ok(Err(NotCertified::failed(error)));
        }
        let entry = Entry::RunFinished {
            outcome: Outcome::Partial,
        };
        let appended = environment.append(&run.run_id, &entry).await;
        appended.map_err(RunError::Step)?;
    }
    let nothing_known = BTreeMap::new();
    Ok(certify(
        environment,
        keyring,
        stores,
        jobs,
        &run.run_id,
        &nothing_known,
    )
    .await)
}

/// Seals a run that has ended: fences closed, certificates stored, signed, published.
///
/// `removed` has the keys that this process has removed, by cluster.
///
/// Repeatable: what an earlier attempt did stays as it is. On an error the run remains to be
/// certified, and the next run does it.
pub(super) async fn certify(
    environment: &Environment<'_>,
    keyring: &Keyring,
    stores: &mut Stores,
    jobs: &[Job],
    run_id: &str,
    removed: &BTreeMap<String, RemovedKeys>,
) -> Result<Vec<CertificateLine>, NotCertified> {
    let failed = |error: &dyn std::error::Error| NotCertified::failed(with_causes(error));
    let entries = environment.ledger.entries_of(run_id).await;
    let entries = entries.map_err(|error| failed(&error))?;
    let Some(run) = fold_runs(&entries).into_iter().next() else {
        return Err(NotCertified::failed(format!(
            "the ledger has no run {run_id}"
        )));
    };
    let journals = count_journal::journals(environment, stores, &run).await;
    let journals = journals.map_err(NotCertified::failed)?;
    intents::none_is_open(environment, &journals, jobs, run_id).await?;
    let config = environment.config;
    let opened = archive::open(&config.certificates.place).await;
    let place = opened.map_err(|error| failed(&error))?;
    let origin = config.certificates.origin();
    let origin = origin.map_err(|error| failed(&error))?;
    let context = SealContext {
        ledger: environment.ledger,
        stores: &stores.opened(),
        keyring,
        issuer: &config.issuer,
        clients: &config.clients,
        residuals: &config.residuals,
        keep: config.evidence_keep,
        origin,
        place: &*place,
        work_folder: &config.certificates.work_folder,
        read_back: config.read_back,
        removed,
        jobs,
        now: environment.now,
        version: env!("CARGO_PKG_VERSION"),
        progress: environment.progress,
    };
    tracing::debug!(run.id = %run_id, "certifying the run");
    let grace = grace_of(&run);
    let sealing = certify::seal(&context, run_id);
    let sealed = tokio::select! {
        biased;
        // Dropped where it waits, as if the process had died there: each step is repeatable.
        () = environment.shutdown.requested_since(grace) => {
            environment.progress.finish();
            return Err(NotCertified::stopped());
        }
        sealed = sealing => sealed,
    };
    environment.progress.finish();
    let sealed = sealed.map_err(|error| failed(&error))?;
    Ok(sealed
        .certificates
        .into_iter()
        .map(|certificate| CertificateLine {
            folder: place.locate(&certificate.folder),
            certificate_id: certificate.certificate_id,
            client: certificate.client,
            records: certificate.records,
            subjects: certificate.subjects,
            remaining: certificate.remaining,
            unverifiable: certificate.unverifiable,
        })
        .collect())
}

/// How long sealing may go on when the run is asked to stop: a run of few records is certified all the
/// same, a big one by the next run.
fn grace_of(run: &RunRecord) -> Duration {
    let removed: u64 = run.stages.iter().map(|stage| stage.disposed).sum();
    if removed > SEALED_WHEN_STOPPED {
        Duration::ZERO
    } else {
        SEALING_GRACE
    }
}

/// An error with its causes, on one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// The context of a run that another process began.
pub(super) async fn reopen(
    environment: &Environment<'_>,
    keyring: &Keyring,
    run: &RunRecord,
) -> Result<RunContext, String> {
    let opened = keyring.run_key(environment.ledger, &run.run_id).await;
    let opened = opened.map_err(|error| error.to_string())?;
    let run_key = opened.map_err(|error| format!("open the key of run {}: {error}", run.run_id))?;
    Ok(RunContext {
        run_id: run.run_id.clone(),
        run_key,
        token_key: TokenKey(*keyring.token_key()),
        started_at: run.started_at,
        // Its intents were stored under its plan.
        announced: AnnouncedClients::not_asked_for(),
    })
}
