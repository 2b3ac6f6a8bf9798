//! The transaction that ends intents: rows, journal and intents, all or none.

use std::collections::{BTreeSet, HashMap};

use kigen_evidence::leaf::Action;
use kigen_evidence::value::{RecordKey, Value};

use super::kept::count_kept;
use super::named::{Names, ObjectReferences, named_by_staying_rows};
use super::removal::RemovalResults;
use super::{Address, Intent, Retry, action_of, stored};
use crate::database::session::{Row, SqlSession};
use crate::store::PassOutcome;
use crate::store::error::StoreError;
use crate::store::objects::NO_VERSION;
use crate::store::sql::batch::{self, BatchId};
use crate::store::sql::batch_range::{Window, find_window};
use crate::store::sql::dependents::{self, Found, Look};
use crate::store::sql::evidence::{BatchEvidence, EvidenceWriter, Group, Part};
use crate::store::sql::pass::Pass;
use crate::store::sql::remove::remove;
use crate::store::sql::{effects, journal};

/// Intents whose objects were removed and read back.
pub(in crate::store::sql) struct Finish<'f> {
    pub intents: &'f [Intent],
    pub fates: &'f RemovalResults,
}

/// Ends the intents: their rows go where all their objects are gone and they are still due.
///
/// What is gone of the objects is certified in every case. If the rows cannot go, they stay, the
/// evidence of the objects is written alone, and the error is given back in the outcome.
pub(in crate::store::sql) async fn finish<'a>(
    session: &mut dyn SqlSession,
    pass: &Pass<'a>,
    evidence: &mut EvidenceWriter<'a>,
    work: &Finish<'_>,
) -> Result<PassOutcome, StoreError> {
    let mut patience = Retry::new();
    let error = loop {
        let rows = if patience.is_last() {
            Rows::GoAroundLocks
        } else {
            Rows::Go
        };
        match try_once(session, pass, evidence, work, &rows).await {
            Ok(outcome) => return Ok(outcome),
            Err(error) => {
                if let Err(error) = patience.wait_after(error).await {
                    break error;
                }
            }
        }
    };
    if !is_about_rows(&error) {
        return Err(error);
    }
    let rows = Rows::Stay(error.to_string());
    let mut outcome = try_once(session, pass, evidence, work, &rows).await?;
    outcome.stopped_by = Some(error);
    Ok(outcome)
}

/// What the transaction does with the rows.
pub(super) enum Rows {
    /// Removes them; an error if others have locked one.
    Go,
    /// Removes those that others have not locked.
    GoAroundLocks,
    /// Leaves them all, for this reason.
    Stay(String),
}

/// Whether the error says that rows cannot go, rather than that nothing can be written at all.
fn is_about_rows(error: &StoreError) -> bool {
    match error {
        StoreError::Locked { .. }
        | StoreError::Conflict { .. }
        | StoreError::Failed { .. }
        | StoreError::NotPermitted { .. }
        | StoreError::Disagreement { .. }
        | StoreError::Vetoed { .. }
        | StoreError::Undone { .. }
        | StoreError::Unaccounted { .. }
        | StoreError::StillNamed { .. }
        | StoreError::TooLarge { .. }
        | StoreError::TooMany { .. }
        | StoreError::Unfit { .. }
        | StoreError::NotAnnounced { .. }
        | StoreError::OverLimit { .. }
        | StoreError::ObjectsAbsent { .. }
        | StoreError::Unusable(_) => true,
        StoreError::Unreachable { .. }
        | StoreError::Refused { .. }
        | StoreError::NotMigrated { .. }
        | StoreError::ConnectionLost { .. }
        | StoreError::UnsafeSession { .. }
        | StoreError::FenceClosed { .. } => false,
    }
}

async fn try_once<'a>(
    session: &mut dyn SqlSession,
    pass: &Pass<'a>,
    evidence: &mut EvidenceWriter<'a>,
    work: &Finish<'_>,
    rows: &Rows,
) -> Result<PassOutcome, StoreError> {
    effects::begin(session).await?;
    match in_transaction(session, pass, evidence, work, rows).await {
        Ok((outcome, last)) => {
            fail::fail_point!("intent.before-commit");
            let Err(error) = session.commit().await.map_err(StoreError::from) else {
                return Ok(outcome);
            };
            // Where the connection is lost before the answer, the journal says what became of it.
            if let (StoreError::ConnectionLost { .. }, Some((id, group))) = (&error, &last)
                && let Ok(true) = journal::has(session, pass, *id, Some(group)).await
            {
                return Ok(outcome);
            }
            Err(error)
        }
        // If even this fails, the transaction ends with its connection; the cause comes first.
        Err(error) => match session.rollback().await {
            Ok(()) | Err(_) => Err(error),
        },
    }
}

/// What it did, and what it has journalled last.
async fn in_transaction<'a>(
    session: &mut dyn SqlSession,
    pass: &Pass<'a>,
    evidence: &mut EvidenceWriter<'a>,
    work: &Finish<'_>,
    rows: &Rows,
) -> Result<(PassOutcome, Option<(BatchId, Group)>), StoreError> {
    let mine = take(session, pass, work).await?;
    let mut outcome = PassOutcome::default();
    if mine.is_empty() {
        return Ok((outcome, None));
    }
    let held = match rows {
        Rows::Go => hold(session, pass, &mine, work.fates, false).await?,
        Rows::GoAroundLocks => hold(session, pass, &mine, work.fates, true).await?,
        Rows::Stay(_) => Held::default(),
    };
    let slice = i64::from(pass.order.pass);
    let batch = stored::next_batch(session, pass.dialect, &pass.order.run.run_id, slice).await?;
    let mut proof = evidence.batch(BatchId { slice, batch });
    add_objects(&mine, work.fates, &held, &mut proof, &mut outcome)?;
    remove_rows(session, pass, &held, &mut proof, &mut outcome).await?;
    for intent in &mine {
        count_kept(pass, intent, work.fates, &held, rows, &mut outcome);
    }
    // The journal tells rows of one batch, target and client apart by the batch alone, so that
    // versions, markers and absent objects of one client get a batch each.
    let mut last = None;
    for group in std::mem::take(&mut proof.groups) {
        proof.groups.push(group);
        journal::insert(session, pass, &proof).await?;
        last = proof.groups.pop().map(|group| (proof.id, group));
        proof.id.batch += 1;
    }
    outcome.batches = 1;
    outcome.effects = effects::settle(session, pass).await?;
    Ok((outcome, last))
}

/// Drops the intents that can be ended, and leaves out those that another worker has ended.
async fn take<'f>(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    work: &Finish<'f>,
) -> Result<Vec<&'f Intent>, StoreError> {
    let mut mine = Vec::new();
    for intent in work
        .intents
        .iter()
        .filter(|intent| work.fates.are_known(intent))
    {
        let run_id = &pass.order.run.run_id;
        if stored::drop_intent(session, pass.dialect, run_id, intent.id).await? {
            mine.push(intent);
        }
    }
    Ok(mine)
}

/// The rows of the intents, locked and decided again.
#[derive(Default)]
pub(super) struct Held<'a> {
    /// Records that go, with the index of the purpose that ended last.
    rows: Vec<Row>,
    ended_by: Vec<usize>,
    /// What goes with them.
    found: Vec<Found<'a>>,
    /// Objects that the rows that go name.
    named: BTreeSet<Address>,
    /// What each due record names, also of those that stay.
    pub(super) names: HashMap<RecordKey, Names>,
    pub(super) going: BTreeSet<RecordKey>,
    /// Records that others have locked.
    pub(super) in_use: BTreeSet<RecordKey>,
}

async fn hold<'a>(
    session: &mut dyn SqlSession,
    pass: &Pass<'a>,
    mine: &[&Intent],
    fates: &RemovalResults,
    around_locks: bool,
) -> Result<Held<'a>, StoreError> {
    let keys: Vec<RecordKey> = mine.iter().map(|intent| intent.key.clone()).collect();
    let window = Window::Keys(keys);
    let rows = batch::lock_due(session, pass, &window, usize::MAX).await?;
    let rows = rows.rows;
    let mut held = Held::default();
    if rows.len() < mine.len() {
        let locked: BTreeSet<RecordKey> = rows.iter().map(|row| pass.key_of(row)).collect();
        let due = session.query(&find_window(pass, &window)).await?;
        let due = pass.keep(batch::adopt(pass, due))?;
        let due = due.iter().map(|row| pass.key_of(row));
        held.in_use = due.filter(|key| !locked.contains(key)).collect();
    }
    if !around_locks && !held.in_use.is_empty() {
        return Err(StoreError::Locked {
            doing: pass.doing("lock the rows of intents"),
        });
    }
    let ended_by = batch::decide(pass, &rows)?;
    let found = dependents::find_all(session, pass, &rows, Look::AllLocked).await?;
    let mentions = ObjectReferences::of(pass, &rows, &found)?;
    let names = mentions.by_record(rows.len());
    let going = going(session, pass, &mentions, &names, fates).await?;
    held.found = found.iter().map(|part| part.of_records(&going)).collect();
    for &record in &going {
        held.going.insert(pass.key_of(&rows[record]));
        held.named.extend(
            names[record]
                .iter()
                .flatten()
                .map(|(address, _)| address.clone()),
        );
        held.ended_by.push(ended_by[record]);
        held.rows.push(rows[record].clone());
    }
    held.names = rows.iter().map(|row| pass.key_of(row)).zip(names).collect();
    Ok(held)
}

/// The records whose objects are all gone, or stay because other rows name them too.
async fn going(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    mentions: &ObjectReferences,
    names: &[Names],
    fates: &RemovalResults,
) -> Result<Vec<usize>, StoreError> {
    let mut going = BTreeSet::new();
    let mut unintended = BTreeSet::new();
    for (record, names) in names.iter().enumerate() {
        let Ok(names) = names else {
            continue;
        };
        let stays = |address: &&Address| fates.of(address).is_some() && !fates.is_gone(address);
        if names.keys().any(|address| stays(&address)) {
            continue;
        }
        going.insert(record);
        unintended.extend(
            names
                .keys()
                .filter(|address| fates.of(address).is_none())
                .cloned(),
        );
    }
    let shared = named_by_staying_rows(session, pass, mentions, &going, &unintended).await?;
    let is_settled = |address: &Address| fates.is_gone(address) || shared.contains(address);
    Ok(going
        .into_iter()
        .filter(|&record| {
            names[record]
                .iter()
                .flatten()
                .all(|(address, _)| is_settled(address))
        })
        .collect())
}

/// Certifies what is gone of the objects, whatever becomes of the rows.
fn add_objects(
    mine: &[&Intent],
    fates: &RemovalResults,
    held: &Held<'_>,
    proof: &mut BatchEvidence<'_, '_>,
    outcome: &mut PassOutcome,
) -> Result<(), StoreError> {
    for intent in mine {
        for object in &intent.objects {
            let mut add = |action: Action, id: &str| {
                let key = Value::Text(object.address.key.as_str().to_owned());
                let key = [key, Value::Text(id.to_owned())];
                proof.add_part(
                    Part::Object(object.link),
                    action,
                    &intent.client,
                    &key,
                    &intent.subject,
                )
            };
            for part in &object.parts {
                if fates.is_part_gone(&object.address, part) {
                    add(action_of(part), part.id())?;
                }
            }
            // Absence is certified once, with the row that named the object.
            let is_absent = object.parts.is_empty() && fates.is_gone(&object.address);
            if is_absent && held.named.contains(&object.address) {
                add(Action::AlreadyAbsent, NO_VERSION)?;
                outcome.objects_absent += 1;
            }
        }
    }
    Ok(())
}

/// Removes the rows that go, exactly as a batch without objects does.
async fn remove_rows(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    held: &Held<'_>,
    proof: &mut BatchEvidence<'_, '_>,
    outcome: &mut PassOutcome,
) -> Result<(), StoreError> {
    if held.rows.is_empty() {
        return Ok(());
    }
    let others = dependents::remove_found(session, pass, &held.rows, &held.found, proof).await?;
    outcome.gone_with = others.gone;
    remove(session, pass, &held.rows).await?;
    let counts = proof.add_own(pass, &held.rows, &held.ended_by).await?;
    batch::all_are_announced(pass, counts.by_client.keys())?;
    outcome.disposed = u64::try_from(held.rows.len()).unwrap_or(u64::MAX);
    outcome.ended_by = counts.ended_by;
    outcome.by_client = counts.by_client;
    Ok(())
}
