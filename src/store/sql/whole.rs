//! The whole database, row by row, as digests: what a rehearsal compares.

use kigen_evidence::value::Value;
use sha2::{Digest, Sha256};

use crate::database::dialect::quote;
use crate::database::session::{Row, SqlSession};
use crate::database::statement::Statement;
use crate::store::error::StoreError;

/// A table that holds rows, as a rehearsal knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeTable {
    /// `learner`, or with its schema where that must be said: a partition counts as its table.
    pub name: String,
    /// The name with its schema, in any case.
    pub full: String,
}

/// Takes the digest of each row of the database, table by table.
pub type DigestSink<'a> = &'a mut (dyn FnMut(&WholeTable, u64) -> Result<(), StoreError> + Send);

/// Tables with rows of their own; kigen's are left out.
const POSTGRES_TABLES: &str = "select (case when pg_table_is_visible(r.oid) then '' else rn.nspname || '.' end) || r.relname, \
       rn.nspname || '.' || r.relname, format('%I.%I', n.nspname, c.relname) \
     from pg_class c join pg_namespace n on n.oid = c.relnamespace \
     join pg_class r on r.oid = coalesce(pg_partition_root(c.oid), c.oid) join pg_namespace rn on rn.oid = r.relnamespace \
     where c.relkind = 'r' and c.relpersistence <> 't' and c.oid >= 16384 and n.nspname <> ?1 order by c.oid";

const SQLITE_TABLES: &str = "select name, name, name from pragma_table_list where schema = 'main' and type in ('table', 'shadow') \
     and name not like 'sqlite\\_%' escape '\\' and name not like 'kigen\\_%' escape '\\' order by name";

/// How an engine is read as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The database makes the digests.
    Postgres,
    Sqlite,
}

/// Hands on the digest of every row, in one snapshot.
pub(crate) async fn every_row(
    session: &mut dyn SqlSession,
    reading: Reading,
    own_schema: &str,
    sink: DigestSink<'_>,
) -> Result<(), StoreError> {
    const DOING: &str = "list the tables of the database";
    let statement = match reading {
        Reading::Postgres => Statement::of(DOING, POSTGRES_TABLES, [own_schema.into()]),
        Reading::Sqlite => Statement::plain(DOING, SQLITE_TABLES),
    };
    for row in session.query(&statement).await? {
        let text = |at: usize| row.get(at).and_then(Value::store_text).unwrap_or_default();
        let table = WholeTable {
            name: text(0),
            full: text(1),
        };
        let sql = match reading {
            Reading::Postgres => format!(
                "select hashtextextended(t::text, 0) from only {} as t",
                text(2)
            ),
            Reading::Sqlite => format!("select * from {}", quote(&text(2))),
        };
        let doing = format!("read every row of `{}`", table.name);
        let mut each = |row: Row| sink(&table, digest(&row, reading));
        session
            .stream(&Statement::plain(doing, sql), &mut each)
            .await?;
    }
    Ok(())
}

fn digest(row: &Row, reading: Reading) -> u64 {
    if let (Reading::Postgres, Some(Value::Int(digest))) = (reading, row.first()) {
        return u64::from_ne_bytes(digest.to_ne_bytes());
    }
    let mut hash = Sha256::new();
    for value in row {
        let (class, bytes) = match value {
            Value::Null => (0, Vec::new()),
            Value::Bytes(bytes) => (1, bytes.clone()),
            Value::Int(number) => (2, number.to_be_bytes().to_vec()),
            other => (3, other.store_text().unwrap_or_default().into_bytes()),
        };
        hash.update([class]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    let digest = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}
