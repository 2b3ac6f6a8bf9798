//! Days on which an improbable share of the records start: perhaps what an application writes for
//! "never", which no rule can tell from an event.

use kigen_evidence::value::Value;

use super::columns::Tables;
use super::dialect::Dialect;
use super::rule_sql::StageText;
use super::survey::count;
use crate::database::session::{Row, SqlSession};
use crate::database::statement::Statement;
use crate::job::{ColumnRef, Job};
use crate::store::FrequentDay;
use crate::store::error::StoreError;

/// A day is told when more than this many records start on it …
const RECORDS: u64 = 100;

/// … and more than one in this many.
const SHARE: u64 = 5;

/// The most frequent day of each starting point of `job`, where it is improbably frequent.
pub(crate) async fn frequent(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    job: &Job,
    tables: &Tables,
) -> Result<Vec<FrequentDay>, StoreError> {
    let mut seen: Vec<&ColumnRef> = Vec::new();
    let mut found = Vec::new();
    for stage in &job.stages {
        let text = StageText {
            dialect,
            job,
            stage,
            tables,
        };
        for (index, source) in stage.sources.iter().enumerate() {
            if seen.contains(&&source.starts_at) {
                continue;
            }
            seen.push(&source.starts_at);
            let rows = session.query(&most_frequent(&text, index)?).await?;
            let day = rows
                .first()
                .and_then(|row| read(row, source.starts_at.to_string()));
            found.extend(day.filter(|day| day.records > RECORDS && day.records > day.of / SHARE));
        }
    }
    Ok(found)
}

fn most_frequent(text: &StageText<'_>, index: usize) -> Result<Statement, StoreError> {
    let start = text.start(index)?;
    let sql = format!(
        "select d, n, cast(sum(n) over () as bigint) from \
         (select {} as d, count(*) as n from {} where not {} group by 1) as x order by n desc limit 1",
        text.dialect.day_text(&start),
        text.from(),
        text.dialect.not_a_day(&start.of_any_day())
    );
    let doing = format!("count the days of `{}`", text.job.cluster);
    Ok(Statement::plain(doing, sql))
}

fn read(row: &Row, column: String) -> Option<FrequentDay> {
    let Some(Value::Text(day)) = row.first() else {
        return None;
    };
    Some(FrequentDay {
        column,
        day: day.clone(),
        records: row.get(1).and_then(count)?,
        of: row.get(2).and_then(count)?,
    })
}
