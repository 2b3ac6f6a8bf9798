//! The clients' logs in the SQLite ledger.

use async_trait::async_trait;
use jiff::Timestamp;
use kigen_evidence::merkle::Hash;
use sqlx::SqliteConnection;

use super::SqliteLedger;
use super::certificates;
use crate::ledger::convert::moment;
use crate::ledger::convert::sqlite_error;
use crate::ledger::entry::RecordedEntry;
use crate::ledger::error::LedgerError;
use crate::ledger::log::Appended;
use crate::ledger::log::LogCheckpoint;
use crate::ledger::log::LogEntry;
use crate::ledger::log::LogLedger;
use crate::ledger::log::LogRole;
use crate::ledger::log::LogRow;
use crate::ledger::log::NewLogEntry;
use crate::ledger::log::OfRunRow;
use crate::ledger::log::checkpoint;
use crate::ledger::log::entry;
use crate::ledger::log::follows;
use crate::ledger::log::hash_of;
use crate::ledger::log::hashes;
use crate::ledger::log::number;
use crate::ledger::log::of_client;
use crate::ledger::record::NewCertificate;
use crate::ledger::record::Stored;

const READ: &str = "read a log";
const APPEND: &str = "append to a log";
const SIGN: &str = "sign a checkpoint";

fn failed(action: &'static str) -> impl Fn(sqlx::Error) -> LedgerError {
    move |error| sqlite_error(action, error)
}

#[async_trait]
impl LogLedger for SqliteLedger {
    async fn log_clients(&self) -> Result<Vec<String>, LedgerError> {
        let mut connection = self.reader(READ).await?;
        sqlx::query_scalar("select distinct client from kigen_log_entry order by client")
            .fetch_all(&mut *connection)
            .await
            .map_err(failed(READ))
    }

    async fn log_hashes(&self, client: &str) -> Result<Vec<Hash>, LedgerError> {
        let mut connection = self.reader(READ).await?;
        let rows = sqlx::query_as(
            "select log_index, leaf_hash from kigen_log_entry where client = $1 order by log_index",
        )
        .bind(client)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed(READ))?;
        hashes(rows)
    }

    async fn log_of_run(&self, run_id: &str) -> Result<Vec<(String, LogEntry)>, LedgerError> {
        let mut connection = self.reader(READ).await?;
        let rows: Vec<OfRunRow> = sqlx::query_as(
            "select client, log_index, role, run_id, payload, leaf_hash from kigen_log_entry \
             where run_id = $1 order by client, log_index",
        )
        .bind(run_id)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed(READ))?;
        rows.into_iter().map(of_client).collect()
    }

    async fn log_entry(
        &self,
        client: &str,
        run_id: &str,
        role: LogRole,
    ) -> Result<Option<LogEntry>, LedgerError> {
        let mut connection = self.reader(READ).await?;
        of_run(&mut connection, client, run_id, role).await
    }

    async fn log_entries(
        &self,
        client: &str,
        from: u64,
        until: u64,
    ) -> Result<Vec<LogEntry>, LedgerError> {
        let mut connection = self.reader(READ).await?;
        let rows: Vec<LogRow> = sqlx::query_as(
            "select log_index, role, run_id, payload, leaf_hash from kigen_log_entry \
             where client = $1 and log_index >= $2 and log_index < $3 order by log_index",
        )
        .bind(client)
        .bind(number(from))
        .bind(number(until))
        .fetch_all(&mut *connection)
        .await
        .map_err(failed(READ))?;
        rows.into_iter().map(entry).collect()
    }

    async fn log_notices(&self, client: &str) -> Result<Vec<LogEntry>, LedgerError> {
        let mut connection = self.reader(READ).await?;
        let rows: Vec<LogRow> = sqlx::query_as(
            "select log_index, role, run_id, payload, leaf_hash from kigen_log_entry \
             where client = $1 and role = 'notice' order by log_index",
        )
        .bind(client)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed(READ))?;
        rows.into_iter().map(entry).collect()
    }

    async fn suspension_entries(&self) -> Result<Vec<RecordedEntry>, LedgerError> {
        let sql = "select entry_id, run_id, at, body from kigen_entry \
                   where kind in ('job-suspended', 'job-resumed') order by entry_id";
        self.fetch_entries(sqlx::query_as(sql)).await
    }

    async fn append_to_log(
        &self,
        new: &NewLogEntry,
        certificate: Option<&NewCertificate>,
    ) -> Result<Appended, LedgerError> {
        let mut transaction = self.writer(APPEND).await?;
        if let Some(run_id) = &new.run_id {
            let standing = of_run(&mut transaction, &new.client, run_id, new.role).await?;
            if let Some(standing) = standing {
                return Ok(Appended::AlreadyThere(standing));
            }
        }
        if size(&mut transaction, &new.client).await? != number(new.index) {
            return Ok(Appended::Moved);
        }
        insert(&mut transaction, new).await?;
        if let Some(certificate) = certificate {
            certificates::insert(&mut transaction, certificate).await?;
        }
        transaction.commit().await.map_err(failed(APPEND))?;
        Ok(Appended::New)
    }

    async fn store_checkpoint(
        &self,
        new: &LogCheckpoint,
        at: Timestamp,
    ) -> Result<Stored, LedgerError> {
        let mut transaction = self.writer(SIGN).await?;
        let last = last(&mut transaction, &new.client).await?;
        if let Some(stored) = follows(last.as_ref(), new)? {
            return Ok(stored);
        }
        sqlx::query(
            "insert into kigen_log_checkpoint (client, size, note, at) values ($1, $2, $3, $4)",
        )
        .bind(&new.client)
        .bind(number(new.size))
        .bind(&new.note)
        .bind(moment(at))
        .execute(&mut *transaction)
        .await
        .map_err(failed(SIGN))?;
        transaction.commit().await.map_err(failed(SIGN))?;
        Ok(Stored::New)
    }

    async fn last_checkpoint(&self, client: &str) -> Result<Option<LogCheckpoint>, LedgerError> {
        let mut connection = self.reader(READ).await?;
        last(&mut connection, client).await
    }
}

async fn of_run(
    connection: &mut SqliteConnection,
    client: &str,
    run_id: &str,
    role: LogRole,
) -> Result<Option<LogEntry>, LedgerError> {
    let row: Option<LogRow> = sqlx::query_as(
        "select log_index, role, run_id, payload, leaf_hash from kigen_log_entry \
         where client = $1 and run_id = $2 and role = $3",
    )
    .bind(client)
    .bind(run_id)
    .bind(role.name())
    .fetch_optional(connection)
    .await
    .map_err(failed(READ))?;
    row.map(entry).transpose()
}

/// Entries of a client's log.
async fn size(connection: &mut SqliteConnection, client: &str) -> Result<i64, LedgerError> {
    sqlx::query_scalar(
        "select coalesce(max(log_index) + 1, 0) from kigen_log_entry where client = $1",
    )
    .bind(client)
    .fetch_one(connection)
    .await
    .map_err(failed(READ))
}

async fn insert(connection: &mut SqliteConnection, new: &NewLogEntry) -> Result<(), LedgerError> {
    sqlx::query(
        "insert into kigen_log_entry (client, log_index, role, run_id, payload, leaf_hash, at) \
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&new.client)
    .bind(number(new.index))
    .bind(new.role.name())
    .bind(&new.run_id)
    .bind(&new.payload)
    .bind(hash_of(&new.payload))
    .bind(moment(new.at))
    .execute(connection)
    .await
    .map_err(failed(APPEND))?;
    Ok(())
}

async fn last(
    connection: &mut SqliteConnection,
    client: &str,
) -> Result<Option<LogCheckpoint>, LedgerError> {
    let row: Option<(i64, String)> = sqlx::query_as(
        "select size, note from kigen_log_checkpoint where client = $1 order by size desc limit 1",
    )
    .bind(client)
    .fetch_optional(connection)
    .await
    .map_err(failed(READ))?;
    row.map(|row| checkpoint(client, row)).transpose()
}
