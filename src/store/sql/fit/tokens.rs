//! The ranges of integer tokens against the values that are there.

use crate::job::Disposal;
use crate::job::Job;
use crate::job::Strategy;
use crate::store::error::StoreError;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::dialect::quote;
use crate::store::sql::pass::own_table;
use crate::store::sql::resolved::Tables;
use crate::store::sql::session::SqlSession;
use crate::store::sql::session::Statement;
use crate::store::sql::text::StageText;

/// Looks for real values in the ranges of integer tokens: a token must not meet one.
pub(crate) async fn tokens_in_use(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    job: &Job,
    tables: &Tables,
) -> Result<Vec<String>, StoreError> {
    let mut problems = Vec::new();
    for stage in &job.stages {
        let Disposal::Pseudonymize { changes, .. } = &stage.disposal else {
            continue;
        };
        let text = StageText {
            dialect,
            job,
            stage,
            tables,
        };
        let unmarked = text
            .already_disposed()
            .map_or_else(String::new, |marked| format!(" and not {marked}"));
        for change in changes {
            let Strategy::Token {
                range: Some((least, greatest)),
                ..
            } = &change.strategy
            else {
                continue;
            };
            let sql = format!(
                "select 1 from {} as t where t.{} between {least} and {greatest}{unmarked} limit 1",
                own_table(job),
                quote(&change.column)
            );
            let doing = format!(
                "look for real values in the token range of `{}`",
                change.column
            );
            if !session
                .query(&Statement::new(doing, sql, Vec::new()))
                .await?
                .is_empty()
            {
                problems.push(format!(
                    "real values of `{}` lie between {least} and {greatest}, where its tokens are to lie\nhint: choose a range that no real value uses",
                    change.column
                ));
            }
        }
    }
    Ok(problems)
}
