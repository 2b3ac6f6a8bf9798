//! The server, the table that is measured, and its fresh copies.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kigen::database::migrate::{self, JOURNAL};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use url::Url;

/// The database that holds the table as it is before every measurement.
const MASTER: &str = "kigen_bench_master";
/// The database that one measurement works on.
const COPY: &str = "kigen_bench_copy";
/// Schema of the journal.
pub(crate) const JOURNAL_SCHEMA: &str = "kigen";
/// The first PostgreSQL that can copy a template through its write-ahead log, which is slower.
const KNOWS_STRATEGY: i32 = 150_000;

/// A PostgreSQL server on which databases may be created and dropped.
pub(crate) struct Server {
    url: Url,
    admin: PgConnection,
    version: i32,
}

impl Server {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let url = Url::parse(url).context("the server's URL cannot be read")?;
        let mut admin = open(&url).await?;
        let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
            .fetch_one(&mut admin)
            .await?;
        Ok(Self {
            url,
            admin,
            version,
        })
    }

    /// The value of a setting, as the server shows it.
    pub(crate) async fn setting(&mut self, name: &str) -> Result<String> {
        sqlx::query_scalar("select current_setting($1)")
            .bind(name)
            .fetch_one(&mut self.admin)
            .await
            .with_context(|| format!("read the setting `{name}`"))
    }

    /// Fills the master, with a journal beside the table.
    pub(crate) async fn fill_master(&mut self, rows: u32) -> Result<()> {
        self.clear().await?;
        self.execute(&format!("create database {MASTER}")).await?;
        let mut connection = open(&self.url_of(MASTER)).await?;
        script(&mut connection, include_str!("../schema.sql")).await?;
        sqlx::query(include_str!("../fill.sql"))
            .bind(i64::from(rows))
            .execute(&mut connection)
            .await
            .context("fill the table")?;
        script(&mut connection, include_str!("../index.sql")).await?;
        script(&mut connection, "create extension pg_prewarm").await?;
        let url = self.url_of(MASTER);
        let journal = migrate::journal_database(url.as_str(), Some(JOURNAL_SCHEMA)).await?;
        let at = jiff::Timestamp::UNIX_EPOCH;
        let migrated = migrate::migrate(&*journal, &JOURNAL, at).await;
        // A template must have no connection when it is copied.
        journal.close().await;
        migrated?;
        // What the first reader of a row would write is written now, not in the first measurement.
        script(&mut connection, "vacuum (freeze, analyze)").await?;
        connection.close().await?;
        Ok(())
    }

    /// Makes a fresh copy of the master, in memory and on disk.
    pub(crate) async fn copy(&mut self) -> Result<Copy> {
        self.execute(&format!("drop database if exists {COPY} with (force)"))
            .await?;
        let strategy = if self.version >= KNOWS_STRATEGY {
            " strategy file_copy"
        } else {
            ""
        };
        self.execute(&format!(
            "create database {COPY} template {MASTER}{strategy}"
        ))
        .await?;
        let url = self.url_of(COPY);
        let mut connection = open(&url).await?;
        for relation in ["", "_pkey", "_taken_at", "_learner"] {
            sqlx::query("select pg_prewarm($1::text::regclass)")
                .bind(format!("exam_attempts{relation}"))
                .execute(&mut connection)
                .await
                .context("read the copy into memory")?;
        }
        script(&mut connection, "checkpoint").await?;
        Ok(Copy { url, connection })
    }

    /// Drops what the benchmark made.
    pub(crate) async fn clear(&mut self) -> Result<()> {
        for name in [COPY, MASTER] {
            self.execute(&format!("drop database if exists {name} with (force)"))
                .await?;
        }
        Ok(())
    }

    async fn execute(&mut self, sql: &str) -> Result<()> {
        script(&mut self.admin, sql).await
    }

    fn url_of(&self, database: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(database);
        url
    }
}

/// A fresh copy of the table, in a database of its own.
pub(crate) struct Copy {
    pub(crate) url: Url,
    connection: PgConnection,
}

impl Copy {
    /// Runs one statement; returns the rows that it changed and how long it took.
    pub(crate) async fn plain(&mut self, sql: &str) -> Result<(u64, Duration)> {
        let begun = Instant::now();
        let done = sqlx::query(AssertSqlSafe(sql))
            .execute(&mut self.connection)
            .await?;
        Ok((done.rows_affected(), begun.elapsed()))
    }

    /// Reads one number.
    pub(crate) async fn number(&mut self, sql: &str) -> Result<i64> {
        Ok(sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut self.connection)
            .await?)
    }

    /// The processes of kigen's sessions.
    pub(crate) async fn sessions(&mut self) -> Result<Vec<i32>> {
        let sql = "select pid from pg_stat_activity where datname = current_database() and application_name = 'kigen'";
        Ok(sqlx::query_scalar(sql)
            .fetch_all(&mut self.connection)
            .await?)
    }

    /// Keeps the table as it is now in sight of another session until that is dropped: no row that
    /// is removed meanwhile can be reclaimed.
    pub(crate) async fn hold_snapshot(&self) -> Result<PgConnection> {
        let mut other = open(&self.url).await?;
        let begin =
            "begin isolation level repeatable read read only; select from exam_attempts limit 1";
        script(&mut other, begin).await?;
        Ok(other)
    }

    /// Keeps the first `rows` rows, packed as if there had never been others.
    pub(crate) async fn shrink(&mut self, rows: u32) -> Result<()> {
        script(
            &mut self.connection,
            &format!("delete from exam_attempts where id > {rows}"),
        )
        .await?;
        script(&mut self.connection, "vacuum (full, analyze) exam_attempts").await
    }
}

async fn open(url: &Url) -> Result<PgConnection> {
    let options = PgConnectOptions::from_url(url).context("the server's URL cannot be read")?;
    PgConnection::connect_with(&options)
        .await
        .context("the server cannot be reached")
}

async fn script(connection: &mut PgConnection, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .with_context(|| sql.lines().next().unwrap_or_default().to_owned())?;
    Ok(())
}
