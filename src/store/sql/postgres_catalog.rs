//! What PostgreSQL's catalog says about tables.

use kigen_evidence::value::Value;

use super::catalog::{
    Collation, ColumnFacts, ColumnType, ForeignKeyFacts, RelationKind, TableFacts,
};
use super::survey::count;
use crate::database::session::{Row, SqlSession};
use crate::database::statement::{Arg, Statement};
use crate::job::TableName;
use crate::store::error::StoreError;

/// The relation of a name: the one of the schema `?2`, or the one that the search path finds. Triggers
/// of foreign keys are internal.
const RELATION: &str = "select c.oid::bigint, c.relkind::text, c.relhasrules or exists (select 1 from pg_trigger g \
       where not g.tgisinternal and g.tgenabled <> 'D' \
       and (g.tgrelid = c.oid or g.tgrelid in (select p.relid from pg_partition_tree(c.oid) p))), n.nspname::text \
     from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relname = ?1 \
     and case when ?2 = '' then pg_table_is_visible(c.oid) else n.nspname = ?2 end";

const COLUMNS: &str = "select a.attname::text, format_type(a.atttypid, a.atttypmod), t.typname::text, \
     a.attnotnull, a.attgenerated::text <> '' or a.attidentity::text = 'a', \
     case when a.atttypid in (1042, 1043) and a.atttypmod > 4 then a.atttypmod - 4 end, \
     case when p.typnamespace = 'pg_catalog'::regnamespace then p.typname::text else format_type(p.oid, null) end, \
     l.collname::text, l.collisdeterministic, \
     p.typtype in ('c', 'e', 'm', 'r') or p.typcategory = 'A' or exists (select 1 from pg_opclass o \
       join pg_am m on m.oid = o.opcmethod where m.amname in ('btree', 'hash') and o.opcdefault and (o.opcintype = p.oid \
         or exists (select 1 from pg_cast k where k.castsource = p.oid and k.casttarget = o.opcintype and k.castmethod = 'b' and k.castcontext = 'i'))) \
     from pg_attribute a join pg_type t on t.oid = a.atttypid \
     cross join lateral (with recursive b(oid) as (select t.oid union all \
         select d.typbasetype from b join pg_type d on d.oid = b.oid where d.typtype = 'd') \
       select p.* from b join pg_type p on p.oid = b.oid where p.typtype <> 'd') as p \
     left join pg_collation l on l.oid = a.attcollation and l.collname <> 'default' \
     where a.attrelid = ?1::oid and a.attnum > 0 and not a.attisdropped order by a.attnum";

/// One row for each column of each usable unique index, in the index's order: not of a deferrable one,
/// and not of a table with rows in children, over which no index reaches.
///
/// The last column says whether the index makes the column unique by what `=` calls equal: the column
/// is not null, its texts are compared exactly or by the index's collation, and the index compares
/// by the type's own operators (by citext's, and not by text's).
const UNIQUE_KEYS: &str = "select i.indexrelid::bigint, a.attname::text, a.attnotnull \
       and (i.indcollation[k.place::int - 1] in (0, a.attcollation) \
         or coalesce((select l.collisdeterministic from pg_collation l where l.oid = a.attcollation), true)) \
       and o.opcdefault and (o.opcintype = b.type or not exists (select 1 from pg_opclass d \
         where d.opcmethod = o.opcmethod and d.opcdefault and d.opcintype = b.type)) \
     from pg_index i cross join lateral unnest(i.indkey::int2[]) with ordinality as k(attnum, place) \
     join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum \
     join pg_class c on c.oid = i.indrelid \
     join pg_opclass o on o.oid = i.indclass[k.place::int - 1] \
     cross join lateral (with recursive b(oid) as (select a.atttypid union all \
         select d.typbasetype from b join pg_type d on d.oid = b.oid where d.typtype = 'd') \
       select p.oid as type from b join pg_type p on p.oid = b.oid where p.typtype <> 'd') as b \
     where i.indrelid = ?1::oid and i.indisunique and i.indisvalid and i.indimmediate \
     and i.indpred is null and i.indexprs is null and k.place <= i.indnkeyatts \
     and (c.relkind = 'p' or not exists (select 1 from pg_inherits h where h.inhparent = c.oid)) \
     order by i.indisprimary desc, i.indexrelid, k.place";

/// One row for each column of each foreign key onto the table.
const FOREIGN_KEYS: &str = "select k.oid::bigint, n.nspname::text, c.relname::text, theirs.attname::text, ours.attname::text, \
     exists (select 1 from pg_index i where i.indrelid = k.conrelid and i.indisvalid and i.indpred is null \
       and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey) \
     from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace \
     cross join lateral unnest(k.conkey, k.confkey) as u(theirs, ours) \
     join pg_attribute theirs on theirs.attrelid = k.conrelid and theirs.attnum = u.theirs \
     join pg_attribute ours on ours.attrelid = k.confrelid and ours.attnum = u.ours \
     where k.contype = 'f' and k.confrelid = ?1::oid and k.conparentid = 0 order by k.oid, theirs.attnum";

const BLOCKS: &str = "select coalesce(max(pg_relation_size(p.relid)), 0) / current_setting('block_size')::bigint \
     from pg_partition_tree(to_regclass(?1)) p where p.isleaf";

const TABLE_BLOCKS: &str =
    "select pg_relation_size(to_regclass(?1)) / current_setting('block_size')::bigint";

/// `schema.table` in the form that `to_regclass` reads.
fn regclass(name: &TableName) -> Arg {
    Arg::Text(super::dialect::table(name))
}

/// The facts of a table, or `None` if there is none of this name.
pub(crate) async fn table(
    session: &mut dyn SqlSession,
    name: &TableName,
) -> Result<Option<TableFacts>, StoreError> {
    let doing = format!("read the schema of `{name}`");
    let schema = name.schema.clone().unwrap_or_default();
    let values = [Arg::Text(name.name.clone()), Arg::Text(schema)];
    let relation = Statement::of(doing.clone(), RELATION, values);
    let found = session.query(&relation).await?;
    let Some(row) = found.first() else {
        return Ok(None);
    };
    let (Value::Int(oid), Some(kind)) = (&row[0], row[1].store_text()) else {
        return Ok(None);
    };
    let mut ask = async |sql: &'static str| {
        let statement = Statement::of(doing.clone(), sql, [Arg::Int(*oid)]);
        session.query(&statement).await
    };
    let columns = ask(COLUMNS).await?;
    let keys = ask(UNIQUE_KEYS).await?;
    let foreign = ask(FOREIGN_KEYS).await?;
    Ok(Some(TableFacts {
        name: name.clone(),
        relation: TableName {
            schema: Some(text(row, 3)),
            name: name.name.clone(),
        },
        id: *oid,
        kind: relation_kind(&kind),
        columns: columns.iter().map(column).collect(),
        unique_keys: unique_keys(&keys),
        referenced_by: foreign_keys(&foreign),
        has_triggers: is_true(row, 2),
    }))
}

pub(super) fn relation_kind(kind: &str) -> RelationKind {
    match kind {
        "r" => RelationKind::Table,
        "p" => RelationKind::PartitionedTable,
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::ForeignTable,
        _ => RelationKind::Other,
    }
}

pub(super) fn text(row: &Row, at: usize) -> String {
    row.get(at).and_then(Value::store_text).unwrap_or_default()
}

pub(super) fn is_true(row: &Row, at: usize) -> bool {
    row.get(at) == Some(&Value::Bool(true))
}

fn column(row: &Row) -> ColumnFacts {
    let characters = row
        .get(5)
        .and_then(count)
        .and_then(|count| u32::try_from(count).ok());
    ColumnFacts {
        name: text(row, 0),
        type_name: text(row, 1),
        column_type: column_type(&text(row, 2), characters),
        nullable: !is_true(row, 3),
        generated: is_true(row, 4),
        family: family(&text(row, 6)),
        has_equality: is_true(row, 9),
        collation: collation(row),
    }
}

fn collation(row: &Row) -> Option<Collation> {
    let name = row.get(7).and_then(Value::store_text)?;
    Some(Collation {
        name,
        exact: is_true(row, 8),
    })
}

/// Integers and decimals are compared as numbers of any size, the types of text as text.
fn family(base: &str) -> String {
    match base {
        "int2" | "int4" | "int8" | "numeric" => "number".to_owned(),
        "text" | "varchar" | "bpchar" | "name" => "text".to_owned(),
        base => base.to_owned(),
    }
}

fn column_type(name: &str, characters: Option<u32>) -> ColumnType {
    match name {
        "bool" => ColumnType::Bool,
        "int2" => ColumnType::Int { bits: 16 },
        "int4" => ColumnType::Int { bits: 32 },
        "int8" => ColumnType::Int { bits: 64 },
        "text" | "varchar" | "bpchar" | "name" => ColumnType::Text { characters },
        "bytea" => ColumnType::Bytes,
        "uuid" => ColumnType::Uuid,
        "date" => ColumnType::Date,
        "timestamptz" => ColumnType::Instant,
        "timestamp" => ColumnType::LocalTime,
        "numeric" => ColumnType::Decimal,
        _ => ColumnType::Other,
    }
}

/// Sets of columns that are unique and not null.
fn unique_keys(rows: &[Row]) -> Vec<Vec<String>> {
    let mut keys: Vec<(String, bool, Vec<String>)> = Vec::new();
    for row in rows {
        let index = text(row, 0);
        if keys.last().is_none_or(|(last, ..)| *last != index) {
            keys.push((index, true, Vec::new()));
        }
        if let Some((_, not_null, columns)) = keys.last_mut() {
            *not_null &= is_true(row, 2);
            columns.push(text(row, 1));
        }
    }
    keys.into_iter()
        .filter(|(_, not_null, _)| *not_null)
        .map(|(_, _, columns)| columns)
        .collect()
}

fn foreign_keys(rows: &[Row]) -> Vec<ForeignKeyFacts> {
    let mut keys: Vec<(String, ForeignKeyFacts)> = Vec::new();
    for row in rows {
        let constraint = text(row, 0);
        if keys.last().is_none_or(|(last, _)| *last != constraint) {
            let facts = ForeignKeyFacts {
                table: TableName {
                    schema: Some(text(row, 1)),
                    name: text(row, 2),
                },
                columns: Vec::new(),
                indexed: is_true(row, 5),
            };
            keys.push((constraint, facts));
        }
        if let Some((_, facts)) = keys.last_mut() {
            facts.columns.push((text(row, 3), text(row, 4)));
        }
    }
    keys.into_iter().map(|(_, facts)| facts).collect()
}

/// The number of blocks of the table, or of the largest of its partitions: a range of blocks on a
/// partitioned table means that range of each partition.
pub(crate) async fn blocks(
    session: &mut dyn SqlSession,
    name: &TableName,
) -> Result<u64, StoreError> {
    let doing = format!("read the size of `{name}`");
    let mut most = 0;
    for sql in [TABLE_BLOCKS, BLOCKS] {
        let rows = session
            .query(&Statement::of(doing.clone(), sql, [regclass(name)]))
            .await?;
        let blocks = rows.first().and_then(|row| row.first()).and_then(count);
        most = most.max(blocks.unwrap_or_default());
    }
    Ok(most)
}

/// Whether kigen's own tables are there, in this version.
pub(crate) async fn has_journal(
    session: &mut dyn SqlSession,
    schema: &str,
) -> Result<bool, StoreError> {
    let mut present = true;
    for table in ["fence", "journal", "intent", "marker"] {
        let name = TableName {
            schema: Some(schema.to_owned()),
            name: table.to_owned(),
        };
        let statement = Statement::of(
            "look for the journal",
            "select to_regclass(?1) is not null",
            [regclass(&name)],
        );
        let rows = session.query(&statement).await?;
        present &= rows.first().is_some_and(|row| is_true(row, 0));
    }
    let marker = TableName {
        schema: Some(schema.to_owned()),
        name: "marker".to_owned(),
    };
    let statement = Statement::of(
        "look for the journal",
        "select exists (select 1 from pg_attribute where attrelid = to_regclass(?1) \
         and attname = 'content' and not attisdropped)",
        [regclass(&marker)],
    );
    let rows = session.query(&statement).await?;
    Ok(present && rows.first().is_some_and(|row| is_true(row, 0)))
}

/// The name of a table with its schema, as the database writes it, or `None` if there is none.
pub(crate) async fn relation(
    session: &mut dyn SqlSession,
    name: &TableName,
) -> Result<Option<String>, StoreError> {
    let statement = Statement::of(
        format!("look for `{name}`"),
        "select n.nspname::text, c.relname::text from pg_class c \
         join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass(?1)",
        [regclass(name)],
    );
    let rows = session.query(&statement).await?;
    Ok(rows.first().map(|row| {
        let name = TableName {
            schema: Some(text(row, 0)),
            name: text(row, 1),
        };
        name.to_string()
    }))
}
