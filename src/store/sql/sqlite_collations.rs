//! By which collation SQLite compares the texts of a column: the catalog does not say, so it is asked to
//! compare.

use super::catalog::{Collation, ColumnFacts};
use super::dialect::table;
use super::survey::count;
use crate::database::dialect::quote;
use crate::database::session::SqlSession;
use crate::database::statement::Statement;
use crate::job::TableName;
use crate::store::error::StoreError;

/// Adds to each column the collation by which SQLite compares it.
pub(super) async fn read(
    session: &mut dyn SqlSession,
    name: &TableName,
    columns: &mut [ColumnFacts],
) -> Result<(), StoreError> {
    let all: Vec<String> = columns
        .iter()
        .map(|column| experiment(name, &column.name))
        .collect();
    if all.is_empty() {
        return Ok(());
    }
    let doing = format!("read the collations of `{name}`");
    let together = Statement::plain(doing.clone(), format!("select {}", all.join(", ")));
    if let Ok(rows) = session.query(&together).await {
        let answers = rows.first().into_iter().flatten();
        for (column, answer) in columns.iter_mut().zip(answers) {
            column.collation = collation(count(answer));
        }
        return Ok(());
    }
    // One column at least has a collation that only the application brings.
    for (column, experiment) in columns.iter_mut().zip(all) {
        let alone = Statement::plain(doing.clone(), format!("select {experiment}"));
        column.collation = match session.query(&alone).await {
            Ok(rows) => collation(rows.first().and_then(|row| row.first()).and_then(count)),
            Err(_) => Some(Collation {
                name: UNKNOWN.to_owned(),
                exact: false,
            }),
        };
    }
    Ok(())
}

/// A collation that the application registers when it opens the file.
pub(super) const UNKNOWN: &str = "a collation that only the application knows";

/// Compares texts as the column does: the first part of a compound decides by which collation. The
/// limit keeps SQLite from comparing within the parts.
fn experiment(name: &TableName, column: &str) -> String {
    let equal = |one: &str, other: &str| {
        format!(
            "(select count(*) from (select {} as k from {} where 0 union all select '{one}' limit -1) \
             where k = '{other}')",
            quote(column),
            table(name)
        )
    };
    format!("{} + 2 * {}", equal("A", "a"), equal("a ", "a"))
}

fn collation(answer: Option<u64>) -> Option<Collation> {
    let name = match answer {
        Some(0) => return None,
        Some(1) => "NOCASE",
        Some(2) => "RTRIM",
        Some(_) | None => UNKNOWN,
    };
    Some(Collation {
        name: name.to_owned(),
        exact: false,
    })
}
