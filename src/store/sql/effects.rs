//! Effect accounting: in each transaction that removes something, what the database itself counts as
//! inserted, updated and deleted, table by table, is what kigen's own statements have changed.
//!
//! This guard knows no list of features. A cascade, a trigger, a rule, a row in a child table, a policy
//! that hid a row: whatever changes more, or less, than the statements say rolls the batch back, unless
//! the job declares it. The engines count; see `database::changes`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::dialect::table;
use super::pass::Pass;
use crate::database::changes::{Counted, Tally};
use crate::database::session::{Access, SqlSession};
use crate::guard::{self, Guard};
use crate::job::{Effect, Operation};
use crate::store::error::StoreError;

/// Begins a transaction whose effects are accounted for.
pub(crate) async fn begin(session: &mut dyn SqlSession) -> Result<(), StoreError> {
    session.begin(Access::Write).await?;
    *session.tally() = Tally::default();
    if !guard::stands(Guard::EffectsAreCounted) {
        return Ok(());
    }
    let started = session.start_counting().await;
    if started.is_err() {
        // If even this fails, the transaction ends with its connection; the cause comes first.
        match session.rollback().await {
            Ok(()) | Err(_) => {}
        }
    }
    Ok(started?)
}

/// Compares, right before the commit. Returns the declared effects with their rows, by
/// [`Effect::key`]; anything else is an error.
pub(crate) async fn settle(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
) -> Result<BTreeMap<String, u64>, StoreError> {
    if !guard::stands(Guard::EffectsAreCounted) {
        return Ok(BTreeMap::new());
    }
    let declared = &pass.job().effects;
    let mut accounts = Accounts::new(session.tally(), declared);
    for counted in session.counted(&accounts.names).await? {
        accounts.compare(&counted, declared);
    }
    accounts.close(&pass.job().cluster)
}

struct Accounts {
    /// Every table that statements or declarations name.
    names: Vec<Arc<str>>,
    /// What statements have changed, by the place of the table's name; what is left was not counted.
    stated: BTreeMap<(usize, Operation), u64>,
    declared: BTreeMap<String, u64>,
    /// What nobody accounts for, in words.
    open: Vec<String>,
}

impl Accounts {
    fn new(tally: &Tally, declared: &[Effect]) -> Self {
        let stated = tally.iter().map(|(writes, _)| Arc::clone(&writes.table));
        let effects = declared.iter().map(|effect| table(&effect.table).into());
        let names: BTreeSet<Arc<str>> = stated.chain(effects).collect();
        let names: Vec<Arc<str>> = names.into_iter().collect();
        let mut stated = BTreeMap::new();
        for (writes, rows) in tally.iter() {
            if let Ok(place) = names.binary_search(&writes.table) {
                stated.insert((place, writes.operation), rows);
            }
        }
        Self {
            names,
            stated,
            declared: BTreeMap::new(),
            open: Vec::new(),
        }
    }

    fn compare(&mut self, counted: &Counted, declared: &[Effect]) {
        let Some(operation) = counted.operation else {
            self.open.push(format!(
                "`{}`: {} rows changed",
                counted.table, counted.rows
            ));
            return;
        };
        let stated = counted.names.iter();
        let stated = stated.filter_map(|place| self.stated.remove(&(*place, operation)));
        let stated: u64 = stated.sum();
        if stated == counted.rows {
            return;
        }
        let is_this = |effect: &&Effect| {
            let name: Arc<str> = table(&effect.table).into();
            let place = self.names.binary_search(&name);
            effect.operation == operation && place.is_ok_and(|place| counted.names.contains(&place))
        };
        if let Some(effect) = declared.iter().find(is_this)
            && counted.rows > stated
        {
            self.declared.insert(effect.key(), counted.rows - stated);
            return;
        }
        self.open
            .push(difference(&counted.table, operation, counted.rows, stated));
    }

    fn close(mut self, cluster: &str) -> Result<BTreeMap<String, u64>, StoreError> {
        for ((place, operation), rows) in &self.stated {
            let name = &self.names[*place];
            let name = name.replace('"', "");
            self.open.push(difference(&name, *operation, 0, *rows));
        }
        if self.open.is_empty() {
            return Ok(self.declared);
        }
        Err(StoreError::Unaccounted {
            cluster: cluster.to_owned(),
            effects: self.open.join("; "),
        })
    }
}

fn difference(table: &str, operation: Operation, counted: u64, stated: u64) -> String {
    let done = operation.done();
    if stated == 0 {
        return format!("`{table}`: {counted} rows {done}");
    }
    format!("`{table}`: {counted} rows {done}, {stated} by kigen")
}
