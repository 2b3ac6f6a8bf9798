//! The columns that tokens are to stand in against the values that are there.

use crate::database::dialect::quote;
use crate::database::session::SqlSession;
use crate::database::statement::Statement;
use crate::guard::{self, Guard};
use crate::job::{Disposal, Job, Strategy};
use crate::store::error::StoreError;
use crate::store::sql::columns::Tables;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::pass::is_shared;
use crate::store::sql::remove::token_of_token;
use crate::store::sql::rule_sql::StageText;

/// Looks for what must not be where tokens are to stand: real values in the ranges of integer tokens,
/// and tokens in records that bear no mark.
pub(super) async fn tokens_in_use(
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
        for change in changes {
            let Strategy::Token { range, .. } = &change.strategy else {
                continue;
            };
            let column = quote(&change.column);
            let is_shared = is_shared(&text, &change.column);
            let (sign, problem) = match (range, text.is_text_token(change)) {
                (Some((least, greatest)), _) => (
                    format!("t.{column} between {least} and {greatest}"),
                    format!(
                        "real values of `{}` lie between {least} and {greatest}, where its tokens are to lie\nhint: choose a range that no real value uses",
                        change.column
                    ),
                ),
                (None, Some(sign)) if guard::stands(Guard::TokenOfToken) && !is_shared => {
                    (sign, token_of_token(&job.table.to_string(), &change.column))
                }
                (None, _) => continue,
            };
            let sql = format!(
                "select 1 from {} as t where {sign} and not {} limit 1",
                tables.sql(&job.table),
                text.is_known(change)
            );
            let doing = format!("look for tokens without marks in `{}`", change.column);
            let statement = Statement::plain(doing, sql);
            if !session.query(&statement).await?.is_empty() {
                problems.push(problem);
            }
        }
    }
    Ok(problems)
}
