//! Rows of other tables that go with a record, in its own transaction.

mod found;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;

use super::catalog::ColumnFacts;
use super::dialect::quote;
use super::dialect::table;
use super::evidence::BatchEvidence;
use super::evidence::Part;
use super::pass::Pass;
use super::pass::value_at;
use super::session::Row;
use super::session::SqlSession;
use super::session::Statement;
use super::text::missing;
use super::unlink::unlink;
use crate::domain::value::Value;
use crate::evidence::leaf::Action;
use crate::job::OnDispose;
use crate::job::Operation;
use crate::job::Reference;
use crate::store::error::StoreError;

pub(super) use found::Found;

/// Deletes and unlinks what names the records in `rows`; deepest rows first. Counts by table.
pub(crate) async fn remove(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    rows: &[Row],
    proof: &mut BatchEvidence<'_, '_>,
) -> Result<BTreeMap<String, u64>, StoreError> {
    let found = find_all(session, pass, rows, true).await?;
    remove_found(session, pass, rows, &found, proof).await
}

/// Finds the rows that go with the records in `rows`, and locks them if asked to; parents first.
pub(super) async fn find_all<'a>(
    session: &mut dyn SqlSession,
    pass: &Pass<'a>,
    rows: &[Row],
    lock: bool,
) -> Result<Vec<Found<'a>>, StoreError> {
    let of_stage = |reference: &Reference| reference.stages.contains(&pass.stage().name);
    find_those(session, pass, rows, &of_stage, lock).await
}

/// Finds the rows that go with the records in `rows` in any stage of the job; locks nothing.
pub(super) async fn find_everything<'a>(
    session: &mut dyn SqlSession,
    pass: &Pass<'a>,
    rows: &[Row],
) -> Result<Vec<Found<'a>>, StoreError> {
    find_those(session, pass, rows, &|_| true, false).await
}

async fn find_those<'a>(
    session: &mut dyn SqlSession,
    pass: &Pass<'a>,
    rows: &[Row],
    wanted: &(dyn Fn(&Reference) -> bool + Sync),
    lock: bool,
) -> Result<Vec<Found<'a>>, StoreError> {
    let mut found: Vec<Found<'_>> = Vec::new();
    for (index, reference) in super::evidence::gone_with(pass.job()).enumerate() {
        if !wanted(reference) {
            continue;
        }
        let next = find(session, pass, rows, &found, reference, index, lock).await?;
        found.push(next);
    }
    Ok(found)
}

/// Deletes what was found, deepest rows first, and leaves the records themselves. Counts by table.
pub(super) async fn remove_alone(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    rows: &[Row],
    found: &[Found<'_>],
    proof: &mut BatchEvidence<'_, '_>,
) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut counts = BTreeMap::new();
    for part in found.iter().rev() {
        delete(session, pass, part).await?;
        certify(pass, rows, part, proof)?;
        if !part.rows.is_empty() {
            let records = u64::try_from(part.rows.len()).unwrap_or(u64::MAX);
            *counts.entry(part.reference.table.to_string()).or_default() += records;
        }
    }
    Ok(counts)
}

/// Deletes what was found for `rows` and unlinks what names them; deepest rows first. Counts by
/// table.
pub(super) async fn remove_found(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    rows: &[Row],
    found: &[Found<'_>],
    proof: &mut BatchEvidence<'_, '_>,
) -> Result<BTreeMap<String, u64>, StoreError> {
    unlink(session, pass, rows).await?;
    remove_alone(session, pass, rows, found, proof).await
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

/// Every column of a goes-with table that somebody needs: its key, what it is matched on, what
/// rows of further tables name, keys of objects.
fn needed<'a>(
    pass: &Pass<'a>,
    reference: &'a Reference,
) -> Result<Vec<&'a ColumnFacts>, StoreError> {
    let mut names: Vec<&str> = key_columns(reference).iter().map(String::as_str).collect();
    names.extend(reference.on.iter().map(|pair| pair.theirs.as_str()));
    for child in &pass.job().references {
        if child.of.as_ref() == Some(&reference.table) {
            names.extend(child.on.iter().map(|pair| pair.ours.column.as_str()));
        }
    }
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

/// The values that rows of `reference` may name, each with the record it leads to.
pub(super) fn named_values(
    pass: &Pass<'_>,
    rows: &[Row],
    found: &[Found<'_>],
    reference: &Reference,
) -> Result<HashMap<Vec<Value>, usize>, StoreError> {
    let mut values = HashMap::new();
    let Some(parent) = &reference.of else {
        let at: Vec<usize> = reference
            .on
            .iter()
            .filter_map(|pair| pass.selected(&pair.ours.column))
            .collect();
        for (owner, row) in rows.iter().enumerate() {
            values.insert(at.iter().map(|&at| value_at(row, at)).collect(), owner);
        }
        return Ok(values);
    };
    let Some(parent) = found.iter().find(|part| &part.reference.table == parent) else {
        return Ok(values);
    };
    let mut at = Vec::new();
    for pair in &reference.on {
        let position = parent
            .columns
            .iter()
            .position(|column| column.name == pair.ours.column);
        at.push(
            position
                .ok_or_else(|| missing(&parent.reference.table.to_string(), &pair.ours.column))?,
        );
    }
    for (row, owner) in parent.rows.iter().zip(&parent.owners) {
        values.insert(at.iter().map(|&at| value_at(row, at)).collect(), *owner);
    }
    Ok(values)
}

/// Finds the rows of `reference` that name one of the records, and locks them if asked to.
async fn find<'a>(
    session: &mut dyn SqlSession,
    pass: &Pass<'a>,
    rows: &[Row],
    found: &[Found<'a>],
    reference: &'a Reference,
    index: usize,
    lock: bool,
) -> Result<Found<'a>, StoreError> {
    let columns = needed(pass, reference)?;
    let values = named_values(pass, rows, found, reference)?;
    let mut part = Found {
        reference,
        index,
        columns,
        rows: Vec::new(),
        owners: Vec::new(),
    };
    if values.is_empty() {
        return Ok(part);
    }
    let statement = find_statement(pass, &part, &values, lock)?;
    let width = key_columns(reference).len();
    let on: Vec<usize> = reference
        .on
        .iter()
        .filter_map(|pair| {
            part.columns
                .iter()
                .position(|column| column.name == pair.theirs)
        })
        .collect();
    let known = rows_known(found, reference);
    for row in session.query(&statement).await? {
        let row: Row = row
            .into_iter()
            .zip(&part.columns)
            .map(|(value, column)| pass.dialect.adopt(value, column))
            .collect();
        if known.contains(&row[..width]) {
            continue;
        }
        let named: Vec<Value> = on.iter().map(|&at| value_at(&row, at)).collect();
        let owner = values.get(&named).copied().ok_or_else(|| {
            StoreError::Unusable(format!(
                "a row of `{}` names a record in another spelling than the record's own key",
                reference.table
            ))
        })?;
        part.owners.push(owner);
        part.rows.push(row);
    }
    Ok(part)
}

/// The keys of rows of the same table that an earlier reference has led to: they go only once.
fn rows_known<'r>(found: &'r [Found<'_>], reference: &Reference) -> HashSet<&'r [Value]> {
    let width = key_columns(reference).len();
    found
        .iter()
        .filter(|part| part.reference.table == reference.table)
        .flat_map(|part| part.rows.iter().map(|row| &row[..width]))
        .collect()
}

fn find_statement(
    pass: &Pass<'_>,
    part: &Found<'_>,
    values: &HashMap<Vec<Value>, usize>,
    lock: bool,
) -> Result<Statement, StoreError> {
    let reference = part.reference;
    let named = reference
        .on
        .iter()
        .map(|pair| facts(pass, reference, &pair.theirs))
        .collect::<Result<Vec<_>, _>>()?;
    let list: Vec<String> = part
        .columns
        .iter()
        .map(|column| {
            pass.dialect
                .readable(&format!("t.{}", quote(&column.name)), column)
        })
        .collect();
    let rows: Vec<&[Value]> = values.keys().map(Vec::as_slice).collect();
    let lock = if lock {
        pass.dialect.lock_child_rows()
    } else {
        ""
    };
    let sql = format!(
        "select {} from {} as t where {}{lock}",
        list.join(", "),
        table(&reference.table),
        naming(pass, &named)
    );
    Ok(Statement::new(
        pass.doing(&format!(
            "find rows of `{}` that go with a batch",
            reference.table
        )),
        sql,
        pass.dialect.row_args(&named, &rows),
    ))
}

/// `(t.a, t.b) in (select c0, c1 from …)`
pub(super) fn naming(pass: &Pass<'_>, columns: &[&ColumnFacts]) -> String {
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
        pass.dialect.rows("u", columns, 1)
    )
}

async fn delete(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    part: &Found<'_>,
) -> Result<(), StoreError> {
    if part.rows.is_empty() {
        return Ok(());
    }
    let width = key_columns(part.reference).len();
    let key = &part.columns[..width];
    let rows: Vec<&[Value]> = part.rows.iter().map(|row| &row[..width]).collect();
    let sql = format!(
        "delete from {} as t where {}",
        table(&part.reference.table),
        naming(pass, key)
    );
    let doing = pass.doing(&format!(
        "delete rows of `{}` with a batch",
        part.reference.table
    ));
    let statement = Statement::new(doing, sql, pass.dialect.row_args(key, &rows))
        .writing(table(&part.reference.table), Operation::Delete);
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
    let width = key_columns(part.reference).len();
    for (row, owner) in part.rows.iter().zip(&part.owners) {
        let record = &records[*owner];
        proof.add_part(
            Part::GoesWith(part.index),
            Action::RowDeleted,
            &pass.client_of(record),
            &row[..width],
            &record[pass.selection.subject],
        )?;
    }
    Ok(())
}
