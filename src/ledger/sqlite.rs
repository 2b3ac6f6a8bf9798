//! The ledger in an embedded SQLite file.

mod certificates;
mod log;

use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::SqliteConnection;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::sqlite::SqliteJournalMode;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::sqlite::SqliteSynchronous;

use super::Ledger;
use super::convert::EntryRow;
use super::convert::already_started;
use super::convert::body;
use super::convert::clocks;
use super::convert::migration_error;
use super::convert::moment;
use super::convert::not_migrated;
use super::convert::recorded;
use super::convert::run_key;
use super::convert::sqlite_error;
use super::entry::Entry;
use super::entry::RecordedEntry;
use super::error::LedgerError;
use super::error::LockError;
use super::files::lock_files;
use super::fold::RunRecord;
use super::fold::fold_runs;
use super::migrator;
use super::record::CertificateFilter;
use super::record::CertificateMatch;
use super::record::CertificateSummary;
use super::record::Clocks;
use super::record::Envelope;
use super::record::LedgerLock;
use super::record::NewCertificate;
use super::record::RunKey;
use super::record::Stored;

/// How long a writer waits for another one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections of one process; there is only ever one writer.
const CONNECTIONS: u32 = 4;

/// A ledger in a SQLite file.
#[derive(Debug)]
pub(super) struct SqliteLedger {
    options: SqliteConnectOptions,
    pool: SqlitePool,
}

impl SqliteLedger {
    /// Remembers where the ledger is; touches no file.
    pub(super) fn open(url: &str) -> Result<Self, LedgerError> {
        let options = SqliteConnectOptions::from_str(url).map_err(|_| LedgerError::BadUrl {
            problem: "cannot be read",
        })?;
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(LedgerError::BadUrl {
                problem: "names a ledger in memory, which would forget",
            });
        }
        // Evidence must be durable: in WAL mode FULL syncs the log at each commit.
        let options = options
            .create_if_missing(false)
            .foreign_keys(true)
            .synchronous(SqliteSynchronous::Full)
            // A destroyed key must not stay in a free page.
            .pragma("secure_delete", "on")
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_lazy_with(options.clone());
        Ok(Self { options, pool })
    }

    fn path(&self) -> &Path {
        self.options.get_filename()
    }

    /// The ledger's file by its one true name, or "not migrated" if there is none.
    fn existing_path(&self) -> Result<PathBuf, LedgerError> {
        self.path()
            .canonicalize()
            .map_err(|_| LedgerError::NotMigrated {
                missing: "its file does not exist".to_owned(),
            })
    }

    async fn reader(
        &self,
        action: &'static str,
    ) -> Result<sqlx::pool::PoolConnection<sqlx::Sqlite>, LedgerError> {
        self.existing_path()?;
        self.pool.acquire().await.map_err(failed(action))
    }

    /// A transaction that holds the one writer's place from its beginning.
    async fn writer(
        &self,
        action: &'static str,
    ) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, LedgerError> {
        self.existing_path()?;
        self.pool
            .begin_with("begin immediate")
            .await
            .map_err(failed(action))
    }

    async fn fetch_entries(
        &self,
        query: EntryQuery<'_>,
    ) -> Result<Vec<RecordedEntry>, LedgerError> {
        const ACTION: &str = "read entries";
        let mut connection = self.reader(ACTION).await?;
        let rows = query
            .fetch_all(&mut *connection)
            .await
            .map_err(failed(ACTION))?;
        rows.into_iter().map(recorded).collect()
    }
}

type EntryQuery<'q> =
    sqlx::query::QueryAs<'q, sqlx::Sqlite, EntryRow, sqlx::sqlite::SqliteArguments>;

fn failed(action: &'static str) -> impl Fn(sqlx::Error) -> LedgerError {
    move |error| sqlite_error(action, error)
}

async fn insert_entry(
    connection: &mut SqliteConnection,
    action: &'static str,
    run_id: Option<&str>,
    at: Timestamp,
    entry: &Entry,
) -> Result<i64, LedgerError> {
    sqlx::query_scalar(
        "insert into kigen_entry (run_id, at, kind, body) values ($1, $2, $3, $4) \
         returning entry_id",
    )
    .bind(run_id)
    .bind(moment(at))
    .bind(entry.kind())
    .bind(body(action, entry)?)
    .fetch_one(connection)
    .await
    .map_err(failed(action))
}

async fn has_started(connection: &mut SqliteConnection, run_id: &str) -> Result<bool, LedgerError> {
    sqlx::query_scalar(
        "select exists (select 1 from kigen_entry where run_id = $1 and kind = 'run-started')",
    )
    .bind(run_id)
    .fetch_one(connection)
    .await
    .map_err(failed("start a run"))
}

async fn commit(
    action: &'static str,
    transaction: sqlx::Transaction<'static, sqlx::Sqlite>,
) -> Result<(), LedgerError> {
    transaction.commit().await.map_err(failed(action))
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn migrate(&self, at: Timestamp) -> Result<Vec<String>, LedgerError> {
        const ACTION: &str = "migrate it";
        // The journal mode stays in the file; it cannot be changed inside a transaction.
        let mut connection = self
            .options
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .connect()
            .await
            .map_err(failed(ACTION))?;
        let applied = migrator::migrate_sqlite(&mut connection, &migrator::LEDGER_SQLITE, at)
            .await
            .map_err(|error| migration_error(error, sqlite_error))?;
        connection.close().await.map_err(failed(ACTION))?;
        Ok(applied)
    }

    async fn check_migrated(&self) -> Result<(), LedgerError> {
        let mut connection = self.reader("check its migrations").await?;
        let pending = migrator::pending_sqlite(&mut connection, &migrator::LEDGER_SQLITE)
            .await
            .map_err(|error| migration_error(error, sqlite_error))?;
        not_migrated(&pending)
    }

    async fn probe_writable(&self) -> Result<(), LedgerError> {
        const ACTION: &str = "write an entry";
        let mut transaction = self.writer(ACTION).await?;
        sqlx::query(
            "insert into kigen_entry (at, kind, body) \
             values ('1970-01-01T00:00:00.000000Z', 'probe', '{}')",
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed(ACTION))?;
        transaction.rollback().await.map_err(failed(ACTION))
    }

    async fn clocks(&self) -> Result<Clocks, LedgerError> {
        const ACTION: &str = "read its clock";
        let mut connection = self.reader(ACTION).await?;
        let last: Option<String> = sqlx::query_scalar(
            "select coalesce((select at from kigen_entry order by entry_id desc limit 1), \
                 (select max(applied_at) from kigen_migration))",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(failed(ACTION))?;
        clocks(None, last.as_deref())
    }

    async fn append(
        &self,
        run_id: Option<&str>,
        at: Timestamp,
        entry: &Entry,
    ) -> Result<i64, LedgerError> {
        const ACTION: &str = "write an entry";
        let mut transaction = self.writer(ACTION).await?;
        let entry_id = insert_entry(&mut transaction, ACTION, run_id, at, entry).await?;
        commit(ACTION, transaction).await?;
        Ok(entry_id)
    }

    async fn start_run(
        &self,
        run_id: &str,
        at: Timestamp,
        entry: &Entry,
        key: &RunKey,
    ) -> Result<(), LedgerError> {
        const ACTION: &str = "start a run";
        let mut transaction = self.writer(ACTION).await?;
        if has_started(&mut transaction, run_id).await? {
            return Err(already_started(run_id));
        }
        insert_entry(&mut transaction, ACTION, Some(run_id), at, entry).await?;
        sqlx::query("insert into kigen_run_key (run_id, kek_id, wrapped) values ($1, $2, $3)")
            .bind(run_id)
            .bind(&key.kek_id)
            .bind(&key.wrapped)
            .execute(&mut *transaction)
            .await
            .map_err(failed(ACTION))?;
        commit(ACTION, transaction).await
    }

    async fn entries(
        &self,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Vec<RecordedEntry>, LedgerError> {
        self.fetch_entries(
            sqlx::query_as(
                "select entry_id, run_id, at, body from kigen_entry \
                 where ($1 is null or at >= $1) and ($2 is null or at < $2) order by entry_id",
            )
            .bind(from.map(moment))
            .bind(until.map(moment)),
        )
        .await
    }

    async fn entries_of(&self, run_id: &str) -> Result<Vec<RecordedEntry>, LedgerError> {
        let run_id = run_id.to_owned();
        self.fetch_entries(
            sqlx::query_as(
                "select entry_id, run_id, at, body from kigen_entry \
                 where run_id = $1 order by entry_id",
            )
            .bind(run_id),
        )
        .await
    }

    async fn unfinished_runs(&self) -> Result<Vec<RunRecord>, LedgerError> {
        let entries = self
            .fetch_entries(sqlx::query_as(
                "select entry_id, run_id, at, body from kigen_entry where run_id in ( \
                     select s.run_id from kigen_entry s where s.kind = 'run-started' \
                     and (not exists (select 1 from kigen_entry c \
                             where c.run_id = s.run_id and c.kind = 'sealed') \
                         or exists (select 1 from kigen_entry c, \
                                 json_each(c.body, '$.certificate_ids') id \
                             where c.run_id = s.run_id and c.kind = 'sealed' \
                             and not exists (select 1 from kigen_entry p \
                                 where p.run_id = s.run_id and p.kind = 'published' \
                                 and json_extract(p.body, '$.certificate_id') = id.value)))) \
                 order by entry_id",
            ))
            .await?;
        Ok(fold_runs(&entries))
    }

    async fn run_key(&self, run_id: &str) -> Result<Option<RunKey>, LedgerError> {
        const ACTION: &str = "read a run's key";
        let mut connection = self.reader(ACTION).await?;
        let row = sqlx::query_as("select kek_id, wrapped from kigen_run_key where run_id = $1")
            .bind(run_id)
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed(ACTION))?;
        Ok(row.map(run_key))
    }

    async fn runs_under(&self, kek_id: &str) -> Result<Vec<String>, LedgerError> {
        const ACTION: &str = "read which runs have a key";
        let mut connection = self.reader(ACTION).await?;
        sqlx::query_scalar("select run_id from kigen_run_key where kek_id = $1 order by run_id")
            .bind(kek_id)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed(ACTION))
    }

    async fn destroy_run_key(&self, run_id: &str) -> Result<bool, LedgerError> {
        const ACTION: &str = "destroy a run's key";
        let mut transaction = self.writer(ACTION).await?;
        let deleted = sqlx::query("delete from kigen_run_key where run_id = $1")
            .bind(run_id)
            .execute(&mut *transaction)
            .await
            .map_err(failed(ACTION))?;
        commit(ACTION, transaction).await?;
        // Until the log is truncated, the key still stands in it.
        let mut connection = self.reader(ACTION).await?;
        sqlx::query("pragma wal_checkpoint(truncate)")
            .execute(&mut *connection)
            .await
            .map_err(failed(ACTION))?;
        Ok(deleted.rows_affected() > 0)
    }

    async fn store_certificate(&self, new: &NewCertificate) -> Result<Stored, LedgerError> {
        let mut transaction = self.writer("store a certificate").await?;
        let stored = certificates::insert(&mut transaction, new).await?;
        commit("store a certificate", transaction).await?;
        Ok(stored)
    }

    async fn store_envelope(
        &self,
        certificate_id: &str,
        envelope: &Envelope,
    ) -> Result<Stored, LedgerError> {
        let mut transaction = self.writer("store an envelope").await?;
        let stored =
            certificates::insert_envelope(&mut transaction, certificate_id, envelope).await?;
        commit("store an envelope", transaction).await?;
        Ok(stored)
    }

    async fn certificates(
        &self,
        filter: &CertificateFilter,
    ) -> Result<Vec<CertificateSummary>, LedgerError> {
        let mut connection = self.reader("list certificates").await?;
        certificates::list(&mut connection, filter).await
    }

    async fn certificate(&self, id_or_prefix: &str) -> Result<CertificateMatch, LedgerError> {
        let mut connection = self.reader("read a certificate").await?;
        certificates::find(&mut connection, id_or_prefix).await
    }

    async fn lock(&self, names: &[String]) -> Result<LedgerLock, LockError> {
        lock_files(&self.existing_path()?, names)
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
