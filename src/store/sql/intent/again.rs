//! Decides again about intents that were left open: an intent is no licence to remove.
//!
//! Since it was stored its record may have got another date, a row that blocks it, another object, or
//! company: another row that names the same object.

use std::collections::{BTreeMap, BTreeSet};

use kigen_evidence::value::RecordKey;

use super::{Address, Intent, ObjectReferences, Retry, named_by_staying_rows};
use crate::database::session::{Access, SqlSession};
use crate::guard::{self, Guard};
use crate::store::error::StoreError;
use crate::store::sql::batch;
use crate::store::sql::batch_range::{Window, find_window};
use crate::store::sql::dependents::{self, Look};
use crate::store::sql::pass::Pass;

/// Those of `intents` that may be finished: each record is due under its lock, by the present job, and
/// everything that its intent names is still its own. The others stay open, to be released.
pub(in crate::store::sql) async fn decide_again(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    intents: Vec<Intent>,
) -> Result<Vec<Intent>, StoreError> {
    if intents.is_empty() || !guard::stands(Guard::IntentsDecidedAgain) {
        return Ok(intents);
    }
    let mut patience = Retry::new();
    let standing = loop {
        session.begin(Access::Write).await?;
        let decided = standing(session, pass, &intents, patience.is_last()).await;
        // Nothing was written; the locks are given back.
        let ended = session.rollback().await.map_err(StoreError::from);
        match decided.and_then(|standing| ended.map(|()| standing)) {
            Ok(standing) => break standing,
            Err(error) => patience.wait_after(error).await?,
        }
    };
    let mut intents = intents;
    intents.retain(|intent| standing.contains(&intent.id));
    Ok(intents)
}

/// The numbers of the intents that stand.
async fn standing(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    intents: &[Intent],
    around_locks: bool,
) -> Result<BTreeSet<i64>, StoreError> {
    let keys = intents.iter().map(|intent| intent.key.clone()).collect();
    let window = Window::Keys(keys);
    let rows = batch::lock_and_read(session, pass, &window, usize::MAX).await?;
    let rows = rows.rows;
    let due = session.query(&find_window(pass, &window)).await?;
    if rows.len() < due.len() && !around_locks {
        return Err(StoreError::Locked {
            doing: pass.doing("decide again about the intents"),
        });
    }
    let rows = pass.keep(rows)?;
    batch::decide(pass, &rows)?;
    let found = dependents::find_all(session, pass, &rows, Look::AllLocked).await?;
    let mentions = ObjectReferences::of(pass, &rows, &found)?;
    let names = mentions.by_record(rows.len());
    let places: BTreeMap<RecordKey, usize> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| (pass.key_of(row), place))
        .collect();
    let is_named = |record: usize, address: &Address| match &names[record] {
        Ok(names) => names.contains_key(address),
        Err(_) => false,
    };
    let mut standing: BTreeMap<i64, (usize, &Intent)> = BTreeMap::new();
    for intent in intents {
        let record = places.get(&intent.key).copied();
        let record = record.filter(|&record| {
            let mut objects = intent.objects.iter();
            objects.all(|object| is_named(record, &object.address))
        });
        if let Some(record) = record {
            standing.insert(intent.id, (record, intent));
        }
    }
    // An intent that does not stand leaves its row, which may name an object of one that does.
    loop {
        let going = standing.values().map(|(record, _)| *record).collect();
        let objects = standing.values().flat_map(|(_, intent)| &intent.objects);
        let addresses = objects.map(|object| object.address.clone()).collect();
        let shared = named_by_staying_rows(session, pass, &mentions, &going, &addresses).await?;
        let before = standing.len();
        standing.retain(|_, (_, intent)| {
            let mut objects = intent.objects.iter();
            objects.all(|object| !shared.contains(&object.address))
        });
        if standing.len() == before {
            return Ok(standing.into_keys().collect());
        }
    }
}
