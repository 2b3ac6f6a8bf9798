//! Triggers and rules that act beside the statements of a job.
//!
//! What a trigger does cannot be known beforehand. So whoever wants it declares its effects; each
//! batch then counts that nothing else changed.

use std::collections::BTreeSet;

use super::Ground;
use super::touches::{Touch, touches};
use crate::guard::{self, Guard};
use crate::job::{Effect, Operation, TableName};
use crate::store::Fit;
use crate::store::inspection::{Relation, Trigger, TriggerKind};
use crate::store::sql::script::{self, Write};

/// Refuses each trigger and rule that the job sets off and does not account for; warns of the others.
pub(super) fn compare(ground: &Ground<'_>, fit: &mut Fit) {
    if !guard::stands(Guard::TriggersAreDeclared) {
        return;
    }
    let mut told = BTreeSet::new();
    for touch in touches(ground.job) {
        let Some(relation) = ground.relation(touch.table) else {
            continue;
        };
        // The end of evidence is a rule, too; there kigen's own triggers watch.
        if is_of_kigen(ground, touch.table) {
            continue;
        }
        for trigger in &relation.triggers {
            if sets_off(&touch, relation, trigger) && told.insert((&trigger.table, &trigger.name)) {
                account(ground, &touch, trigger, fit);
            }
        }
    }
}

fn is_of_kigen(ground: &Ground<'_>, table: &TableName) -> bool {
    let own = ["fence", "journal", "intent", "marker", "published"];
    let name = ground.tables.sql(table);
    own.iter().any(|own| ground.dialect.internal(own) == name)
}

fn sets_off(touch: &Touch<'_>, relation: &Relation, trigger: &Trigger) -> bool {
    if !trigger.operations.contains(&touch.operation) {
        return false;
    }
    if touch.operation != Operation::Update || trigger.of_columns.is_empty() {
        return true;
    }
    trigger.of_columns.iter().any(|named| {
        let is_set = touch
            .columns
            .iter()
            .any(|set| set.eq_ignore_ascii_case(named));
        // What the database computes may follow from a column that is set.
        let columns = relation.columns.iter();
        let mut generated = columns.filter(|column| column.generated);
        is_set || generated.any(|column| column.name == *named)
    })
}

fn account(ground: &Ground<'_>, touch: &Touch<'_>, trigger: &Trigger, fit: &mut Fit) {
    let writes = script::writes(&trigger.body);
    let effects = &ground.job.effects;
    let missing: Vec<&Write> = writes
        .iter()
        .filter(|write| !effects.iter().any(|effect| declares(effect, write)))
        .collect();
    let kind = match trigger.kind {
        TriggerKind::Trigger => "trigger",
        TriggerKind::Rule => "rule",
    };
    let said = format!(
        "the {kind} `{}` of `{}` acts when the job {} `{}`",
        trigger.name,
        trigger.table,
        touch.does(),
        touch.table
    );
    if missing.is_empty() && !effects.is_empty() {
        fit.warnings.push(format!(
            "{said}: its declared effects are allowed, and each batch counts that nothing else changes"
        ));
        return;
    }
    let declared: Vec<String> = if missing.is_empty() {
        vec![declaration(&touch.table.to_string(), Operation::Update)]
    } else {
        let missing = missing.into_iter();
        missing
            .map(|write| declaration(&name_of(write), write.operation))
            .collect()
    };
    fit.problems.push(format!(
        "{said}, and the job does not declare what it does: it may remove, change, copy or keep rows\nhint: disable it for kigen, or declare each of its effects, with the reason why it is wanted:\n{}",
        declared.join("\n")
    ));
}

fn declaration(table: &str, operation: Operation) -> String {
    format!(
        "[[effect]]\ntable = \"{table}\"\noperation = \"{}\"\nreason = \"…\"",
        operation.name()
    )
}

fn name_of(write: &Write) -> String {
    let schema = write.schema.clone();
    let name = write.table.clone();
    TableName { schema, name }.to_string()
}

/// A name without a schema, on either side, may be the table of any.
fn declares(effect: &Effect, write: &Write) -> bool {
    let same_schema = match (&effect.table.schema, &write.schema) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (None, _) | (_, None) => true,
    };
    effect.operation == write.operation
        && same_schema
        && effect.table.name.eq_ignore_ascii_case(&write.table)
}
