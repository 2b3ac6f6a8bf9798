//! What only the rows themselves tell: asked where everything else fits.

use std::collections::BTreeMap;

use super::Ground;
use super::tokens::tokens_in_use;
use crate::database::dialect::{literal, quote};
use crate::database::session::SqlSession;
use crate::database::statement::Statement;
use crate::guard::{self, Guard};
use crate::job::{Disposal, Job, OnDispose, Strategy, TableName};
use crate::pseudonym::token::TEXT_TOKEN_CHARACTERS;
use crate::store::Fit;
use crate::store::error::StoreError;
use crate::store::inspection::{Check, Relation, Right};
use crate::store::sql::orphans;

/// Asks the rows.
pub(crate) async fn ask_rows(
    session: &mut dyn SqlSession,
    ground: &Ground<'_>,
    fit: &mut Fit,
) -> Result<(), StoreError> {
    let Ground {
        job,
        tables,
        dialect,
        ..
    } = *ground;
    let in_use = tokens_in_use(session, dialect, job, tables).await?;
    fit.problems.extend(in_use);
    keys_with_null(session, ground, fit).await?;
    broken_checks(session, ground, fit).await?;
    large_objects(session, ground, fit).await?;
    orphans(session, ground, fit).await
}

/// Whether a query finds a row.
async fn finds(
    session: &mut dyn SqlSession,
    doing: String,
    sql: String,
) -> Result<bool, StoreError> {
    let found = session.query(&Statement::plain(doing, sql)).await?;
    Ok(!found.is_empty())
}

/// SQLite lets a primary key be null, and two nulls differ: such rows have no name of their own.
async fn keys_with_null(
    session: &mut dyn SqlSession,
    ground: &Ground<'_>,
    fit: &mut Fit,
) -> Result<(), StoreError> {
    let mut keys: Vec<(&TableName, &[String])> = vec![(&ground.job.table, &ground.job.key)];
    for reference in &ground.job.references {
        if let OnDispose::GoesWith { key, .. } = &reference.on_dispose {
            keys.push((&reference.table, key));
        }
    }
    for (table, key) in keys {
        if !ground.dialect.keys_may_be_null() {
            continue;
        }
        let null: Vec<String> = key
            .iter()
            .map(|column| format!("t.{} is null", quote(column)))
            .collect();
        let sql = format!(
            "select 1 from {} as t where {} limit 1",
            ground.tables.sql(table),
            null.join(" or ")
        );
        if finds(
            session,
            format!("look for keys of `{table}` that are null"),
            sql,
        )
        .await?
        {
            fit.problems.push(format!(
                "rows of `{table}` have null in their key ({}), so nothing tells them from each other\nhint: give them a key, and declare its columns `not null`",
                key.join(", ")
            ));
        }
    }
    Ok(())
}

/// Conditions of the table that a stage's constants would break.
async fn broken_checks(
    session: &mut dyn SqlSession,
    ground: &Ground<'_>,
    fit: &mut Fit,
) -> Result<(), StoreError> {
    if !guard::stands(Guard::ConstraintsHold) {
        return Ok(());
    }
    for stage in &ground.job.stages {
        let Disposal::Pseudonymize { changes, .. } = &stage.disposal else {
            continue;
        };
        let changes = changes.iter();
        let writes = changes.map(|change| (change.column.as_str(), &change.strategy));
        let writes: Writes<'_> = writes.collect();
        for (check, columns) in broken(session, ground, &ground.job.table, &writes).await? {
            fit.problems.push(format!(
                "stage `{}`: {check} forbids what its changes write to {columns}\nhint: choose another strategy or text, or change the condition",
                stage.name
            ));
        }
    }
    for reference in &ground.job.references {
        let OnDispose::Unlink = reference.on_dispose else {
            continue;
        };
        let cleared = reference.clear.iter();
        let writes: Writes<'_> = cleared
            .map(|column| (column.as_str(), &Strategy::Null))
            .collect();
        for (check, columns) in broken(session, ground, &reference.table, &writes).await? {
            fit.problems.push(format!(
                "reference `{}`: {check} forbids null in {columns}, so its rows cannot be unlinked\nhint: change the condition, or `goes-with` or `blocks`",
                reference.table
            ));
        }
    }
    Ok(())
}

/// What is written to columns of one table.
type Writes<'a> = BTreeMap<&'a str, &'a Strategy>;

/// The conditions of `table` that do not hold for some row once `writes` are made, with their columns.
async fn broken(
    session: &mut dyn SqlSession,
    ground: &Ground<'_>,
    table: &TableName,
    writes: &Writes<'_>,
) -> Result<Vec<(String, String)>, StoreError> {
    let Some(relation) = ground.relation(table) else {
        return Ok(Vec::new());
    };
    let mut broken = Vec::new();
    for check in &relation.checks {
        let Some(sql) = breaks(ground, (table, relation), check, writes) else {
            continue;
        };
        if !may_read(relation, &check.columns) {
            continue;
        }
        let doing = format!("try the condition `{}` of `{}`", check.name, relation.name);
        if finds(session, doing, sql).await? {
            let named = format!("the condition `{}` of `{}`", check.name, relation.name);
            broken.push((named, check.columns.join(", ")));
        }
    }
    Ok(broken)
}

/// Whether the role may read these columns. A condition may rest on some that the job has no need of.
fn may_read(relation: &Relation, columns: &[String]) -> bool {
    relation.rights.as_ref().is_none_or(|rights| {
        let of_columns = rights.columns.get(&Right::Select);
        rights.table.contains(&Right::Select)
            || columns
                .iter()
                .all(|column| of_columns.is_some_and(|readable| readable.contains(column)))
    })
}

/// A query that finds something if `check` does not hold for what is written; `None` where that
/// cannot be told before the rows are rewritten.
fn breaks(
    ground: &Ground<'_>,
    (table, relation): (&TableName, &Relation),
    check: &Check,
    writes: &Writes<'_>,
) -> Option<String> {
    let written = |column: &str| writes.get(column).copied();
    if !check.columns.iter().any(|column| written(column).is_some()) {
        return None;
    }
    let mut list = Vec::new();
    let mut all_constant = true;
    for column in &check.columns {
        let facts = relation.columns.iter().find(|own| own.name == *column)?;
        let name = if check.of_domain {
            "value".to_owned()
        } else {
            quote(column)
        };
        list.push(if let Some(strategy) = written(column) {
            let value_type = check.value_type.as_deref().unwrap_or(&facts.r#type);
            format!("{}::{value_type} as {name}", constant(strategy)?)
        } else {
            all_constant = false;
            format!("t.{}", quote(column))
        });
    }
    let from = if all_constant {
        String::new()
    } else {
        format!(" from {} as t", ground.tables.sql(table))
    };
    Some(format!(
        "select 1 from (select {}{from}) as q where not ({}) limit 1",
        list.join(", "),
        check.expression
    ))
}

/// What a strategy writes, if it is the same for all rows or at least of the same form.
fn constant(strategy: &Strategy) -> Option<String> {
    match strategy {
        Strategy::Null => Some("null".to_owned()),
        Strategy::Text(text) => Some(literal(text)),
        Strategy::Token { range: None, .. } => {
            let characters = usize::try_from(TEXT_TOKEN_CHARACTERS).ok()?;
            Some(literal(&"a".repeat(characters)))
        }
        Strategy::Token {
            range: Some((least, _)),
            ..
        } => Some(least.to_string()),
        Strategy::Generalize(_) | Strategy::Truncate { .. } => None,
    }
}

/// Columns whose values name large objects: these stay when the row goes.
async fn large_objects(
    session: &mut dyn SqlSession,
    ground: &Ground<'_>,
    fit: &mut Fit,
) -> Result<(), StoreError> {
    if !guard::stands(Guard::NoLargeObjectStays) {
        return Ok(());
    }
    let removes = |used: &str| ["records", "goes-with"].contains(&used);
    for relation in &ground.inspection.relations {
        if !relation.used_as.iter().any(|used| removes(used)) {
            continue;
        }
        let columns = relation.columns.iter();
        let columns = columns.filter(|column| {
            ["oid", "lo"].contains(&column.r#type.rsplit('.').next().unwrap_or_default())
        });
        for column in columns {
            let Some(rights) = &relation.rights else {
                continue;
            };
            let sql = format!(
                "select 1 from pg_catalog.pg_largeobject_metadata m where exists \
                 (select 1 from {} as t where t.{}::oid = m.oid) limit 1",
                rights.quoted,
                quote(&column.name)
            );
            let doing = format!("look for large objects of `{}`", relation.name);
            if !finds(session, doing, sql).await? {
                continue;
            }
            let said = format!(
                "column `{}` of `{}` names large objects, which kigen does not remove: they stay when the row goes",
                column.name, relation.name
            );
            if is_declared(ground.job) {
                fit.warnings.push(format!(
                    "{said}; the job declares that the database deletes them"
                ));
            } else {
                fit.problems.push(format!(
                    "{said}\nhint: keep the files in an object store and name them in [[object]]; or let a trigger unlink them (`lo_manage`) and declare it: [[effect]] table = \"pg_largeobject\", operation = \"delete\""
                ));
            }
        }
    }
    Ok(())
}

fn is_declared(job: &Job) -> bool {
    let mut effects = job.effects.iter();
    effects.any(|effect| effect.table.name.starts_with("pg_largeobject"))
}

/// Rows that go with records, where the record is gone already: no rule will ever reach them.
async fn orphans(
    session: &mut dyn SqlSession,
    ground: &Ground<'_>,
    fit: &mut Fit,
) -> Result<(), StoreError> {
    let job = ground.job;
    for reference in &job.references {
        let OnDispose::GoesWith { .. } = reference.on_dispose else {
            continue;
        };
        let parent = reference.of.as_ref().unwrap_or(&job.table);
        let table = ground.tables.get(&reference.table);
        let table = table.map(|table| table.relation.to_string());
        let held = ground.relation(parent).is_some_and(|parent| {
            parent.referenced_by.iter().any(|key| {
                key.holds
                    && key.points_at == parent.name
                    && Some(&key.table) == table.as_ref()
                    && key.columns.len() == reference.on.len()
                    && reference
                        .on
                        .iter()
                        .all(|pair| key.columns.contains(&pair.theirs))
            })
        });
        if held {
            continue;
        }
        let rows = orphans::count(session, job, ground.tables, &reference.table).await?;
        if rows > 0 {
            fit.warnings.push(format!(
                "{rows} rows of `{}` name no record that is there: no rule reaches them\nhint: `kigen reconcile` removes those that evidence knows; delete the others by hand",
                reference.table
            ));
        }
    }
    Ok(())
}
