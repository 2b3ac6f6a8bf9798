//! Keys that go through kigen: read, and handed back to the database, which must find the same rows.
//!
//! A batch names its rows by their keys. A type that the database takes back in no array, or a value that
//! is another one once it was written as text, would leave its record due every night.

use kigen_evidence::value::Value;

use super::Ground;
use crate::database::dialect::quote;
use crate::database::session::{Access, Row, SqlSession};
use crate::database::statement::{Statement, Values};
use crate::guard::{self, Guard};
use crate::job::{OnDispose, Reference, TableName};
use crate::store::Fit;
use crate::store::error::StoreError;
use crate::store::sql::catalog::ColumnFacts;

/// Rows of each end of a key's order that are tried: what is odd lies there (infinities, other classes).
const SAMPLE: usize = 50;

/// Tries every key of the job, and every pair of columns by which it matches rows.
pub(crate) async fn try_keys(
    session: &mut dyn SqlSession,
    ground: &Ground<'_>,
    fit: &mut Fit,
) -> Result<(), StoreError> {
    if !guard::stands(Guard::KeysAreFoundAgain) {
        return Ok(());
    }
    let mut keys: Vec<(&TableName, &[String])> = vec![(&ground.job.table, &ground.job.key)];
    for reference in &ground.job.references {
        if let OnDispose::GoesWith { key, .. } = &reference.on_dispose
            && !keys.contains(&(&reference.table, key))
        {
            keys.push((&reference.table, key));
        }
    }
    for (table, key) in keys {
        let problem = try_key(session, ground, table, key).await?;
        fit.problems.extend(problem);
    }
    for reference in &ground.job.references {
        let problem = try_match(session, ground, reference).await?;
        fit.problems.extend(problem);
    }
    Ok(())
}

/// What keeps rows of `table` from being named by their keys.
async fn try_key(
    session: &mut dyn SqlSession,
    ground: &Ground<'_>,
    table: &TableName,
    key: &[String],
) -> Result<Option<String>, StoreError> {
    let columns = key.iter();
    let columns: Option<Vec<&ColumnFacts>> = columns
        .map(|column| ground.tables.column(table, column))
        .collect();
    let Some(columns) = columns else {
        return Ok(None);
    };
    for direction in ["", " desc"] {
        let (read, found) = match find_again(session, ground, table, &columns, direction).await {
            Ok(counts) => counts,
            Err(error @ (StoreError::Failed { .. } | StoreError::Unfit { .. })) => {
                return Ok(Some(format!(
                    "key {} of `{table}`: {error}\nhint: kigen cannot name rows by a key of such a type; name another unique key",
                    typed(&columns)
                )));
            }
            // A right that is missing is told as such.
            Err(StoreError::NotPermitted { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if read != found {
            return Ok(Some(format!(
                "key {} of `{table}`: of {read} rows that were read, {found} are found again by their keys\nhint: look at the first and the last values of the key: they are not of its column's type, or have no exact text form; mend them, or name another unique key",
                typed(&columns)
            )));
        }
    }
    Ok(None)
}

/// How many rows were read from one end of the key's order, and how many of them their keys find.
async fn find_again(
    session: &mut dyn SqlSession,
    ground: &Ground<'_>,
    table: &TableName,
    columns: &[&ColumnFacts],
    direction: &str,
) -> Result<(usize, usize), StoreError> {
    let dialect = ground.dialect;
    let names: Vec<String> = columns
        .iter()
        .map(|column| format!("t.{}", quote(&column.name)))
        .collect();
    let all = |each: &dyn Fn(&String) -> String, between: &str| {
        let parts: Vec<String> = names.iter().map(each).collect();
        parts.join(between)
    };
    let list = names.iter().zip(columns);
    let list: Vec<String> = list
        .map(|(name, column)| dialect.readable(name, column))
        .collect();
    let from = format!("{} as t", ground.tables.sql(table));
    let sample = format!(
        "select {} from {from} where {} order by {} limit {SAMPLE}",
        list.join(", "),
        all(&|name| format!("{name} is not null"), " and "),
        all(&|name| format!("{name}{direction}"), ", ")
    );
    let doing = format!("find rows of `{table}` by their keys");
    session.begin(Access::Read).await?;
    let rows = session
        .query(&Statement::plain(doing.clone(), sample))
        .await;
    let found = match &rows {
        Ok(rows) => {
            let keys: Vec<Row> = rows.iter().map(|row| adopt(ground, columns, row)).collect();
            let keys: Vec<&[Value]> = keys.iter().map(Vec::as_slice).collect();
            let given: Vec<String> = (0..columns.len()).map(|at| format!("u.c{at}")).collect();
            let mut values = Values::default();
            let sql = format!(
                "select 1 from {from} where ({}) in (select {} from {})",
                names.join(", "),
                given.join(", "),
                dialect.rows("u", columns, &keys, &mut values)
            );
            session.query(&Statement::new(doing, sql, values)).await
        }
        Err(_) => Ok(Vec::new()),
    };
    session.rollback().await?;
    Ok((rows?.len(), found?.len()))
}

fn adopt(ground: &Ground<'_>, columns: &[&ColumnFacts], row: &Row) -> Row {
    let values = row.iter().zip(columns);
    values
        .map(|(value, column)| ground.dialect.adopt(value.clone(), column))
        .collect()
}

/// What keeps rows of a reference from being matched with what they name.
async fn try_match(
    session: &mut dyn SqlSession,
    ground: &Ground<'_>,
    reference: &Reference,
) -> Result<Option<String>, StoreError> {
    let parent = reference.of.as_ref().unwrap_or(&ground.job.table);
    let rows_of = |table, columns: Vec<&String>| {
        let columns: Vec<String> = columns.into_iter().map(|column| quote(column)).collect();
        let list = columns.join(", ");
        format!(
            "(select {list} from {} limit {SAMPLE})",
            ground.tables.sql(table)
        )
    };
    let theirs = reference.on.iter().map(|pair| &pair.theirs);
    let mut ours: Vec<&String> = reference.on.iter().map(|pair| &pair.ours.column).collect();
    ours.sort();
    ours.dedup();
    let on = reference.on.iter();
    let on: Vec<String> = on
        .map(|pair| format!("p.{} = t.{}", quote(&pair.ours.column), quote(&pair.theirs)))
        .collect();
    let sql = format!(
        "select count(*) from {} as t, {} as p where {}",
        rows_of(&reference.table, theirs.collect()),
        rows_of(parent, ours),
        on.join(" and ")
    );
    let doing = format!("match rows of `{}` with `{parent}`", reference.table);
    session.begin(Access::Read).await?;
    let matched = session.query(&Statement::plain(doing, sql)).await;
    session.rollback().await?;
    match matched.map_err(StoreError::from) {
        // A right that is missing is told as such.
        Ok(_) | Err(StoreError::NotPermitted { .. }) => Ok(None),
        Err(error @ StoreError::Failed { .. }) => Ok(Some(format!(
            "reference `{}`: {error}\nhint: the database cannot compare these columns; match rows by others",
            reference.table
        ))),
        Err(error) => Err(error),
    }
}

/// `(a integer, b text)`.
fn typed(columns: &[&ColumnFacts]) -> String {
    let columns = columns.iter();
    let columns: Vec<String> = columns
        .map(|column| format!("`{}` {}", column.name, column.type_name))
        .collect();
    format!("({})", columns.join(", "))
}
