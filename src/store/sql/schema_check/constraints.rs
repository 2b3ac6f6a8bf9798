//! Constraints of the own table that a change of a column would break, whatever the rows are.

use crate::guard::{self, Guard};
use crate::job::{Change, Strategy};
use crate::store::inspection::{Relation, UniqueIndex};
use crate::store::sql::catalog::TableFacts;

/// What forbids `change`, beside which the stage makes `changes`; `fits` says whether its strategy suits
/// the column at all.
pub(super) fn broken(
    change: &Change,
    changes: &[Change],
    own: &TableFacts,
    relation: &Relation,
    fits: bool,
) -> Vec<String> {
    let mut problems = Vec::new();
    let column = &change.column;
    let points_at = |columns: &[String]| columns.iter().any(|one| one.eq_ignore_ascii_case(column));
    if relation
        .referenced_by
        .iter()
        .any(|key| points_at(&key.their_columns))
    {
        problems.push("a foreign key points at it, so it cannot be rewritten".to_owned());
    }
    if !guard::stands(Guard::ConstraintsHold) {
        return problems;
    }
    if let Strategy::Null = change.strategy {
        let equal = relation
            .unique_indexes
            .iter()
            .filter(|index| index.nulls_are_equal);
        problems.extend(equal.filter_map(|index| collides(index, changes, own, column)));
        return problems;
    }
    if let Some(key) = relation
        .foreign_keys
        .iter()
        .find(|key| points_at(&key.columns))
    {
        problems.push(format!(
            "it is a foreign key onto `{}`, where no row has what would stand there\nhint: use strategy `null`",
            key.points_at
        ));
    }
    if fits && makes_equal(&change.strategy) {
        let indexes = relation.unique_indexes.iter();
        problems.extend(indexes.filter_map(|index| collides(index, changes, own, column)));
    }
    problems
}

/// Whether a strategy can write the same for values that differ.
fn makes_equal(strategy: &Strategy) -> bool {
    match strategy {
        Strategy::Text(_) | Strategy::Generalize(_) | Strategy::Truncate { .. } => true,
        Strategy::Null | Strategy::Token { .. } => false,
    }
}

/// Whether two records could become equal in a unique index. An index over some of the rows only is
/// left to the database.
fn collides(
    index: &UniqueIndex,
    changes: &[Change],
    own: &TableFacts,
    column: &str,
) -> Option<String> {
    if index.partial || !index.columns.iter().any(|name| name == column) {
        return None;
    }
    let stays = |name: &&String| {
        let mut changes = changes.iter();
        let change = changes.find(|change| change.column == **name);
        change.is_none_or(|change| matches!(change.strategy, Strategy::Token { .. }))
    };
    let rest: Vec<&str> = index
        .columns
        .iter()
        .filter(stays)
        .map(String::as_str)
        .collect();
    if own.is_unique(&rest) {
        return None;
    }
    if index.columns.len() == 1 && !index.excludes && !index.expression {
        return Some("it is unique, so not every record can get the same text".to_owned());
    }
    Some(format!(
        "it is part of `{}`, by which no two rows may be equal, and two records could become so",
        index.name
    ))
}
