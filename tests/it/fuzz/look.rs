//! The whole of a world, looked at with plain SQL before and after a run, and what the run says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::world::{Fate, Named, World};
use crate::scene::{Database, Engine};

/// Rows by the number that the oracle knows them by.
type Rows = BTreeMap<i64, String>;

pub(super) struct Look {
    own: Rows,
    children: Vec<Rows>,
    bystanders: Vec<Vec<String>>,
}

impl Look {
    pub(super) async fn take(database: &Database, world: &World) -> Self {
        let mut children = Vec::new();
        for child in &world.children {
            children.push(rows(database, world.engine, &child.spelled, &child.columns).await);
        }
        let mut bystanders = Vec::new();
        for bystander in &world.bystanders {
            let columns = content(world.engine, &bystander.columns);
            let sql = format!(
                "select {columns} from {} as t order by 1",
                bystander.spelled
            );
            bystanders.push(database.texts(&sql).await);
        }
        Self {
            own: rows(database, world.engine, &world.own, &world.columns).await,
            children,
            bystanders,
        }
    }
}

fn content(engine: Engine, columns: &[String]) -> String {
    match engine {
        Engine::Postgres => "t::text".to_owned(),
        Engine::Sqlite => {
            let columns: Vec<String> = columns
                .iter()
                .map(|name| format!("quote(t.\"{name}\")"))
                .collect();
            columns.join("||','||")
        }
    }
}

async fn rows(database: &Database, engine: Engine, table: &str, columns: &[String]) -> Rows {
    let content = content(engine, columns);
    let sql = format!("select cast(t.rid as text) || ' ' || {content} from {table} as t");
    let rows = database.texts(&sql).await;
    let rows = rows.into_iter().map(|row| {
        let (rid, content) = row.split_once(' ').unwrap();
        (rid.parse().unwrap(), content.to_owned())
    });
    rows.collect()
}

/// What the run says that it did in one world.
pub(super) struct Said {
    deleted: u64,
    pseudonymized: u64,
    gone_with: BTreeMap<String, u64>,
    effects: u64,
    /// Whether something that is due was left, and the run says so.
    left: bool,
    stopped: bool,
}

impl Said {
    pub(super) fn of(job: &Value) -> Self {
        let mut said = Self {
            deleted: 0,
            pseudonymized: 0,
            gone_with: BTreeMap::new(),
            effects: 0,
            left: false,
            stopped: !job["error"].is_null(),
        };
        for stage in job["stages"].as_array().into_iter().flatten() {
            let number = |name: &str| stage[name].as_u64().unwrap_or_default();
            match stage["disposal"].as_str() {
                Some("delete") => said.deleted += number("disposed"),
                _ => said.pseudonymized += number("disposed"),
            }
            said.left |= number("failed") > 0 || number("remaining_due") > 0;
            for (table, rows) in stage["gone_with"].as_object().into_iter().flatten() {
                *said.gone_with.entry(table.clone()).or_default() += rows.as_u64().unwrap();
            }
            let effects = stage["effects"].as_object().into_iter().flatten();
            said.effects += effects.map(|(_, rows)| rows.as_u64().unwrap()).sum::<u64>();
        }
        said
    }

    /// Leaves that certificates must have.
    pub(super) fn removals(&self) -> u64 {
        self.deleted + self.pseudonymized + self.gone_with.values().sum::<u64>()
    }
}

/// All that is not as it must be.
pub(super) fn compare(world: &World, before: &Look, after: &Look, said: &Said) -> Vec<String> {
    let mut problems = Vec::new();
    let mut demand = |holds: bool, problem: &dyn Fn() -> String| {
        if !holds {
            problems.push(problem());
        }
    };
    let gone = gone(&before.own, &after.own);
    let changed = changed(&before.own, &after.own);
    let added = gone_count(&after.own, &before.own);
    demand(added == 0, &|| {
        format!("{added} rows are new in {}", world.own)
    });
    demand(gone.len() as u64 == said.deleted, &|| {
        format!("rows {gone:?} went, {} are counted", said.deleted)
    });
    let counted = said.pseudonymized;
    let most = (changed.len() + gone.len()) as u64;
    demand(changed.len() as u64 <= counted && counted <= most, &|| {
        format!("rows {changed:?} changed, {counted} are counted")
    });
    let blocked = blocked(world);
    for row in &world.rows {
        let went = gone.contains(&row.rid);
        demand(!went || row.delete != Fate::Stays, &|| {
            format!("row {} went and was not due", row.rid)
        });
        demand(!went || !blocked.contains(&row.rid), &|| {
            format!("row {} went and another row keeps it", row.rid)
        });
        let told = said.stopped || said.left;
        let stays = went || row.delete != Fate::Goes || blocked.contains(&row.rid);
        demand(stays || told, &|| {
            format!("row {} is due, stays, and nobody says so", row.rid)
        });
        let Some(early) = row.pseudonymize else {
            continue;
        };
        let was_changed = changed.contains(&row.rid);
        demand(!was_changed || early != Fate::Stays, &|| {
            format!("row {} changed and was not due", row.rid)
        });
        demand(was_changed || went || early != Fate::Goes || told, &|| {
            format!("row {} is due in clear, and nobody says so", row.rid)
        });
    }
    for (place, child) in world.children.iter().enumerate() {
        let (was, is) = (&before.children[place], &after.children[place]);
        let lost = self::gone(was, is);
        let other = self::changed(was, is);
        demand(gone_count(is, was) == 0, &|| {
            format!("new rows in {}", child.spelled)
        });
        let counted = said
            .gone_with
            .get(&child.written)
            .copied()
            .unwrap_or_default();
        demand(lost.len() as u64 == counted, &|| {
            format!(
                "rows {lost:?} of {} went, {counted} are counted",
                child.spelled
            )
        });
        for rid in lost.iter().chain(&other) {
            let owner = owner(world, place, *rid);
            demand(owner.is_some_and(|owner| gone.contains(&owner)), &|| {
                format!(
                    "row {rid} of {} went or changed, its record {owner:?} did not go",
                    child.spelled
                )
            });
        }
        demand(other.is_empty() || child.named == Named::Unlink, &|| {
            format!("rows {other:?} of {} changed", child.spelled)
        });
        // A row that still names a record that is gone.
        for (rid, of) in &child.rows {
            let names_a_gone_one = child.of.is_none() && of.is_some_and(|of| gone.contains(&of));
            let is_left = names_a_gone_one && !lost.contains(rid) && !other.contains(rid);
            let must_not = matches!(child.named, Named::GoesWith | Named::Unlink);
            demand(!(is_left && must_not), &|| {
                format!(
                    "row {rid} of {} still names record {of:?}, which is gone",
                    child.spelled
                )
            });
        }
    }
    for (place, bystander) in world.bystanders.iter().enumerate() {
        let (was, is) = (&before.bystanders[place], &after.bystanders[place]);
        let declared = if world.declares && place == 0 {
            said.effects
        } else {
            0
        };
        let grown = is.len() as u64 == was.len() as u64 + declared;
        let same = was == is || (declared > 0 && was.iter().all(|row| is.contains(row)));
        demand(grown && same, &|| {
            format!(
                "{} was {was:?} and is {is:?}; {declared} rows are declared and counted",
                bystander.spelled
            )
        });
    }
    problems
}

fn gone(before: &Rows, after: &Rows) -> BTreeSet<i64> {
    let gone = before.keys().filter(|rid| !after.contains_key(rid));
    gone.copied().collect()
}

fn gone_count(before: &Rows, after: &Rows) -> usize {
    gone(before, after).len()
}

fn changed(before: &Rows, after: &Rows) -> BTreeSet<i64> {
    let changed = before
        .iter()
        .filter(|(rid, content)| after.get(rid).is_some_and(|now| now != *content));
    changed.map(|(rid, _)| *rid).collect()
}

/// The record that a child's row belongs to, through the children before.
fn owner(world: &World, place: usize, rid: i64) -> Option<i64> {
    let child = &world.children[place];
    let (_, parent) = child.rows.iter().find(|(known, _)| *known == rid)?;
    match child.of {
        None => *parent,
        Some(of) => owner(world, of, (*parent)?),
    }
}

/// Records that a row of a `blocks` table names.
fn blocked(world: &World) -> BTreeSet<i64> {
    let mut blocked = BTreeSet::new();
    for (place, child) in world.children.iter().enumerate() {
        if child.named == Named::Blocks {
            let owners = child
                .rows
                .iter()
                .filter_map(|(rid, _)| owner(world, place, *rid));
            blocked.extend(owners);
        }
    }
    blocked
}
