//! Stages, each one for itself; [`sequence`](super::sequence) looks at them together.

use super::findings::Findings;
use super::joins::Ground;
use super::{changes, examples, names, purposes};
use crate::diagnostic::document::Path;
use crate::domain::rule::Rule;
use crate::job::raw::{RawDisposal, RawStage};
use crate::job::{Disposal, Marker, Stage};

/// Checks every stage; `None` stands for one that does not check.
pub(super) fn check(ground: &Ground, findings: &mut Findings) -> Vec<Option<Stage>> {
    let path = Path::of("stage");
    let stages = &ground.raw.stage;
    let named = stages.iter().enumerate();
    let named = named.map(|(index, stage)| (path.at(index).key("name"), stage.name.as_str()));
    names::unique("stage", named, findings);
    let mut checked = Vec::new();
    for (index, raw) in stages.iter().enumerate() {
        checked.push(stage(&path.at(index), raw, ground, findings));
    }
    checked
}

fn stage(path: &Path, raw: &RawStage, ground: &Ground, findings: &mut Findings) -> Option<Stage> {
    names::kebab(&path.key("name"), "stage", &raw.name, findings);
    let path_of = |index: usize| path.key("purpose").at(index);
    let named = raw.purpose.iter().enumerate();
    let named = named.map(|(index, purpose)| (path_of(index).key("name"), purpose.name.as_str()));
    names::unique("purpose", named, findings);

    let mut purposes = Vec::new();
    for (index, purpose) in raw.purpose.iter().enumerate() {
        let oldest_example = examples::oldest_start(ground.raw, &raw.name, &purpose.name);
        purposes.push(purposes::check(
            &path_of(index),
            purpose,
            oldest_example,
            ground,
            findings,
        ));
    }
    let disposal = match raw.disposal {
        RawDisposal::Delete => Some(delete(path, raw, findings)),
        RawDisposal::Pseudonymize => pseudonymize(path, raw, ground, findings),
    };
    let (purposes, sources) = purposes
        .into_iter()
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .unzip();
    Some(Stage {
        name: raw.name.clone(),
        rule: Rule { purposes },
        sources,
        disposal: disposal?,
    })
}

fn delete(path: &Path, raw: &RawStage, findings: &mut Findings) -> Disposal {
    if !raw.change.is_empty() {
        let message = "a stage that deletes changes no columns";
        findings.hint(&path.key("change"), message, "leave out `[[stage.change]]`");
    }
    if raw.marker_column.is_some() {
        let message = "a deleted record needs no marker";
        findings.key(
            &path.key("marker-column"),
            message,
            "leave out `marker-column`",
        );
    }
    Disposal::Delete
}

fn pseudonymize(
    path: &Path,
    raw: &RawStage,
    ground: &Ground,
    findings: &mut Findings,
) -> Option<Disposal> {
    let marker = match &raw.marker_column {
        Some(column) => {
            let path = path.key("marker-column");
            ground.own.need(&path, column, findings);
            if ground.raw.store.key.contains(column) {
                findings.say(
                    &path,
                    format!("`{column}` is a key column and cannot be the marker"),
                );
            }
            Marker::Column(column.clone())
        }
        None => Marker::Table,
    };
    let changes = changes::check(path, raw, ground, findings)?;
    Some(Disposal::Pseudonymize { changes, marker })
}
