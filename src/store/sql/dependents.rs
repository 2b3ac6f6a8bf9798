//! Rows of other tables that go with a record, in its own transaction.
//!
//! Which row belongs to which record only the database can tell: by its own equality, with its
//! collations, scales and paddings. So it joins the rows with the records and says the number of the
//! record with each.

mod found;
mod share;
mod show;

use std::collections::{BTreeMap, HashSet};

use kigen_evidence::leaf::Action;
use kigen_evidence::value::Value;

use super::catalog::ColumnFacts;
use super::evidence::{BatchEvidence, Part};
use super::pass::Pass;
use super::rule_sql::missing;
use super::unlink::unlink;
use crate::database::dialect::quote;
use crate::database::session::{Row, SqlSession, collect};
use crate::database::statement::{Statement, Values};
use crate::job::{OnDispose, Operation, Reference, TableName};
use crate::store::RemovedTable;
use crate::store::error::StoreError;

pub(super) use found::Found;
pub(super) use share::{Share, share};
pub(super) use show::{count, is_any_there, show};

/// How rows are looked for.
#[derive(Clone, Copy)]
pub(super) enum Look {
    /// Locks them; reads little more than this many of each table, and no more bytes than these.
    Locked { most: usize, bytes: usize },
    /// Locks all of them.
    AllLocked,
    /// Reads all of them.
    All,
}

/// Finds the rows that go with the records in `rows` in the stage of the pass; parents first.
pub(super) async fn find_all<'a>(
    session: &mut dyn SqlSession,
    pass: &Pass<'a>,
    rows: &[Row],
    look: Look,
) -> Result<Vec<Found<'a>>, StoreError> {
    let mut found: Vec<Found<'_>> = Vec::new();
    for (index, reference) in super::evidence::gone_with(pass.job()).enumerate() {
        if !reference.stages.contains(&pass.stage().name) {
            continue;
        }
        let next = find(session, pass, rows, &found, (index, reference), look).await?;
        found.push(next);
    }
    Ok(found)
}

/// The most that databases take as a limit, and more than any memory does.
const MOST_ROWS: usize = 1 << 31;

/// What a batch did to other tables, by table.
#[derive(Debug, Default)]
pub(super) struct Others {
    pub gone: BTreeMap<String, u64>,
    pub unlinked: BTreeMap<String, u64>,
}

/// Deletes what was found, deepest rows first, and leaves the records themselves. Unlinks what names
/// the rows that go.
pub(super) async fn remove_alone(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    rows: &[Row],
    found: &[Found<'_>],
    proof: &mut BatchEvidence<'_, '_>,
) -> Result<Others, StoreError> {
    let mut others = Others::default();
    for part in found.iter().rev().filter(|part| !part.rows.is_empty()) {
        let parents = Parents::of_part(part);
        unlink(session, pass, &parents, &mut others.unlinked).await?;
        delete(session, pass, part).await?;
        certify(pass, rows, part, proof)?;
        let records = u64::try_from(part.rows.len()).unwrap_or(u64::MAX);
        *others
            .gone
            .entry(part.reference.table.to_string())
            .or_default() += records;
    }
    Ok(others)
}

/// Deletes what was found for `rows`, deepest rows first, then unlinks what else names them.
pub(super) async fn remove_found(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    rows: &[Row],
    found: &[Found<'_>],
    proof: &mut BatchEvidence<'_, '_>,
) -> Result<Others, StoreError> {
    let mut others = remove_alone(session, pass, rows, found, proof).await?;
    let parents = Parents::own(pass, rows);
    unlink(session, pass, &parents, &mut others.unlinked).await?;
    Ok(others)
}

fn key_columns(reference: &Reference) -> &[String] {
    match &reference.on_dispose {
        OnDispose::GoesWith { key, .. } => key,
        OnDispose::Unlink | OnDispose::Blocks => &[],
    }
}

pub(super) fn facts<'a>(
    pass: &Pass<'a>,
    reference: &Reference,
    column: &str,
) -> Result<&'a ColumnFacts, StoreError> {
    pass.tables
        .column(&reference.table, column)
        .ok_or_else(|| missing(&reference.table.to_string(), column))
}

/// Every column of a goes-with table that somebody needs: its key, and keys of objects.
fn needed<'a>(
    pass: &Pass<'a>,
    reference: &'a Reference,
) -> Result<Vec<&'a ColumnFacts>, StoreError> {
    let mut names: Vec<&str> = key_columns(reference).iter().map(String::as_str).collect();
    let links = pass.job().objects.iter();
    let links = links.filter(|link| link.table.as_ref() == Some(&reference.table));
    names.extend(links.map(|link| link.key_column.as_str()));
    let mut columns: Vec<&ColumnFacts> = Vec::new();
    for name in names {
        if !columns.iter().any(|column| column.name == name) {
            columns.push(facts(pass, reference, name)?);
        }
    }
    Ok(columns)
}

/// Rows that other rows may name, by their keys.
pub(super) struct Parents<'r, 'a> {
    /// The goes-with table, as the job writes it; none for the cluster's own.
    pub of: Option<&'r TableName>,
    table: &'r TableName,
    columns: &'r [&'a ColumnFacts],
    keys: Vec<&'r [Value]>,
    /// For each of them, the index of its record in the batch.
    owners: Vec<usize>,
}

impl<'r, 'a> Parents<'r, 'a> {
    /// The records of the batch. The key's columns stand first in the select list.
    fn own(pass: &'r Pass<'a>, rows: &'r [Row]) -> Self {
        let width = pass.key_columns.len();
        Self {
            of: None,
            table: &pass.job().table,
            columns: &pass.key_columns,
            keys: rows.iter().map(|row| &row[..width]).collect(),
            owners: (0..rows.len()).collect(),
        }
    }

    fn of_part(part: &'r Found<'a>) -> Self {
        let width = key_columns(part.reference).len();
        Self {
            of: Some(&part.reference.table),
            table: &part.reference.table,
            columns: &part.columns[..width],
            keys: part.keys().collect(),
            owners: part.owners.clone(),
        }
    }

    /// Those whose rows `reference` names: of several parts, if more than one reference leads there.
    fn of_reference(
        pass: &'r Pass<'a>,
        rows: &'r [Row],
        found: &'r [Found<'a>],
        reference: &Reference,
    ) -> Option<Self> {
        let Some(named) = &reference.of else {
            return Some(Self::own(pass, rows));
        };
        let mut parents: Option<Self> = None;
        for part in found.iter().filter(|part| part.reference.table == *named) {
            let Some(parents) = &mut parents else {
                parents = Some(Self::of_part(part));
                continue;
            };
            parents.keys.extend(part.keys());
            parents.owners.extend(&part.owners);
        }
        parents
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// `<rows> as u, parent as p`
    pub(super) fn from(&self, pass: &Pass<'_>, values: &mut Values) -> String {
        format!(
            "{}, {} as p",
            pass.dialect.rows("u", self.columns, &self.keys, values),
            pass.tables.sql(self.table)
        )
    }

    /// That `p` is a parent.
    fn is_parent(&self) -> String {
        let key = self.columns.iter().enumerate();
        let key = key.map(|(index, column)| format!("p.{} = u.c{index}", quote(&column.name)));
        key.collect::<Vec<_>>().join(" and ")
    }

    /// That `p` is a parent and `t` names it.
    pub(super) fn named_by(&self, reference: &Reference) -> String {
        let on = reference.on.iter().map(|pair| {
            let (theirs, ours) = (quote(&pair.theirs), quote(&pair.ours.column));
            // SQLite compares by the collation of what stands first; so do its foreign keys.
            format!("p.{ours} = t.{theirs}")
        });
        let on: Vec<String> = std::iter::once(self.is_parent()).chain(on).collect();
        on.join(" and ")
    }
}

/// Finds the rows of `reference` that name one of the records, or of the rows found before.
async fn find<'a>(
    session: &mut dyn SqlSession,
    pass: &Pass<'a>,
    rows: &[Row],
    found: &[Found<'a>],
    (index, reference): (usize, &'a Reference),
    look: Look,
) -> Result<Found<'a>, StoreError> {
    let mut part = Found {
        reference,
        index,
        columns: needed(pass, reference)?,
        rows: Vec::new(),
        owners: Vec::new(),
        is_whole: true,
    };
    let parents = Parents::of_reference(pass, rows, found, reference);
    let Some(parents) = parents.filter(|parents| !parents.is_empty()) else {
        return Ok(part);
    };
    let statement = find_statement(pass, &part, &parents, look);
    let bytes = match look {
        Look::Locked { bytes, .. } => bytes,
        Look::AllLocked | Look::All => usize::MAX,
    };
    let rows = collect(session, &statement, bytes).await?;
    if let Look::Locked { most, .. } = look {
        part.is_whole = rows.len() <= most;
    }
    let mut known = keys_known(found, reference);
    let width = key_columns(reference).len();
    for mut row in rows {
        let number = row.pop();
        let owner = number.and_then(|number| parents.owner(&number));
        let owner = owner.ok_or_else(|| {
            StoreError::Unusable(format!("a row of `{}` has no record", reference.table))
        })?;
        let row: Row = row
            .into_iter()
            .zip(&part.columns)
            .map(|(value, column)| pass.dialect.adopt(value, column))
            .collect();
        if known.insert(row[..width].to_vec()) {
            part.owners.push(owner);
            part.rows.push(row);
        }
    }
    Ok(part)
}

impl Parents<'_, '_> {
    /// Whose row has this number, counted from 1.
    fn owner(&self, number: &Value) -> Option<usize> {
        let Value::Int(number) = number else {
            return None;
        };
        let at = usize::try_from(*number).ok()?.checked_sub(1)?;
        self.owners.get(at).copied()
    }
}

/// The keys of rows of the same table that an earlier reference has led to: they go only once.
fn keys_known(found: &[Found<'_>], reference: &Reference) -> HashSet<Vec<Value>> {
    found
        .iter()
        .filter(|part| part.reference.table == reference.table)
        .flat_map(|part| part.keys().map(<[Value]>::to_vec))
        .collect()
}

fn find_statement(
    pass: &Pass<'_>,
    part: &Found<'_>,
    parents: &Parents<'_, '_>,
    look: Look,
) -> Statement {
    let reference = part.reference;
    let list = part.columns.iter();
    let list = list.map(|column| {
        pass.dialect
            .readable(&format!("t.{}", quote(&column.name)), column)
    });
    let list: Vec<String> = list.chain(["u.o".to_owned()]).collect();
    let (limit, lock) = match look {
        Look::Locked { most, .. } => (
            // One more says that there are more.
            format!(" limit {}", most.saturating_add(1).min(MOST_ROWS)),
            pass.dialect.lock_child_rows(),
        ),
        Look::AllLocked => (String::new(), pass.dialect.lock_child_rows()),
        Look::All => (String::new(), ""),
    };
    let mut values = Values::default();
    let sql = format!(
        "select {} from {}, {} as t where {}{limit}{lock}",
        list.join(", "),
        parents.from(pass, &mut values),
        pass.tables.sql(&reference.table),
        parents.named_by(reference)
    );
    let doing = format!("find rows of `{}` that go with a batch", reference.table);
    Statement::new(pass.doing(&doing), sql, values)
}

/// `(t.a, t.b) in (select c0, c1 from …)`
fn naming(
    pass: &Pass<'_>,
    columns: &[&ColumnFacts],
    rows: &[&[Value]],
    values: &mut Values,
) -> String {
    let own: Vec<String> = columns
        .iter()
        .map(|column| format!("t.{}", quote(&column.name)))
        .collect();
    let names: Vec<String> = (0..columns.len())
        .map(|index| format!("c{index}"))
        .collect();
    format!(
        "({}) in (select {} from {})",
        own.join(", "),
        names.join(", "),
        pass.dialect.rows("u", columns, rows, values)
    )
}

async fn delete(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    part: &Found<'_>,
) -> Result<(), StoreError> {
    let width = key_columns(part.reference).len();
    let key = &part.columns[..width];
    let rows: Vec<&[Value]> = part.keys().collect();
    let mut values = Values::default();
    let sql = format!(
        "delete from {} as t where {}",
        pass.tables.sql(&part.reference.table),
        naming(pass, key, &rows, &mut values)
    );
    let doing = pass.doing(&format!(
        "delete rows of `{}` with a batch",
        part.reference.table
    ));
    let statement = Statement::new(doing, sql, values)
        .writing(pass.tables.sql(&part.reference.table), Operation::Delete);
    let deleted = session.execute(&statement).await?;
    let asked = u64::try_from(part.rows.len()).unwrap_or(u64::MAX);
    if deleted == asked {
        return Ok(());
    }
    Err(StoreError::Vetoed {
        table: part.reference.table.to_string(),
        asked,
        kept: asked.abs_diff(deleted),
    })
}

fn certify(
    pass: &Pass<'_>,
    records: &[Row],
    part: &Found<'_>,
    proof: &mut BatchEvidence<'_, '_>,
) -> Result<(), StoreError> {
    let table = RemovedTable::GoesWith(part.index);
    proof.removed.add(table, part.keys());
    for (key, owner) in part.keys().zip(&part.owners) {
        let record = &records[*owner];
        proof.add_part(
            Part::GoesWith(part.index),
            Action::RowDeleted,
            &pass.client_of(record),
            key,
            &record[pass.selection.subject],
        )?;
    }
    Ok(())
}
