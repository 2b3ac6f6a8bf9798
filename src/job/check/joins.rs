//! Joins, and the columns that a rule may read through them.

use std::collections::BTreeMap;

use super::columns::Classified;
use super::findings::Findings;
use super::names;
use crate::diagnostic::document::Path;
use crate::diagnostic::near_miss;
use crate::job::raw::{RawJob, RawJoin};
use crate::job::{ColumnRef, Join, Match};

/// With its prefix a join's name stays below the 63 bytes at which PostgreSQL cuts names.
const MAX_JOIN_NAME: usize = 60;

/// What the parts of a job stand on: its own table's columns and its joins.
pub(super) struct Ground<'a> {
    pub(super) raw: &'a RawJob,
    pub(super) own: &'a Classified,
    pub(super) joins: &'a [Join],
}

impl Ground<'_> {
    /// Reads `column` or `join.column` and checks that it can be known.
    pub(super) fn column(
        &self,
        path: &Path,
        text: &str,
        findings: &mut Findings,
    ) -> Option<ColumnRef> {
        let names: Vec<&str> = self
            .raw
            .join
            .iter()
            .map(|join| join.name.as_str())
            .collect();
        column(path, text, self.own, &names, findings)
    }
}

fn column(
    path: &Path,
    text: &str,
    own: &Classified,
    joins: &[&str],
    findings: &mut Findings,
) -> Option<ColumnRef> {
    let of_own = || ColumnRef {
        join: None,
        column: text.to_owned(),
    };
    let Some((join, column)) = text.split_once('.') else {
        own.need(path, text, findings);
        return Some(of_own());
    };
    // A column's own name may hold a dot.
    match (own.class_of(text).is_some(), joins.contains(&join)) {
        (true, false) => return Some(of_own()),
        (true, true) => {
            let message = format!("`{text}` is a column, and also one of the join `{join}`");
            findings.hint(path, message, "give the join another name");
            return None;
        }
        (false, _) => {}
    }
    if !joins.contains(&join) {
        let hint = near_miss::hint(join, joins.iter().copied())
            .unwrap_or_else(|| "a column of another table is read through a `[[join]]`".to_owned());
        findings.hint(
            path,
            format!("`{text}` names no join: `{join}` is unknown"),
            hint,
        );
        return None;
    }
    names::identifier(path, column, findings).then(|| ColumnRef {
        join: Some(join.to_owned()),
        column: column.to_owned(),
    })
}

/// Checks the joins; each may be matched with columns of the own table and of earlier joins.
pub(super) fn check(raw: &[RawJoin], own: &Classified, findings: &mut Findings) -> Vec<Join> {
    let path = Path::of("join");
    let named = raw.iter().enumerate();
    let named = named.map(|(index, join)| (path.at(index).key("name"), join.name.as_str()));
    names::unique("join", named, findings);
    let mut joins: Vec<Join> = Vec::new();
    for (index, join) in raw.iter().enumerate() {
        let path = path.at(index);
        names::kebab(&path.key("name"), "join", &join.name, findings);
        if join.name.len() > MAX_JOIN_NAME {
            let message = format!(
                "the join `{}` has a name of more than {MAX_JOIN_NAME} characters",
                join.name
            );
            findings.hint(
                &path.key("name"),
                message,
                "databases cut longer names, and two could become one",
            );
        }
        let table = names::table(&path.key("table"), &join.table, findings);
        let earlier: Vec<&str> = raw
            .iter()
            .take(index)
            .map(|join| join.name.as_str())
            .collect();
        let on = matches(
            &path.key("on"),
            &join.on,
            findings,
            |path, ours, findings| column(path, ours, own, &earlier, findings),
        );
        if let Some(table) = table {
            joins.push(Join {
                name: join.name.clone(),
                table,
                on,
            });
        }
    }
    joins
}

/// Reads an `on` table: their column = our column.
pub(super) fn matches(
    path: &Path,
    on: &BTreeMap<String, String>,
    findings: &mut Findings,
    mut ours_of: impl FnMut(&Path, &str, &mut Findings) -> Option<ColumnRef>,
) -> Vec<Match> {
    if on.is_empty() {
        findings.hint(
            path,
            "no columns are matched",
            "write `{ their_column = \"our_column\" }`",
        );
    }
    let mut matches = Vec::new();
    for (theirs, ours) in on {
        let path = path.key(theirs);
        names::identifier(&path, theirs, findings);
        if let Some(ours) = ours_of(&path, ours, findings) {
            matches.push(Match {
                theirs: theirs.clone(),
                ours,
            });
        }
    }
    matches
}
