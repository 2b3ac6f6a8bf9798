//! What PostgreSQL's catalog says of everything that surrounds a table.

use std::collections::{BTreeMap, BTreeSet};

use kigen_evidence::digest::Sha256;
use kigen_evidence::value::Value;

use super::catalog::TableFacts;
use super::postgres_catalog::{is_true, relation_kind, text};
use crate::database::session::{Row, SqlSession};
use crate::database::statement::{Arg, Statement};
use crate::job::Operation;
use crate::store::error::StoreError;
use crate::store::inspection::{
    Check, Column, ForeignKey, KeyAction, Part, Publication, Relation, Right, Rights, RowSecurity,
    Trigger, TriggerKind, UniqueIndex,
};

/// What no look at a PostgreSQL database shows.
pub(crate) const NOT_SEEN: &[&str] = &[
    "event triggers, and what they do",
    "what functions do that triggers call: their text is looked at, what it calls in turn is not",
    "other databases: subscribers of publications, dblink, foreign servers",
    "dumps, replicas, and copies that applications keep",
];

/// `down`: the relation `?1`, its partitions and the tables that inherit from it. `up`: itself and
/// what it is a partition of. A foreign key onto any of them is one onto rows of the relation.
const FAMILY: &str = "with recursive \
     down(oid) as (select ?1::oid union select i.inhrelid from pg_inherits i join down d on d.oid = i.inhparent), \
     up(oid) as (select ?1::oid union select i.inhparent from pg_inherits i join up u on u.oid = i.inhrelid \
       join pg_class c on c.oid = i.inhrelid where c.relispartition), \
     family(oid) as (select oid from down union select oid from up) ";

const COLUMNS: &str = "select a.attname::text, exists (select 1 from pg_partitioned_table p \
       where p.partrelid in (select oid from family) and a.attnum = any (p.partattrs::int2[])) \
     from pg_attribute a where a.attrelid = ?1::oid and a.attnum > 0 and not a.attisdropped";

const PARTS: &str = "select n.nspname || '.' || c.relname, c.relkind::text, c.relispartition, \
       c.oid in (select oid from down), \
       exists (select 1 from pg_inherits i where i.inhrelid = c.oid and i.inhdetachpending), \
       NO_IDENTITY, c.oid = ?1::oid \
     from family f join pg_class c on c.oid = f.oid join pg_namespace n on n.oid = c.relnamespace \
     order by 1";

/// Whether a table whose changes are published cannot say which row changed.
const NO_IDENTITY: &str = "(c.relkind = 'r' and c.relpersistence = 'p' and not (c.relreplident = 'f' \
       or exists (select 1 from pg_index i where i.indrelid = c.oid and i.indisvalid \
         and (c.relreplident = 'd' and i.indisprimary and i.indimmediate or c.relreplident = 'i' and i.indisreplident))))";

/// One row for each column of each foreign key onto the family. Keys that the database made itself for
/// the partitions of one are left out.
const REFERENCED_BY: &str = "select k.oid::bigint, k.conname::text, tn.nspname || '.' || tc.relname, \
       ours.attname::text, pn.nspname || '.' || pc.relname, theirs.attname::text, \
       k.confdeltype::text, k.confupdtype::text, k.condeferrable, k.convalidated, INDEXED, \
       (with recursive a(oid) as (select k.conrelid union select i.inhparent from pg_inherits i join a on a.oid = i.inhrelid) \
         select string_agg(a.oid::text, ',') from a) \
     from pg_constraint k \
     join pg_class tc on tc.oid = k.conrelid join pg_namespace tn on tn.oid = tc.relnamespace \
     join pg_class pc on pc.oid = k.confrelid join pg_namespace pn on pn.oid = pc.relnamespace \
     cross join lateral unnest(k.conkey, k.confkey) with ordinality as u(ours, theirs, place) \
     join pg_attribute ours on ours.attrelid = k.conrelid and ours.attnum = u.ours \
     join pg_attribute theirs on theirs.attrelid = k.confrelid and theirs.attnum = u.theirs \
     where k.contype = 'f' and k.conparentid = 0 and WHERE \
     order by 3, 2, k.oid, u.place";

const INDEXED: &str = "exists (select 1 from pg_index i where i.indrelid = k.conrelid and i.indisvalid and i.indpred is null \
       and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)";

/// Triggers that a statement on the relation sets off: all of its own, and those for each row of the
/// rest of the family. What the database made itself (for foreign keys, for partitions) is left out,
/// and so is what is disabled.
const TRIGGERS: &str = "select g.tgname::text, n.nspname || '.' || c.relname, g.tgtype::int, \
       (select string_agg(a.attname::text, chr(31) order by a.attnum) from pg_attribute a \
         where a.attrelid = g.tgrelid and a.attnum = any (g.tgattr::int2[])), \
       pn.nspname || '.' || p.proname, pg_get_triggerdef(g.oid), coalesce(p.prosrc, ''), l.lanname::text \
     from pg_trigger g join family f on f.oid = g.tgrelid \
     join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace \
     join pg_proc p on p.oid = g.tgfoid join pg_namespace pn on pn.oid = p.pronamespace \
     join pg_language l on l.oid = p.prolang \
     where not g.tgisinternal and g.tgparentid = 0 and g.tgenabled in ('O', 'A') \
     and (g.tgrelid = ?1::oid or g.tgtype & 1 = 1) order by 2, 1";

const RULES: &str = "select r.rulename::text, n.nspname || '.' || c.relname, r.ev_type::text, pg_get_ruledef(r.oid) \
     from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace \
     where r.ev_class = ?1::oid and r.rulename <> '_RETURN' and r.ev_enabled in ('O', 'A') and r.ev_type in ('2', '3', '4') \
     order by 1";

const ROW_SECURITY: &str = "select c.relrowsecurity, c.relforcerowsecurity, row_security_active(c.oid), \
       (select string_agg(p.polname::text, chr(31) order by p.polname) from pg_policy p where p.polrelid = c.oid), \
       pg_has_role(c.relowner, 'usage'), quote_ident(current_user) \
     from pg_class c where c.oid = ?1::oid";

const PUBLICATIONS: &str = "select distinct p.pubname::text, p.pubdelete, p.pubupdate from pg_publication p \
     join pg_publication_tables t on t.pubname = p.pubname join pg_namespace n on n.nspname = t.schemaname \
     join pg_class c on c.relnamespace = n.oid and c.relname = t.tablename \
     where c.oid in (select oid from family) order by 1";

const MATERIALIZED_VIEWS: &str = "over(oid) as (\
       select r.ev_class from pg_depend d join pg_rewrite r on r.oid = d.objid \
         where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass \
         and d.refobjid in (select oid from family) \
       union select r.ev_class from over o join pg_depend d on d.refobjid = o.oid and d.refclassid = 'pg_class'::regclass \
         and d.classid = 'pg_rewrite'::regclass join pg_rewrite r on r.oid = d.objid) \
     select n.nspname || '.' || c.relname from over o join pg_class c on c.oid = o.oid \
     join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'm' order by 1";

const ALIKE: &str = "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace \
     where c.relkind in ('r', 'p', 'f') and c.relpersistence <> 't' and not c.relispartition \
     and c.oid not in (select oid from family) and n.nspname not in ('pg_catalog', 'information_schema') \
     and not exists (select 1 from pg_attribute a where a.attrelid = ?1::oid and a.attnum > 0 and not a.attisdropped \
       and not exists (select 1 from pg_attribute b where b.attrelid = c.oid and b.attname = a.attname \
         and b.atttypid = a.atttypid and b.attnum > 0 and not b.attisdropped)) order by 1";

const UNIQUE_INDEXES: &str = "select ic.relname::text, \
       (select string_agg(a.attname::text, chr(31) order by a.attnum) from pg_attribute a where a.attrelid = i.indrelid \
         and (a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1]) or exists (select 1 from pg_depend d \
           where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid and d.refclassid = 'pg_class'::regclass \
           and d.refobjid = i.indrelid and d.refobjsubid = a.attnum and (i.indexprs is not null or i.indpred is not null)))), \
       i.indpred is not null, i.indexprs is not null, \
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false), i.indisexclusion \
     from pg_index i join pg_class ic on ic.oid = i.indexrelid \
     where i.indrelid = ?1::oid and (i.indisunique or i.indisexclusion) and i.indislive order by 1";

/// The conditions of the table and those of the domains of its columns.
const CHECKS: &str = "select k.conname::text, (select string_agg(a.attname::text, chr(31) order by a.attnum) \
         from pg_attribute a where a.attrelid = k.conrelid and a.attnum = any (k.conkey)), false, \
       pg_get_expr(k.conbin, k.conrelid), null \
     from pg_constraint k where k.conrelid = ?1::oid and k.contype = 'c' \
     union all select k.conname::text, a.attname::text, true, pg_get_expr(k.conbin, 0), b.base \
     from pg_attribute a cross join lateral (with recursive b(oid) as (select a.atttypid union all \
         select d.typbasetype from b join pg_type d on d.oid = b.oid where d.typtype = 'd') \
       select b.oid, (select format_type(p.oid, null) from b join pg_type p on p.oid = b.oid where p.typtype <> 'd') as base from b) as b \
     join pg_constraint k on k.contypid = b.oid and k.contype = 'c' \
     where a.attrelid = ?1::oid and a.attnum > 0 and not a.attisdropped order by 3, 1, 2";

const RIGHTS: &str = "select has_schema_privilege(n.oid, 'usage'), has_table_privilege(c.oid, 'select'), \
       has_table_privilege(c.oid, 'insert'), has_table_privilege(c.oid, 'update'), has_table_privilege(c.oid, 'delete'), \
       (select string_agg(a.attname::text, chr(31) order by a.attnum) from pg_attribute a where a.attrelid = c.oid \
         and a.attnum > 0 and not a.attisdropped and has_column_privilege(c.oid, a.attnum, 'select')), \
       (select string_agg(a.attname::text, chr(31) order by a.attnum) from pg_attribute a where a.attrelid = c.oid \
         and a.attnum > 0 and not a.attisdropped and has_column_privilege(c.oid, a.attnum, 'update')), \
       quote_ident(current_user), quote_ident(n.nspname), quote_ident(n.nspname) || '.' || quote_ident(c.relname) \
     from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = ?1::oid";

/// Everything that surrounds `table`.
pub(crate) async fn relation(
    session: &mut dyn SqlSession,
    table: &TableFacts,
) -> Result<Relation, StoreError> {
    let doing = format!("look at what surrounds `{}`", table.name);
    let mut ask = async |sql: String| {
        let statement = Statement::of(doing.clone(), &sql, [Arg::Int(table.id)]);
        session.query(&statement).await
    };
    let family = |sql: &str| format!("{FAMILY}{sql}");
    let partitioning = ask(family(COLUMNS)).await?;
    let family_of = ask(family(&PARTS.replace("NO_IDENTITY", NO_IDENTITY))).await?;
    let keys = |condition: &str| {
        let sql = REFERENCED_BY.replace("INDEXED", INDEXED);
        family(&sql.replace("WHERE", condition))
    };
    let referenced_by = ask(keys("k.confrelid in (select oid from family)")).await?;
    let foreign_keys = ask(keys("k.conrelid in (select oid from family)")).await?;
    let mut triggers: Vec<Trigger> = ask(family(TRIGGERS)).await?.iter().map(trigger).collect();
    triggers.extend(ask(RULES.to_owned()).await?.iter().map(rule));
    let row_security = ask(ROW_SECURITY.to_owned()).await?;
    let publications = ask(family(PUBLICATIONS)).await?;
    let family_and_views = format!("{}, {MATERIALIZED_VIEWS}", FAMILY.trim_end());
    let materialized_views = ask(family_and_views).await?;
    let alike = ask(family(ALIKE)).await?;
    let unique_indexes = ask(UNIQUE_INDEXES.to_owned()).await?;
    let checks = ask(CHECKS.to_owned()).await?;
    let rights = ask(RIGHTS.to_owned()).await?;
    let partitions_by: Vec<String> = partitioning
        .iter()
        .filter(|row| is_true(row, 1))
        .map(|row| text(row, 0))
        .collect();
    let first = |rows: &[Row]| rows.iter().map(|row| text(row, 0)).collect();
    let (own, others): (Vec<&Row>, Vec<&Row>) = family_of.iter().partition(|row| is_true(row, 6));
    let (down, up): (Vec<&Row>, Vec<&Row>) = others.into_iter().partition(|row| is_true(row, 3));
    Ok(Relation {
        name: table.relation.to_string(),
        kind: table.kind,
        used_as: BTreeSet::new(),
        columns: columns(table, &partitions_by),
        unique_indexes: unique_indexes.iter().map(unique_index).collect(),
        checks: checks.iter().map(check).collect(),
        foreign_keys: self::foreign_keys(&foreign_keys),
        referenced_by: self::foreign_keys(&referenced_by),
        parts: down.into_iter().map(part).collect(),
        part_of: up.into_iter().map(|row| text(row, 0)).collect(),
        triggers,
        row_security: row_security.first().and_then(self::row_security),
        no_replica_identity: own.iter().any(|row| is_true(row, 5)),
        publications: publications.iter().map(publication).collect(),
        materialized_views: first(&materialized_views),
        alike: first(&alike),
        rights: rights.first().map(self::rights),
        id: table.id,
    })
}

/// What the database role may do with the tables of `schema`, by their names.
pub(crate) async fn own_tables(
    session: &mut dyn SqlSession,
    schema: &str,
) -> Result<BTreeMap<String, BTreeSet<Right>>, StoreError> {
    let sql = "select c.relname::text, has_table_privilege(c.oid, 'select'), has_table_privilege(c.oid, 'insert'), \
           has_table_privilege(c.oid, 'update'), has_table_privilege(c.oid, 'delete') \
         from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = ?1 and c.relkind = 'r' \
         and has_schema_privilege(n.oid, 'usage') order by 1";
    let schema = [Arg::Text(schema.to_owned())];
    let statement = Statement::of("look at the rights on kigen's own tables", sql, schema);
    let rows = session.query(&statement).await?;
    Ok(rows
        .iter()
        .map(|row| (text(row, 0), table_rights(row)))
        .collect())
}

/// The names in a column that joins them.
fn list(row: &Row, at: usize) -> Vec<String> {
    let joined = row.get(at).and_then(Value::store_text).unwrap_or_default();
    let names = joined.split('\u{1f}').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn columns(table: &TableFacts, partitions_by: &[String]) -> Vec<Column> {
    let columns = table.columns.iter();
    columns
        .map(|column| Column {
            name: column.name.clone(),
            r#type: column.type_name.clone(),
            nullable: column.nullable,
            generated: column.generated,
            partitions_by: partitions_by.contains(&column.name),
        })
        .collect()
}

fn unique_index(row: &Row) -> UniqueIndex {
    UniqueIndex {
        name: text(row, 0),
        columns: list(row, 1),
        partial: is_true(row, 2),
        expression: is_true(row, 3),
        nulls_are_equal: is_true(row, 4),
        excludes: is_true(row, 5),
    }
}

fn check(row: &Row) -> Check {
    Check {
        name: text(row, 0),
        columns: list(row, 1),
        of_domain: is_true(row, 2),
        expression: text(row, 3),
        value_type: row.get(4).and_then(Value::store_text),
    }
}

fn foreign_keys(rows: &[Row]) -> Vec<ForeignKey> {
    let mut keys: Vec<(String, ForeignKey)> = Vec::new();
    for row in rows {
        let identity = text(row, 0);
        if keys.last().is_none_or(|(last, _)| *last != identity) {
            let ids = text(row, 11);
            let key = ForeignKey {
                name: text(row, 1),
                table: text(row, 2),
                columns: Vec::new(),
                points_at: text(row, 4),
                their_columns: Vec::new(),
                on_delete: action(&text(row, 6)),
                on_update: action(&text(row, 7)),
                deferrable: is_true(row, 8),
                holds: is_true(row, 9),
                indexed: is_true(row, 10),
                table_ids: ids.split(',').filter_map(|id| id.parse().ok()).collect(),
            };
            keys.push((identity, key));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push(text(row, 3));
            key.their_columns.push(text(row, 5));
        }
    }
    keys.into_iter().map(|(_, key)| key).collect()
}

fn action(code: &str) -> KeyAction {
    match code {
        "c" => KeyAction::Cascade,
        "n" => KeyAction::SetNull,
        "d" => KeyAction::SetDefault,
        _ => KeyAction::NoAction,
    }
}

fn part(row: &Row) -> Part {
    Part {
        name: text(row, 0),
        kind: relation_kind(&text(row, 1)),
        partition: is_true(row, 2),
        detaching: is_true(row, 4),
        no_replica_identity: is_true(row, 5),
    }
}

fn trigger(row: &Row) -> Trigger {
    // Bits of `tgtype`, by PostgreSQL's `catalog/pg_trigger.h`.
    let bits = match row.get(2) {
        Some(Value::Int(bits)) => *bits,
        _ => 0,
    };
    let operations = [
        (4, Operation::Insert),
        (8, Operation::Delete),
        (16, Operation::Update),
    ];
    let operations = operations.into_iter().filter(|(bit, _)| bits & bit != 0);
    let (definition, source) = (text(row, 5), text(row, 6));
    let in_sql = matches!(text(row, 7).as_str(), "sql" | "plpgsql");
    Trigger {
        name: text(row, 0),
        table: text(row, 1),
        kind: TriggerKind::Trigger,
        operations: operations.map(|(_, operation)| operation).collect(),
        of_columns: list(row, 3),
        function: Some(text(row, 4)),
        sha256: Sha256::of(format!("{definition}\n{source}").as_bytes()),
        // Only these two languages are read for what they change.
        body: if in_sql { source } else { String::new() },
    }
}

fn rule(row: &Row) -> Trigger {
    let operation = match text(row, 2).as_str() {
        "2" => Operation::Update,
        "3" => Operation::Insert,
        _ => Operation::Delete,
    };
    let definition = text(row, 3);
    // `create rule … as on delete to … do also delete from …`
    let body = definition.split_once(" DO ").map_or("", |(_, body)| body);
    Trigger {
        name: text(row, 0),
        table: text(row, 1),
        kind: TriggerKind::Rule,
        operations: [operation].into(),
        of_columns: Vec::new(),
        function: None,
        sha256: Sha256::of(definition.as_bytes()),
        body: body.to_owned(),
    }
}

fn row_security(row: &Row) -> Option<RowSecurity> {
    let enabled = is_true(row, 0);
    let policies = list(row, 3);
    if !enabled && policies.is_empty() {
        return None;
    }
    Some(RowSecurity {
        enabled,
        forced: is_true(row, 1),
        applies: is_true(row, 2),
        policies,
        is_owner: is_true(row, 4),
        role: text(row, 5),
    })
}

fn publication(row: &Row) -> Publication {
    Publication {
        name: text(row, 0),
        deletes: is_true(row, 1),
        updates: is_true(row, 2),
    }
}

fn rights(row: &Row) -> Rights {
    let columns = [(Right::Select, list(row, 5)), (Right::Update, list(row, 6))];
    Rights {
        schema: is_true(row, 0),
        table: table_rights(row),
        columns: columns.into_iter().collect(),
        role: text(row, 7),
        quoted_schema: text(row, 8),
        quoted: text(row, 9),
    }
}

/// The rights in the four columns behind the first.
fn table_rights(row: &Row) -> BTreeSet<Right> {
    let rights = [Right::Select, Right::Insert, Right::Update, Right::Delete];
    let rights = rights.into_iter().enumerate();
    let held = rights.filter(|(place, _)| is_true(row, place + 1));
    held.map(|(_, right)| right).collect()
}
