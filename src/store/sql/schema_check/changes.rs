//! Whether the strategies of a stage fit the columns they rewrite. A strategy that does not fit is
//! refused, never passed over.

use super::{Ground, constraints};
use crate::job::{Disposal, Generalize, Marker, Stage, Strategy};
use crate::pseudonym::strategy_name;
use crate::pseudonym::token::{TEXT_TOKEN_CHARACTERS, TokenShape};
use crate::store::Fit;
use crate::store::sql::catalog::{ColumnFacts, ColumnType, TableFacts};
use crate::store::sql::pass::token_shape;

/// Compares the changes of one stage with the live columns.
pub(super) fn compare(ground: &Ground<'_>, stage: &Stage, own: &TableFacts, fit: &mut Fit) {
    let Disposal::Pseudonymize { changes, marker } = &stage.disposal else {
        return;
    };
    for change in changes {
        let Some(column) = own.column(&change.column) else {
            fit.problems.push(format!(
                "stage `{}`: column `{}` of `{}` does not exist",
                stage.name, change.column, ground.job.table
            ));
            continue;
        };
        let prefix = format!("stage `{}`, column `{}`", stage.name, column.name);
        let mut problems = one_change(&change.strategy, column);
        let fits = problems.is_empty();
        if let Some(relation) = ground.relation(&ground.job.table) {
            problems.extend(constraints::broken(change, changes, own, relation, fits));
        }
        fit.problems.extend(
            problems
                .into_iter()
                .map(|problem| format!("{prefix}: {problem}")),
        );
    }
    if let Marker::Column(name) = marker {
        marker_column(name, stage, own, fit);
    }
}

fn marker_column(name: &str, stage: &Stage, own: &TableFacts, fit: &mut Fit) {
    let problem = match own.column(name) {
        None => "does not exist",
        Some(column) if !column.nullable => "does not take null, so no record could be unmarked",
        Some(column) => match column.column_type {
            ColumnType::Date
            | ColumnType::Instant
            | ColumnType::LocalTime
            | ColumnType::Text { .. } => return,
            ColumnType::Bool
            | ColumnType::Int { .. }
            | ColumnType::Bytes
            | ColumnType::Uuid
            | ColumnType::Decimal
            | ColumnType::Other => "is neither a date nor a timestamp",
        },
    };
    fit.problems.push(format!(
        "stage `{}`: marker column `{name}` {problem}",
        stage.name
    ));
}

fn one_change(strategy: &Strategy, column: &ColumnFacts) -> Vec<String> {
    let mut problems = Vec::new();
    if column.generated {
        problems.push(
            "the database computes it from other columns, so it cannot be rewritten".to_owned(),
        );
    }
    problems.extend(type_problem(strategy, column));
    problems
}

fn type_problem(strategy: &Strategy, column: &ColumnFacts) -> Option<String> {
    match strategy {
        Strategy::Null if !column.nullable => Some(
            "it does not take null\nhint: use strategy `text`, `token` or `generalize`".to_owned(),
        ),
        Strategy::Null => None,
        Strategy::Text(text) => {
            let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
            text_of(column, length, strategy)
        }
        Strategy::Truncate { .. } => text_of(column, 0, strategy),
        Strategy::Token { range, .. } => match token_shape(column, *range) {
            Ok(TokenShape::Text) => text_of(column, TEXT_TOKEN_CHARACTERS, strategy),
            Ok(TokenShape::Integer { least, greatest }) => in_type(column, least, greatest),
            Ok(TokenShape::Uuid) => None,
            Err(error) => Some(error.to_string()),
        },
        Strategy::Generalize(how) => generalized(*how, column, strategy),
    }
}

fn text_of(column: &ColumnFacts, needed: u32, strategy: &Strategy) -> Option<String> {
    match column.column_type {
        ColumnType::Text {
            characters: Some(room),
        } if room < needed => Some(format!(
            "strategy `{}` needs {needed} characters, and the column has room for {room}",
            strategy_name(strategy)
        )),
        ColumnType::Text { .. } => None,
        _ => Some(no_fit(column, strategy)),
    }
}

fn in_type(column: &ColumnFacts, least: i64, greatest: i64) -> Option<String> {
    let ColumnType::Int { bits } = column.column_type else {
        return None;
    };
    let (floor, ceiling) = match bits {
        16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => return None,
    };
    if least >= floor && greatest <= ceiling {
        return None;
    }
    Some(format!(
        "its type `{}` cannot hold tokens from {least} to {greatest}\nhint: tokens need 2^40 values to be told apart; widen the column to bigint, or use another strategy",
        column.type_name
    ))
}

fn generalized(how: Generalize, column: &ColumnFacts, strategy: &Strategy) -> Option<String> {
    let fits = match how {
        Generalize::Month | Generalize::Year | Generalize::FiscalYear => {
            matches!(
                column.column_type,
                ColumnType::Date | ColumnType::Text { .. }
            )
        }
        Generalize::PostalPrefix { .. } | Generalize::Prefecture => {
            matches!(column.column_type, ColumnType::Text { .. })
        }
        Generalize::Band { .. } => {
            matches!(
                column.column_type,
                ColumnType::Int { .. } | ColumnType::Decimal
            )
        }
    };
    (!fits).then(|| no_fit(column, strategy))
}

fn no_fit(column: &ColumnFacts, strategy: &Strategy) -> String {
    format!(
        "strategy `{}` does not fit its type `{}`",
        strategy_name(strategy),
        column.type_name
    )
}
