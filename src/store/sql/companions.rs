//! Rows of other tables, and objects, that go along with the records of a stage: counted beforehand.

use super::foreseen::Foreseen;
use super::rule_sql::StageText;
use super::survey::count;
use crate::database::dialect::quote;
use crate::database::session::SqlSession;
use crate::database::statement::Statement;
use crate::job::{OnDispose, Reference};
use crate::store::Companions;
use crate::store::error::StoreError;

/// Counts what the records of `text` that go take along.
pub(crate) async fn count_all(
    session: &mut dyn SqlSession,
    foreseen: &Foreseen<'_>,
    text: &StageText<'_>,
) -> Result<Companions, StoreError> {
    let mut found = Companions::default();
    let goes_with = text.references(|on_dispose| matches!(on_dispose, OnDispose::GoesWith { .. }));
    for references in by_table(goes_with) {
        let rows = rows_of(session, foreseen, text, &references).await?;
        add(&mut found.goes_with, references[0].table.to_string(), rows);
    }
    let unlinked = text.references(|on_dispose| matches!(on_dispose, OnDispose::Unlink));
    for references in by_table(unlinked) {
        let rows = rows_of(session, foreseen, text, &references).await?;
        add(&mut found.unlinked, references[0].table.to_string(), rows);
    }
    if !super::intent::has_objects(text.job, text.stage) {
        return Ok(found);
    }
    for link in &text.job.objects {
        let column = quote(&link.key_column);
        let sql = match &link.table {
            None => format!(
                "select count(distinct t.{column}) from {} where {}",
                text.from(),
                foreseen.goes(text)?
            ),
            Some(name) => {
                let mut references = text.job.references.iter();
                let Some(reference) = references.find(|reference| {
                    reference.table == *name && reference.stages.contains(&text.stage.name)
                }) else {
                    continue;
                };
                format!(
                    "select count(distinct b.{column}) from {} as b where {}",
                    text.tables.sql(name),
                    foreseen.companions(text, &[reference])?
                )
            }
        };
        let objects = number(session, text, sql).await?;
        add(&mut found.objects, link.store.clone(), objects);
    }
    Ok(found)
}

/// The references of each table together: a row that several lead to is one row.
fn by_table<'r>(references: impl Iterator<Item = &'r Reference>) -> Vec<Vec<&'r Reference>> {
    let mut tables: Vec<Vec<&Reference>> = Vec::new();
    for reference in references {
        match tables
            .iter_mut()
            .find(|known| known[0].table == reference.table)
        {
            Some(known) => known.push(reference),
            None => tables.push(vec![reference]),
        }
    }
    tables
}

async fn rows_of(
    session: &mut dyn SqlSession,
    foreseen: &Foreseen<'_>,
    text: &StageText<'_>,
    references: &[&Reference],
) -> Result<u64, StoreError> {
    let sql = format!(
        "select count(*) from {} as b where {}",
        text.tables.sql(&references[0].table),
        foreseen.companions(text, references)?
    );
    number(session, text, sql).await
}

async fn number(
    session: &mut dyn SqlSession,
    text: &StageText<'_>,
    sql: String,
) -> Result<u64, StoreError> {
    let doing = format!(
        "count what goes with the records of `{}`, stage `{}`",
        text.job.cluster, text.stage.name
    );
    let rows = session.query(&Statement::plain(doing, sql)).await?;
    rows.first()
        .and_then(|row| count(row.first()?))
        .ok_or_else(|| StoreError::Unusable("a count came back without a number".to_owned()))
}

fn add(counts: &mut std::collections::BTreeMap<String, u64>, name: String, more: u64) {
    if more > 0 {
        *counts.entry(name).or_default() += more;
    }
}
