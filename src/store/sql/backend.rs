//! What a database engine gives to the statements: sessions, a dialect, its catalog.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::catalog::TableFacts;
use super::columns::{Pinned, Tables};
use super::dialect::Dialect;
use super::marks::Marks;
use super::pass::uses_marker_table;
use super::whole::Reading;
use crate::database::session::SqlSession;
use crate::job::{Job, TableName};
use crate::store::error::StoreError;
use crate::store::inspection::{Relation, Right};

/// One database, of one engine.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    fn dialect(&self) -> &dyn Dialect;

    /// Product and version: `PostgreSQL 15.6`.
    fn engine(&self) -> &str;

    /// The store's name in `kigen.toml`.
    fn name(&self) -> &str;

    /// How many batches may run at the same time.
    fn workers(&self) -> usize;

    async fn session(&self) -> Result<Box<dyn SqlSession>, StoreError>;

    /// The facts of a table, or `None` if there is none of this name.
    async fn table(
        &self,
        session: &mut dyn SqlSession,
        name: &TableName,
    ) -> Result<Option<TableFacts>, StoreError>;

    /// The name of a table as the database itself writes it, whatever its spelling; `None` if there
    /// is no such table.
    async fn relation(
        &self,
        session: &mut dyn SqlSession,
        name: &TableName,
    ) -> Result<Option<String>, StoreError>;

    /// What the names of jobs stood for when they were first asked for.
    fn pinned(&self) -> &Pinned;

    /// Everything that surrounds a table.
    async fn surroundings(
        &self,
        session: &mut dyn SqlSession,
        table: &TableFacts,
    ) -> Result<Relation, StoreError>;

    /// What the database role may do with kigen's own tables, by their names; empty where the database
    /// has no rights.
    async fn own_tables(
        &self,
        session: &mut dyn SqlSession,
    ) -> Result<BTreeMap<String, BTreeSet<Right>>, StoreError>;

    /// What no look at such a database shows.
    fn not_seen(&self) -> &'static [&'static str];

    /// The number of physical blocks of a table; 0 where the engine has no such thing.
    async fn blocks(
        &self,
        session: &mut dyn SqlSession,
        name: &TableName,
    ) -> Result<u64, StoreError>;

    /// How the database is read as a whole, and the schema of kigen's own tables.
    fn reading(&self) -> (Reading, &str);

    /// Whether kigen's own tables are there, in this version.
    async fn journal_is_migrated(&self, session: &mut dyn SqlSession) -> Result<bool, StoreError>;

    /// Where rows that are removed may still be read afterwards, each in a sentence.
    async fn traces(&self, session: &mut dyn SqlSession) -> Result<Vec<String>, StoreError>;

    /// Moves into the tables what lies beside them. Returns what could not be moved, in sentences.
    async fn settle(&self, session: &mut dyn SqlSession) -> Result<Vec<String>, StoreError>;
}

/// Reads the facts of every table that `job` names; those that do not exist are left out.
pub(crate) async fn tables_of(
    backend: &dyn Backend,
    session: &mut dyn SqlSession,
    job: &Job,
) -> Result<Tables, StoreError> {
    let mut facts = BTreeMap::new();
    for name in Tables::named_by(job) {
        let pinned = backend.pinned().of(&name);
        if let Some(table) = backend.table(session, &pinned).await? {
            backend.pinned().keep(&name, &table.relation);
            let table = TableFacts {
                name: name.clone(),
                ..table
            };
            facts.insert(name, table);
        }
    }
    let marks = if uses_marker_table(job) {
        Some(Marks::load(backend, session, job).await?)
    } else {
        None
    };
    Ok(Tables::new(facts, marks))
}
