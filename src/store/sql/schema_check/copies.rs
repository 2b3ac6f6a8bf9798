//! Where copies of what goes may stay: told by name, for nobody else would.

use std::collections::BTreeSet;

use super::Ground;
use super::touches::touches;
use crate::database::session::{Access, SqlSession};
use crate::database::statement::Statement;
use crate::job::{Operation, TableName};
use crate::store::error::StoreError;
use crate::store::inspection::Relation;
use crate::store::sql::dialect;
use crate::store::{Fit, MaybeCopy};

/// With fewer columns than this, tables are alike by chance.
const COLUMNS_OF_A_COPY: usize = 3;

/// Warns of materialized views, of publications that carry no deletes, and of tables with the same
/// columns, unless the job looks there or declares what is written there.
pub(super) fn compare(ground: &Ground<'_>, fit: &mut Fit) {
    let mut told = BTreeSet::new();
    for touch in touches(ground.job) {
        if touch.operation == Operation::Update && touch.table != &ground.job.table {
            continue;
        }
        if let Some(relation) = ground.relation(touch.table)
            && told.insert(relation.id)
        {
            copies_of(ground, relation, touch.operation, fit);
        }
    }
}

fn copies_of(ground: &Ground<'_>, relation: &Relation, operation: Operation, fit: &mut Fit) {
    let name = &relation.name;
    for view in &relation.materialized_views {
        if !is_named(ground, view) {
            fit.warnings.push(format!(
                "the materialized view `{view}` over `{name}` keeps what goes until it is refreshed\nhint: refresh materialized view {view} after each run, or name it in [[leftovers]]"
            ));
        }
    }
    let silent = relation
        .publications
        .iter()
        .filter(|publication| match operation {
            Operation::Delete => !publication.deletes,
            Operation::Update | Operation::Insert => !publication.updates,
        });
    for publication in silent {
        fit.warnings.push(format!(
            "the publication `{}` of `{name}` does not carry {}s: subscribers keep what goes here\nhint: alter publication {} set (publish = 'insert, update, delete')",
            publication.name,
            operation.name(),
            publication.name
        ));
    }
    if relation.columns.len() < COLUMNS_OF_A_COPY {
        return;
    }
    for table in &relation.alike {
        if !is_named(ground, table) {
            fit.copies.push(MaybeCopy {
                table: table.clone(),
                warning: format!(
                    "`{table}` has all columns of `{name}` and is no part of it: a copy, or a detached partition? Its rows stay as they are\nhint: a job of its own, or [[leftovers]]"
                ),
            });
        }
    }
}

/// Leaves out what has no rows. A table that may not be read, or not be asked, may have some.
pub(crate) async fn leave_out_empty(
    session: &mut dyn SqlSession,
    ground: &Ground<'_>,
    fit: &mut Fit,
) -> Result<(), StoreError> {
    let with_schema = ground.tables.get(&ground.job.table);
    let with_schema = with_schema.is_some_and(|own| own.relation.schema.is_some());
    for copy in std::mem::take(&mut fit.copies) {
        let (schema, name) = match copy.table.split_once('.') {
            Some((schema, name)) if with_schema => (Some(schema.to_owned()), name),
            Some(_) | None => (None, copy.table.as_str()),
        };
        let table = TableName {
            schema,
            name: name.to_owned(),
        };
        let sql = format!("select 1 from {} limit 1", dialect::table(&table));
        let doing = format!("look for rows of `{}`", copy.table);
        session.begin(Access::Read).await?;
        let rows = session.query(&Statement::plain(doing, sql)).await;
        session.rollback().await?;
        match rows.map_err(StoreError::from) {
            Ok(rows) if rows.is_empty() => {}
            Ok(_) | Err(StoreError::NotPermitted { .. } | StoreError::Failed { .. }) => {
                fit.copies.push(copy);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether the job says something of the relation `live`.
fn is_named(ground: &Ground<'_>, live: &str) -> bool {
    let relations = &ground.inspection.relations;
    let names = |written: &TableName| {
        let facts = ground.tables.get(written);
        facts.is_some_and(|facts| facts.relation.to_string() == live)
    };
    relations.iter().any(|relation| relation.name == live)
        || ground.job.leftovers.iter().any(|one| names(&one.table))
        || ground.job.effects.iter().any(|one| names(&one.table))
}
