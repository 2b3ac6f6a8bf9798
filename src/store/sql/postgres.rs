//! PostgreSQL as a store, and how to open it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Connection;

use super::backend::Backend;
use super::catalog::TableFacts;
use super::columns::Pinned;
use super::dialect::Dialect;
use super::store::SqlStore;
use super::whole::Reading;
use super::{postgres_catalog, postgres_inspection};
use crate::database::Database as _;
use crate::database::error::{DatabaseError, Failure};
use crate::database::postgres::{self, PostgresDatabase, Protection, Server, SessionSettings};
use crate::database::session::SqlSession;
use crate::job::TableName;
use crate::store::error::StoreError;
use crate::store::inspection::{Relation, Right};

/// The oldest PostgreSQL whose planner knows TID ranges.
const OLDEST_VERSION: u32 = 140_000;

/// How to open a PostgreSQL store.
#[derive(Clone)]
pub struct PostgresOptions {
    /// The store's name in `kigen.toml`.
    pub name: String,
    /// May hold a password; never printed.
    pub url: String,
    /// Scheme, host, port and database, for messages.
    pub address: String,
    /// The schema of kigen's own tables.
    pub journal_schema: String,
    /// Batches at the same time.
    pub connections: u32,
    /// How long a batch waits for rows that others have locked.
    pub lock_timeout: Duration,
    /// How long one statement of a batch may take; surveys are not bounded.
    pub statement_timeout: Option<Duration>,
    /// Whether every session is read-only.
    pub read_only: bool,
}

struct PostgresBackend {
    options: PostgresOptions,
    database: PostgresDatabase,
    engine: String,
    pinned: Pinned,
}

/// Opens a PostgreSQL store.
pub async fn open_postgres(options: PostgresOptions) -> Result<SqlStore, StoreError> {
    let settings = SessionSettings {
        read_only: options.read_only,
        lock_timeout: options.lock_timeout,
        statement_timeout: None,
        catalog_first: true,
    };
    let server =
        Server::at(&options.url, "kigen", settings).map_err(|error| StoreError::Unreachable {
            store: options.name.clone(),
            address: options.address.clone(),
            reason: error.to_string(),
        })?;
    let (version, named) = server_version(&options, &server).await?;
    if version.parse::<u32>().unwrap_or_default() < OLDEST_VERSION {
        return Err(StoreError::Unusable(format!(
            "store `{}` is PostgreSQL {named}; kigen needs 14 or later",
            options.name
        )));
    }
    match postgres::protection(&options.url) {
        Protection::InClear => tracing::warn!(
            store.name = options.name,
            "the connection to store `{}` at {} is not encrypted, as its URL says",
            options.name,
            options.address
        ),
        Protection::Encrypted => tracing::warn!(
            store.name = options.name,
            "store `{}` at {} is not known by a certificate: another server could answer in its place\n\
             hint: `sslmode=verify-full` in its URL",
            options.name,
            options.address
        ),
        Protection::Local | Protection::Authenticated | Protection::Unsaid => {}
    }
    let number = named.split_whitespace().next().unwrap_or(&named);
    Ok(SqlStore::new(Box::new(PostgresBackend {
        engine: format!("PostgreSQL {number}"),
        database: PostgresDatabase::new(
            server,
            options.connections + 2,
            Some(options.journal_schema.clone()),
        )
        .with_statement_timeout(options.statement_timeout),
        options,
        pinned: Pinned::default(),
    })))
}

/// Logs in outside the pool: a pool tries for as long as it may, and forgets the reason.
async fn server_version(
    options: &PostgresOptions,
    server: &Server,
) -> Result<(String, String), StoreError> {
    const DOING: &str = "read the server's version";
    let connected = server.check().await;
    let mut connection = connected
        .map_err(|error| connect_error(options, DatabaseError::of_session(DOING, error)))?;
    let sql = "select current_setting('server_version_num'), current_setting('server_version')";
    let failed = |error| DatabaseError::of_driver(DOING, error);
    let version = sqlx::query_as(sql)
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok(version)
}

fn connect_error(options: &PostgresOptions, error: DatabaseError) -> StoreError {
    let store = options.name.clone();
    let address = options.address.clone();
    let reason = match error.failure {
        Failure::UnsafeSession(reason) => {
            return StoreError::UnsafeSession {
                store,
                address,
                reason,
            };
        }
        Failure::Credentials => return StoreError::Refused { store, address },
        Failure::NoDatabase | Failure::TooManyConnections => error.failure.meaning().to_owned(),
        Failure::NoConnection(reason) => reason,
        _ if error.code.len() == 5 => format!("the server answered SQLSTATE {}", error.code),
        _ => "the connection could not be made".to_owned(),
    };
    StoreError::Unreachable {
        store,
        address,
        reason,
    }
}

#[async_trait]
impl Backend for PostgresBackend {
    fn dialect(&self) -> &dyn Dialect {
        self.database.spelling()
    }

    fn engine(&self) -> &str {
        &self.engine
    }

    fn name(&self) -> &str {
        &self.options.name
    }

    fn workers(&self) -> usize {
        usize::try_from(self.options.connections).unwrap_or(1)
    }

    async fn session(&self) -> Result<Box<dyn SqlSession>, StoreError> {
        let session = self.database.session().await;
        session.map_err(|error| connect_error(&self.options, error))
    }

    async fn table(
        &self,
        session: &mut dyn SqlSession,
        name: &TableName,
    ) -> Result<Option<TableFacts>, StoreError> {
        postgres_catalog::table(session, name).await
    }

    async fn relation(
        &self,
        session: &mut dyn SqlSession,
        name: &TableName,
    ) -> Result<Option<String>, StoreError> {
        postgres_catalog::relation(session, name).await
    }

    fn pinned(&self) -> &Pinned {
        &self.pinned
    }

    async fn surroundings(
        &self,
        session: &mut dyn SqlSession,
        table: &TableFacts,
    ) -> Result<Relation, StoreError> {
        postgres_inspection::relation(session, table).await
    }

    async fn own_tables(
        &self,
        session: &mut dyn SqlSession,
    ) -> Result<BTreeMap<String, BTreeSet<Right>>, StoreError> {
        postgres_inspection::own_tables(session, &self.options.journal_schema).await
    }

    fn not_seen(&self) -> &'static [&'static str] {
        postgres_inspection::NOT_SEEN
    }

    async fn blocks(
        &self,
        session: &mut dyn SqlSession,
        name: &TableName,
    ) -> Result<u64, StoreError> {
        postgres_catalog::blocks(session, name).await
    }

    async fn traces(&self, _session: &mut dyn SqlSession) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    async fn settle(&self, _session: &mut dyn SqlSession) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    fn reading(&self) -> (Reading, &str) {
        (Reading::Postgres, &self.options.journal_schema)
    }

    async fn journal_is_migrated(&self, session: &mut dyn SqlSession) -> Result<bool, StoreError> {
        postgres_catalog::has_journal(session, &self.options.journal_schema).await
    }
}
