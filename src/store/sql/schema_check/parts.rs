//! Partitions, children by inheritance, and what is published of a table.

use super::Ground;
use super::touches::{Touch, touches};
use crate::guard::{self, Guard};
use crate::job::Operation;
use crate::store::Fit;
use crate::store::inspection::Relation;
use crate::store::sql::catalog::RelationKind;

/// Whether every row of each table can be reached by its own columns and keys, and changed.
pub(super) fn compare(ground: &Ground<'_>, fit: &mut Fit) {
    for relation in &ground.inspection.relations {
        // Of these, rows are only counted or looked for; those of children as well.
        let only_looked_at = |used: &str| ["blocks", "leftovers", "effect"].contains(&used);
        if !relation.used_as.iter().all(|used| only_looked_at(used)) {
            parts(relation, fit);
        }
    }
    for touch in touches(ground.job) {
        let Some(relation) = ground.relation(touch.table) else {
            continue;
        };
        published(&touch, relation, fit);
        moved(&touch, relation, fit);
    }
}

fn parts(relation: &Relation, fit: &mut Fit) {
    let named = |wanted: &dyn Fn(&crate::store::inspection::Part) -> bool| {
        let parts = relation.parts.iter().filter(|part| wanted(part));
        let names: Vec<String> = parts.map(|part| format!("`{}`", part.name)).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let name = &relation.name;
    if guard::stands(Guard::NoChildrenByInheritance)
        && let Some(children) = named(&|part| !part.partition)
    {
        fit.problems.push(format!(
            "`{name}` has children by inheritance that are not partitions: {children}; their rows count as its own, with columns, keys and foreign keys that the job does not name\nhint: alter table … no inherit {name}, and a job for each child"
        ));
    }
    if let Some(foreign) = named(&|part| part.partition && part.kind == RelationKind::ForeignTable)
    {
        fit.problems.push(format!(
            "`{name}` has partitions on other servers: {foreign}; what goes there is outside of the transaction that writes the evidence\nhint: detach them, and run a job at the other server"
        ));
    }
    if let Some(detaching) = named(&|part| part.detaching) {
        fit.problems.push(format!(
            "a partition of `{name}` is being detached: {detaching}; its rows are not seen any more and not gone\nhint: alter table {name} detach partition … finalize"
        ));
    }
}

/// A table whose changes are published needs to say which row changed.
fn published(touch: &Touch<'_>, relation: &Relation, fit: &mut Fit) {
    let carries = relation
        .publications
        .iter()
        .find(|publication| match touch.operation {
            Operation::Delete => publication.deletes,
            Operation::Update => publication.updates,
            Operation::Insert => false,
        });
    let Some(publication) = carries else { return };
    let parts = relation
        .parts
        .iter()
        .filter(|part| part.no_replica_identity);
    let mut tables: Vec<&str> = parts.map(|part| part.name.as_str()).collect();
    if relation.no_replica_identity {
        tables.push(&relation.name);
    }
    for table in tables {
        let problem = format!(
            "`{table}` is published by `{}` and has no replica identity, so the database refuses every {} of a row\nhint: alter table {table} replica identity using index …, or add a primary key",
            publication.name,
            touch.operation.name()
        );
        if !fit.problems.contains(&problem) {
            fit.problems.push(problem);
        }
    }
}

/// A row whose partition key changes is deleted in one partition and inserted into another.
fn moved(touch: &Touch<'_>, relation: &Relation, fit: &mut Fit) {
    let set = relation.columns.iter().filter(|column| {
        column.partitions_by && touch.columns.iter().any(|name| *name == column.name)
    });
    for column in set {
        fit.problems.push(format!(
            "column `{}` decides in which partition of `{}` a row stands, so it cannot be set: the row would move",
            column.name, relation.name
        ));
    }
}
