//! Declared effects: what the database itself does beside the job.

use super::findings::Findings;
use super::names;
use crate::diagnostic::document::Path;
use crate::job::raw::{RawEffect, RawJob, RawOperation};
use crate::job::{Effect, Operation};

/// Checks the names; whether the database does it, each batch counts.
pub(super) fn check(raw: &RawJob, findings: &mut Findings) -> Vec<Effect> {
    let mut effects: Vec<Effect> = Vec::new();
    for (index, one) in raw.effect.iter().enumerate() {
        let path = Path::of("effect").at(index);
        names::not_empty(&path.key("reason"), &one.reason, findings);
        let Some(table) = names::table(&path.key("table"), &one.table, findings) else {
            continue;
        };
        let operation = operation(one);
        let is_same = |known: &Effect| known.table == table && known.operation == operation;
        if effects.iter().any(is_same) {
            let message = format!("`{}` of `{table}` is declared twice", operation.name());
            findings.say(&path.key("table"), message);
            continue;
        }
        effects.push(Effect {
            table,
            operation,
            reason: one.reason.clone(),
        });
    }
    effects
}

fn operation(effect: &RawEffect) -> Operation {
    match effect.operation {
        RawOperation::Insert => Operation::Insert,
        RawOperation::Update => Operation::Update,
        RawOperation::Delete => Operation::Delete,
    }
}
