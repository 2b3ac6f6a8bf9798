//! The ledger in PostgreSQL: tables `kigen_…` in the first schema of the search path.

mod certificates;
mod log;
mod session;

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::Digest;
use sha2::Sha256;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::PgPool;

use super::Ledger;
use super::convert::EntryRow;
use super::convert::already_started;
use super::convert::body;
use super::convert::clocks;
use super::convert::migration_error;
use super::convert::moment;
use super::convert::not_migrated;
use super::convert::postgres_error;
use super::convert::recorded;
use super::convert::run_key;
use super::entry::Entry;
use super::entry::RecordedEntry;
use super::error::LedgerError;
use super::error::LockError;
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
use crate::database::postgres::Server;
use session::connect;
use session::failed;
use session::not_begun;

/// Connections of one process, beside one for each lock.
const CONNECTIONS: u32 = 4;

/// A ledger in PostgreSQL.
#[derive(Debug)]
pub(super) struct PostgresLedger {
    server: Server,
    pool: PgPool,
}

impl PostgresLedger {
    /// Reaches the database once, so that a wrong address or password is told at once.
    pub(super) async fn open(url: &str) -> Result<Self, LedgerError> {
        let server = session::server(url)?;
        // An advisory lock is the session's: behind a pooler it would hold nobody out.
        server
            .check()
            .await
            .map_err(not_begun("open it"))?
            .close()
            .await
            .map_err(failed("open it"))?;
        let pool = server.pool(CONNECTIONS);
        Ok(Self { server, pool })
    }

    async fn connection(
        &self,
        action: &'static str,
    ) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, LedgerError> {
        self.pool.acquire().await.map_err(failed(action))
    }

    async fn begin(
        &self,
        action: &'static str,
    ) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, LedgerError> {
        self.pool.begin().await.map_err(failed(action))
    }

    async fn fetch_entries(
        &self,
        query: EntryQuery<'_>,
    ) -> Result<Vec<RecordedEntry>, LedgerError> {
        const ACTION: &str = "read entries";
        let mut connection = self.connection(ACTION).await?;
        let rows = query
            .fetch_all(&mut *connection)
            .await
            .map_err(failed(ACTION))?;
        rows.into_iter().map(recorded).collect()
    }
}

type EntryQuery<'q> =
    sqlx::query::QueryAs<'q, sqlx::Postgres, EntryRow, sqlx::postgres::PgArguments>;

async fn insert_entry(
    connection: &mut PgConnection,
    action: &'static str,
    run_id: Option<&str>,
    at: Timestamp,
    entry: &Entry,
) -> Result<i64, LedgerError> {
    sqlx::query_scalar(
        "insert into kigen_entry (run_id, at, kind, body) \
         values ($1, $2::timestamptz, $3, $4::json) returning entry_id",
    )
    .bind(run_id)
    .bind(moment(at))
    .bind(entry.kind())
    .bind(body(action, entry)?)
    .fetch_one(connection)
    .await
    .map_err(failed(action))
}

/// The advisory lock of `name` in the ledger whose entries are table `oid`.
///
/// Advisory locks are one space for the whole database, so the table's own number keeps two
/// ledgers in one database apart.
pub(super) fn advisory_key(oid: i64, name: &str) -> i64 {
    let mut digest = Sha256::new();
    digest.update(b"kigen:lock:v1\0");
    digest.update(oid.to_be_bytes());
    digest.update(name);
    let digest = digest.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn migrate(&self, at: Timestamp) -> Result<Vec<String>, LedgerError> {
        let mut connection = self.connection("migrate it").await?;
        migrator::migrate_postgres(&mut connection, &migrator::LEDGER_POSTGRES, None, at)
            .await
            .map_err(|error| migration_error(error, postgres_error))
    }

    async fn check_migrated(&self) -> Result<(), LedgerError> {
        let mut connection = self.connection("check its migrations").await?;
        let pending = migrator::pending_postgres(&mut connection, &migrator::LEDGER_POSTGRES, None)
            .await
            .map_err(|error| migration_error(error, postgres_error))?;
        not_migrated(&pending)
    }

    async fn probe_writable(&self) -> Result<(), LedgerError> {
        const ACTION: &str = "write an entry";
        let mut transaction = self.begin(ACTION).await?;
        sqlx::query(
            "insert into kigen_entry (at, kind, body) values ('1970-01-01Z', 'probe', '{}')",
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed(ACTION))?;
        let may_insert: bool = sqlx::query_scalar(
            "select has_table_privilege('kigen_run_key', 'insert') \
                 and has_table_privilege('kigen_certificate', 'insert') \
                 and has_table_privilege('kigen_envelope', 'insert')",
        )
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed(ACTION))?;
        transaction.rollback().await.map_err(failed(ACTION))?;
        if may_insert {
            return Ok(());
        }
        Err(LedgerError::ReadOnly {
            action: ACTION,
            source: None,
        })
    }

    async fn clocks(&self) -> Result<Clocks, LedgerError> {
        const ACTION: &str = "read its clock";
        let mut connection = self.connection(ACTION).await?;
        let row: (String, Option<String>) = sqlx::query_as(
            "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
                 to_char(coalesce((select at from kigen_entry order by entry_id desc limit 1), \
                     (select max(applied_at) from kigen_migration)) at time zone 'UTC', \
                     'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(failed(ACTION))?;
        clocks(Some(&row.0), row.1.as_deref())
    }

    async fn append(
        &self,
        run_id: Option<&str>,
        at: Timestamp,
        entry: &Entry,
    ) -> Result<i64, LedgerError> {
        const ACTION: &str = "write an entry";
        let mut connection = self.connection(ACTION).await?;
        insert_entry(&mut connection, ACTION, run_id, at, entry).await
    }

    async fn start_run(
        &self,
        run_id: &str,
        at: Timestamp,
        entry: &Entry,
        key: &RunKey,
    ) -> Result<(), LedgerError> {
        const ACTION: &str = "start a run";
        let mut transaction = self.begin(ACTION).await?;
        // The key comes first: its primary key makes a second starter wait for the first.
        let inserted = sqlx::query(
            "insert into kigen_run_key (run_id, kek_id, wrapped) \
             select $1, $2, $3 where not exists (select 1 from kigen_entry \
                 where run_id = $1 and kind = 'run-started') on conflict do nothing",
        )
        .bind(run_id)
        .bind(&key.kek_id)
        .bind(&key.wrapped)
        .execute(&mut *transaction)
        .await
        .map_err(failed(ACTION))?;
        if inserted.rows_affected() == 0 {
            return Err(already_started(run_id));
        }
        insert_entry(&mut transaction, ACTION, Some(run_id), at, entry).await?;
        transaction.commit().await.map_err(failed(ACTION))
    }

    async fn entries(
        &self,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Vec<RecordedEntry>, LedgerError> {
        self.fetch_entries(
            sqlx::query_as(
                "select entry_id, run_id, \
                     to_char(at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
                     body::text \
                 from kigen_entry where ($1::text is null or at >= $1::timestamptz) \
                     and ($2::text is null or at < $2::timestamptz) order by entry_id",
            )
            .bind(from.map(moment))
            .bind(until.map(moment)),
        )
        .await
    }

    async fn entries_of(&self, run_id: &str) -> Result<Vec<RecordedEntry>, LedgerError> {
        self.fetch_entries(
            sqlx::query_as(
                "select entry_id, run_id, \
                     to_char(at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
                     body::text \
                 from kigen_entry where run_id = $1 order by entry_id",
            )
            .bind(run_id.to_owned()),
        )
        .await
    }

    async fn unfinished_runs(&self) -> Result<Vec<RunRecord>, LedgerError> {
        let entries = self
            .fetch_entries(sqlx::query_as(
                "select entry_id, run_id, \
                     to_char(at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
                     body::text \
                 from kigen_entry where run_id in ( \
                     select s.run_id from kigen_entry s where s.kind = 'run-started' \
                     and (not exists (select 1 from kigen_entry c \
                             where c.run_id = s.run_id and c.kind = 'sealed') \
                         or exists (select 1 from kigen_entry c, \
                                 json_array_elements_text(c.body -> 'certificate_ids') id \
                             where c.run_id = s.run_id and c.kind = 'sealed' \
                             and not exists (select 1 from kigen_entry p \
                                 where p.run_id = s.run_id and p.kind = 'published' \
                                 and p.body ->> 'certificate_id' = id)))) \
                 order by entry_id",
            ))
            .await?;
        Ok(fold_runs(&entries))
    }

    async fn run_key(&self, run_id: &str) -> Result<Option<RunKey>, LedgerError> {
        const ACTION: &str = "read a run's key";
        let mut connection = self.connection(ACTION).await?;
        let row = sqlx::query_as("select kek_id, wrapped from kigen_run_key where run_id = $1")
            .bind(run_id)
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed(ACTION))?;
        Ok(row.map(run_key))
    }

    async fn runs_under(&self, kek_id: &str) -> Result<Vec<String>, LedgerError> {
        const ACTION: &str = "read which runs have a key";
        let mut connection = self.connection(ACTION).await?;
        sqlx::query_scalar("select run_id from kigen_run_key where kek_id = $1 order by run_id")
            .bind(kek_id)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed(ACTION))
    }

    async fn destroy_run_key(&self, run_id: &str) -> Result<bool, LedgerError> {
        const ACTION: &str = "destroy a run's key";
        let mut connection = self.connection(ACTION).await?;
        let deleted = sqlx::query("delete from kigen_run_key where run_id = $1")
            .bind(run_id)
            .execute(&mut *connection)
            .await
            .map_err(failed(ACTION))?;
        Ok(deleted.rows_affected() > 0)
    }

    async fn store_certificate(&self, new: &NewCertificate) -> Result<Stored, LedgerError> {
        let mut connection = self.connection("store a certificate").await?;
        certificates::insert(&mut connection, new).await
    }

    async fn store_envelope(
        &self,
        certificate_id: &str,
        envelope: &Envelope,
    ) -> Result<Stored, LedgerError> {
        let mut connection = self.connection("store an envelope").await?;
        certificates::insert_envelope(&mut connection, certificate_id, envelope).await
    }

    async fn certificates(
        &self,
        filter: &CertificateFilter,
    ) -> Result<Vec<CertificateSummary>, LedgerError> {
        let mut connection = self.connection("list certificates").await?;
        certificates::list(&mut connection, filter).await
    }

    async fn certificate(&self, id_or_prefix: &str) -> Result<CertificateMatch, LedgerError> {
        let mut connection = self.connection("read a certificate").await?;
        certificates::find(&mut connection, id_or_prefix).await
    }

    async fn lock(&self, names: &[String]) -> Result<LedgerLock, LockError> {
        const ACTION: &str = "take a lock";
        let mut connection = connect(&self.server, ACTION).await?;
        let oid: i64 = sqlx::query_scalar("select 'kigen_entry'::regclass::oid::bigint")
            .fetch_one(&mut connection)
            .await
            .map_err(failed(ACTION))?;
        let mut names: Vec<&String> = names.iter().collect();
        names.sort();
        names.dedup();
        for name in names {
            let taken: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
                .bind(advisory_key(oid, name))
                .fetch_one(&mut connection)
                .await
                .map_err(failed(ACTION))?;
            if !taken {
                LedgerLock::of_session(connection).release().await?;
                return Err(LockError::Busy { name: name.clone() });
            }
        }
        Ok(LedgerLock::of_session(connection))
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_lock_never_changes() {
        assert_eq!(
            advisory_key(16_384, "job:exam-history"),
            -7_295_703_130_887_680_317
        );
    }
}
