//! What PostgreSQL counts as changed: the statistics of the session, which it has not yet handed over.
//!
//! They count rows of every table, whoever changes them: cascades, triggers, rules. They go on from
//! transaction to transaction until they are handed over, which never happens inside one: so the
//! difference to the beginning counts. A rolled-back savepoint stays counted: a batch has none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kigen_evidence::value::Value;

use crate::database::changes::{Counted, Tally};
use crate::database::error::{DatabaseError, Failure};
use crate::database::session::{Row, SqlSession};
use crate::database::statement::{Arg, Statement};
use crate::job::Operation;

const COUNTING: &str = "begin to count what changes";

/// Objects with smaller numbers belong to the catalog.
const BEGINNING: &str = "select 0::bigint, (current_setting('track_counts') = 'on')::int::bigint, 0::bigint, 0::bigint \
     union all select c.oid::bigint, pg_stat_get_xact_tuples_inserted(c.oid), \
       pg_stat_get_xact_tuples_updated(c.oid), pg_stat_get_xact_tuples_deleted(c.oid) \
     from pg_class c where c.oid >= 16384 and c.relkind in ('r', 'm') \
     and (pg_stat_get_xact_tuples_inserted(c.oid) <> 0 or pg_stat_get_xact_tuples_updated(c.oid) <> 0 \
       or pg_stat_get_xact_tuples_deleted(c.oid) <> 0)";

/// `c.xmin` is the transaction that wrote the table's own row last: `truncate` and changes of a
/// table's structure do, and count no rows.
const END: &str = "select c.oid::bigint, r.oid::bigint, \
       (case when pg_table_is_visible(r.oid) then '' else n.nspname || '.' end) || r.relname, \
       pg_stat_get_xact_tuples_inserted(c.oid), pg_stat_get_xact_tuples_updated(c.oid), \
       pg_stat_get_xact_tuples_deleted(c.oid), c.xmin = (select pg_current_xact_id_if_assigned()::xid), \
       (select string_agg(u.place::text, ' ') from unnest(?::text[]) with ordinality as u(name, place) \
         where coalesce(pg_partition_root(to_regclass(u.name)), to_regclass(u.name)) = r.oid) \
     from pg_class c \
     join pg_class r on r.oid = coalesce(pg_partition_root(c.oid), c.oid) \
     join pg_namespace n on n.oid = r.relnamespace \
     where c.oid >= 16384 and c.relkind in ('r', 'm') and c.relpersistence <> 't' \
     and (pg_stat_get_xact_tuples_inserted(c.oid) <> 0 or pg_stat_get_xact_tuples_updated(c.oid) <> 0 \
       or pg_stat_get_xact_tuples_deleted(c.oid) <> 0 or c.xmin = (select pg_current_xact_id_if_assigned()::xid))";

/// Rows inserted, updated and deleted.
pub(super) type Changes = [i64; 3];

/// What the session had counted when the transaction began, by table.
pub(super) type Beginning = BTreeMap<i64, Changes>;

pub(super) async fn beginning(session: &mut dyn SqlSession) -> Result<Beginning, DatabaseError> {
    let statement = Statement::plain(COUNTING, BEGINNING);
    let rows = session.query(&statement).await?;
    let mut counts: Beginning = rows
        .iter()
        .map(|row| (integer(row, 0), changes(row, 1)))
        .collect();
    if counts.remove(&0) == Some([1, 0, 0]) {
        return Ok(counts);
    }
    Err(DatabaseError::new(COUNTING, Failure::Unusable(
        "the database does not count what changes: `track_counts` is off, so nothing would show that only the right rows go\nhint: alter role … set track_counts = on, for kigen's role"
            .to_owned(),
    )))
}

/// A table with its partitions: a row may go from any of them.
struct Family {
    name: String,
    names: BTreeSet<usize>,
    changes: Changes,
    is_partitioned: bool,
    is_altered: bool,
}

pub(super) async fn counted(
    session: &mut dyn SqlSession,
    beginning: &Beginning,
    names: &[Arc<str>],
) -> Result<Vec<Counted>, DatabaseError> {
    // What a deferred trigger or key puts off until the commit would happen after the count.
    let put_off = "set constraints all immediate";
    let statement = Statement::plain("do what waits for the commit", put_off);
    session.execute(&statement).await?;
    let spelled = names.iter().map(|name| Some(name.to_string())).collect();
    let statement = Statement::of("count what changed", END, [Arg::TextArray(spelled)]);
    let mut families: BTreeMap<i64, Family> = BTreeMap::new();
    for row in session.query(&statement).await? {
        let (oid, root) = (integer(&row, 0), integer(&row, 1));
        let before = beginning.get(&oid).copied().unwrap_or_default();
        let family = families.entry(root).or_insert_with(|| Family {
            name: text(&row, 2),
            names: places(&text(&row, 7)),
            changes: Changes::default(),
            is_partitioned: false,
            is_altered: false,
        });
        family.is_partitioned |= oid != root;
        family.is_altered |= row.get(6) == Some(&Value::Bool(true));
        for (sum, (now, before)) in family
            .changes
            .iter_mut()
            .zip(changes(&row, 3).into_iter().zip(before))
        {
            *sum += now - before;
        }
    }
    let tally = session.tally().clone();
    Ok(families
        .into_values()
        .flat_map(|family| family.counted(names, &tally))
        .collect())
}

impl Family {
    fn counted(mut self, names: &[Arc<str>], tally: &Tally) -> Vec<Counted> {
        if self.is_partitioned && self.is_only_updated(names, tally) {
            // An update that moves a row to another partition counts as a deletion and an insertion.
            let moved = self.changes[0].min(self.changes[2]);
            self.changes[0] -= moved;
            self.changes[1] += moved;
            self.changes[2] -= moved;
        }
        let operations = [Operation::Insert, Operation::Update, Operation::Delete];
        let mut counted: Vec<Counted> = operations
            .into_iter()
            .zip(self.changes)
            .filter_map(|(operation, rows)| {
                let rows = u64::try_from(rows).ok().filter(|rows| *rows > 0)?;
                Some(Counted {
                    table: self.name.clone(),
                    names: self.names.clone(),
                    operation: Some(operation),
                    rows,
                })
            })
            .collect();
        if self.is_altered || self.changes.iter().any(|rows| *rows < 0) {
            counted.push(Counted {
                table: format!("{} (emptied, or its structure changed)", self.name),
                names: BTreeSet::new(),
                operation: None,
                rows: 0,
            });
        }
        counted
    }

    fn is_only_updated(&self, names: &[Arc<str>], tally: &Tally) -> bool {
        let of_this = |table: &Arc<str>| {
            let place = names.binary_search(table);
            place.is_ok_and(|place| self.names.contains(&place))
        };
        let mut stated = tally.iter().filter(|(writes, _)| of_this(&writes.table));
        stated.all(|(writes, _)| writes.operation == Operation::Update)
    }
}

/// `with ordinality` counts from one.
fn places(text: &str) -> BTreeSet<usize> {
    let places = text.split_whitespace();
    let places = places.filter_map(|place| place.parse::<usize>().ok()?.checked_sub(1));
    places.collect()
}

fn changes(row: &Row, at: usize) -> Changes {
    [integer(row, at), integer(row, at + 1), integer(row, at + 2)]
}

fn integer(row: &Row, at: usize) -> i64 {
    match row.get(at) {
        Some(Value::Int(number)) => *number,
        _ => 0,
    }
}

fn text(row: &Row, at: usize) -> String {
    row.get(at).and_then(Value::store_text).unwrap_or_default()
}
