//! Sessions with PostgreSQL, for stores and for the ledger.
//!
//! What the safety of a removal rests on is set at the beginning of each session, whatever the
//! server, the database or the role has as its default, and is read back. Settings are statements, not start-up
//! parameters: a pooler may refuse or drop those. A pooler that hands each transaction to another
//! session is recognised and refused, because it loses settings and locks between two statements.

mod changes;
pub mod dialect;
pub(crate) mod lock;
mod session;
mod values;

use std::future::Future;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use thiserror::Error;
use url::Url;

use crate::guard::{self, Guard};

pub use session::PostgresDatabase;

/// How long a connection may take to be made, or to be had.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may be silent before it is asked, over another connection, whether it is there.
const ASKED_AFTER: Duration = Duration::from_secs(30);

/// How often it is asked before it is given up.
const ASKED_TIMES: u32 = 3;

/// How long the second statement of a connection may wait for another connection of ours.
const POOLER_TIMEOUT: Duration = Duration::from_secs(5);

/// Set in every session. A setting that this server does not know is left out.
const ALWAYS: &[(&str, &str)] = &[
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "2"),
    ("standard_conforming_strings", "on"),
    ("transform_null_equals", "off"),
    // An error in place of rows that a policy hides.
    ("row_security", "off"),
    ("jit", "off"),
    // Bounded where a transaction begins. A role's own limit would end the same statement every night.
    ("statement_timeout", "0"),
    ("transaction_timeout", "0"),
    ("idle_session_timeout", "0"),
    // A session that was frozen may not keep its locks.
    ("idle_in_transaction_session_timeout", "60s"),
    // The server must notice soon that its client's machine is gone.
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
];

/// What the sessions of one pool are for.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// Whether every transaction is read-only unless it says otherwise.
    pub read_only: bool,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// How long a statement may take; no limit where a transaction sets its own.
    pub statement_timeout: Option<Duration>,
    /// Whether operators and functions are those of `pg_catalog` before all others: for a
    /// search path that is somebody else's.
    pub catalog_first: bool,
}

/// Where a server is, and how its sessions begin.
#[derive(Clone, Debug)]
pub struct Server {
    connect: PgConnectOptions,
    /// Settings in the `options` of the URL, in their order.
    given: Vec<(String, String)>,
    settings: SessionSettings,
    /// How long it may be silent before it is asked whether it is there.
    asked_after: Duration,
}

/// Why no session could be had.
#[derive(Debug, Error)]
pub enum SessionError {
    #[error(transparent)]
    Driver(#[from] sqlx::Error),
    /// A pooler hands each transaction to another session.
    #[error(
        "a pooler in transaction mode stands between (as PgBouncer with `pool_mode = transaction`): it \
         loses the settings and locks that a removal rests on"
    )]
    Pooler,
    /// The server says that a setting is not as it was set.
    #[error("the session does not keep the setting `{name}`")]
    NotKept { name: String },
    /// Triggers of foreign keys do not run in this session.
    #[error(
        "`session_replication_role` is `{found}`: foreign keys are not enforced, so a removal would \
         leave rows that name nothing"
    )]
    ReplicationRole { found: String },
}

/// The URL is not of a form that names a server.
#[derive(Debug, Error)]
#[error("the URL is not of the form `postgres://user:password@host:port/database`")]
pub struct BadUrl;

impl Server {
    /// Reads a URL. Its `options` become statements of each session.
    pub fn at(url: &str, application: &str, settings: SessionSettings) -> Result<Self, BadUrl> {
        let (url, given) = without_options(url)?;
        let connect = PgConnectOptions::from_str(&url)
            .map_err(|_| BadUrl)?
            .application_name(application)
            .extra_float_digits(None);
        Ok(Self {
            connect,
            given,
            settings,
            asked_after: ASKED_AFTER,
        })
    }

    /// The same server; the driver does not log its statements.
    #[must_use]
    pub fn without_statement_log(mut self) -> Self {
        self.connect = self.connect.disable_statement_logging();
        self
    }

    /// Whether its sessions are read-only because kigen wants it so.
    pub const fn is_read_only(&self) -> bool {
        self.settings.read_only
    }

    /// Connects without a pool, whose retries would hide why it fails, and begins the session.
    pub async fn connect(&self) -> Result<PgConnection, SessionError> {
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, self.connect.connect()).await;
        let mut connection = connected.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        self.begin_session(&mut connection).await?;
        Ok(connection)
    }

    /// Connects twice to see that a session keeps what it is told: no pooler shares it out.
    pub async fn check(&self) -> Result<PgConnection, SessionError> {
        let mut first = self.connect().await?;
        if !guard::stands(Guard::NoSharedSessions) {
            return Ok(first);
        }
        let number = backend(&mut first).await?;
        let mut second = match self.connect().await {
            Ok(second) => second,
            // One connection is all that the role may have: nobody can be given its session.
            Err(SessionError::Driver(error)) if has_code(&error, "53300") => return Ok(first),
            Err(error) => return Err(error),
        };
        // In a transaction a pooler holds a session of the server for this client alone.
        sqlx::raw_sql("begin").execute(&mut second).await?;
        let other = backend(&mut second).await?;
        let again = tokio::time::timeout(POOLER_TIMEOUT, backend(&mut first)).await;
        sqlx::raw_sql("rollback").execute(&mut second).await?;
        second.close().await?;
        match again {
            Ok(Ok(again)) if again == number && again != other => Ok(first),
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok(_)) | Err(_) => Err(SessionError::Pooler),
        }
    }

    /// Options of a pool whose sessions all begin as [`connect`](Self::connect) begins them.
    pub fn pool(&self, connections: u32) -> sqlx::PgPool {
        let server = self.clone();
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(CONNECT_TIMEOUT)
            .after_connect(move |connection, _| {
                let server = server.clone();
                Box::pin(async move {
                    let begun = server.begin_session(connection).await;
                    begun.map_err(|error| match error {
                        SessionError::Driver(error) => error,
                        other => sqlx::Error::Configuration(Box::new(other)),
                    })
                })
            })
            // A connection that comes back inside a transaction would lose the next one's work.
            .after_release(|connection, _| {
                Box::pin(async move {
                    // Outside a transaction a lone `rollback` would write a warning to the server's log.
                    sqlx::raw_sql("begin; rollback").execute(connection).await?;
                    Ok(true)
                })
            })
            .connect_lazy_with(self.connect.clone())
    }

    /// Waits for `work`, and asks the server over another connection when it is silent: a server that has
    /// gone would otherwise hold this process, and its locks, until somebody kills it.
    pub async fn watched<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let mut work = std::pin::pin!(work);
        let mut unanswered = 0;
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(self.asked_after) => {}
            }
            tokio::select! {
                done = &mut work => return done,
                asked = self.connect() => {
                    // An answer of any kind says that the server is there.
                    let silent = matches!(
                        asked,
                        Err(SessionError::Driver(sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)))
                    );
                    unanswered = if silent { unanswered + 1 } else { 0 };
                }
            }
            if unanswered >= ASKED_TIMES {
                let message = "the server has stopped answering";
                let error = std::io::Error::new(std::io::ErrorKind::TimedOut, message);
                return Err(sqlx::Error::Io(error));
            }
        }
    }

    async fn begin_session(&self, connection: &mut PgConnection) -> Result<(), SessionError> {
        if !guard::stands(Guard::SessionSettings) {
            return Ok(());
        }
        let wanted = self.wanted();
        // Alone and first: the limit of a role may be shorter than what follows takes.
        sqlx::raw_sql("set statement_timeout = 0")
            .execute(&mut *connection)
            .await?;
        // Two statements of the simple protocol: in the second the session must still be the first's.
        let set = rows(connection, &set_statement(&wanted)).await?;
        let kept = rows(connection, &kept_statement(&set)?).await?;
        for (set, kept) in set.iter().zip(&kept) {
            let (name, value): (String, String) = (set.try_get(0)?, set.try_get(1)?);
            if kept.try_get::<String, _>(1)? != value {
                return Err(SessionError::NotKept { name });
            }
        }
        let role = rows(
            connection,
            "select current_setting('session_replication_role')",
        )
        .await?;
        let found: String = role.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
        if found != "origin" {
            return Err(SessionError::ReplicationRole { found });
        }
        Ok(())
    }

    /// Each setting with an expression of its value.
    fn wanted(&self) -> Vec<(String, String)> {
        let settings = &self.settings;
        let milliseconds = |time: Duration| literal(&format!("{}ms", time.as_millis()));
        let mut wanted: Vec<(String, String)> = Vec::new();
        // Of two values the later counts.
        let mut set = |name: &str, value: String| {
            wanted.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            wanted.push((name.to_owned(), value));
        };
        for (name, value) in &self.given {
            set(name, literal(value));
        }
        for (name, value) in ALWAYS {
            set(name, literal(value));
        }
        set("lock_timeout", milliseconds(settings.lock_timeout));
        if let Some(timeout) = settings.statement_timeout {
            set("statement_timeout", milliseconds(timeout));
        }
        let read_only = if settings.read_only { "on" } else { "off" };
        set("default_transaction_read_only", literal(read_only));
        // What was acknowledged must be there after a crash of the server.
        set(
            "synchronous_commit",
            "case when current_setting('synchronous_commit') in ('off', 'local') then 'on' \
             else current_setting('synchronous_commit') end"
                .to_owned(),
        );
        if settings.catalog_first && guard::stands(Guard::CatalogFirst) {
            let path = self.given.iter().rev();
            let mut path = path.filter(|(name, _)| name.eq_ignore_ascii_case("search_path"));
            let path = path.next().map_or_else(
                || "current_setting('search_path')".to_owned(),
                |(_, value)| literal(value),
            );
            set(
                "search_path",
                format!("concat_ws(', ', 'pg_catalog', nullif({path}, ''))"),
            );
        }
        wanted
    }
}

/// Sets everything in one statement, and answers with name and value as the session has it now.
fn set_statement(wanted: &[(String, String)]) -> String {
    let rows: Vec<String> = wanted
        .iter()
        .enumerate()
        .map(|(place, (name, value))| format!("({place}, {}, {value})", literal(name)))
        .collect();
    format!(
        "select name, set_config(name, value, false) from (values {}) wanted (place, name, value) \
         where current_setting(name, true) is not null order by place",
        rows.join(", ")
    )
}

/// Reads the settings back that [`set_statement`] has answered with.
fn kept_statement(set: &[PgRow]) -> Result<String, sqlx::Error> {
    let mut rows = Vec::new();
    for (place, row) in set.iter().enumerate() {
        rows.push(format!(
            "({place}, {})",
            literal(&row.try_get::<String, _>(0)?)
        ));
    }
    Ok(format!(
        "select name, current_setting(name) from (values {}) kept (place, name) order by place",
        rows.join(", ")
    ))
}

async fn rows(connection: &mut PgConnection, sql: &str) -> Result<Vec<PgRow>, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .fetch_all(connection)
        .await
}

/// The number of the server's process that answers this connection.
async fn backend(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let rows = rows(connection, "select pg_backend_pid()").await?;
    rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)
}

/// Whether the server answered with this SQLSTATE.
pub fn has_code(error: &sqlx::Error, wanted: &str) -> bool {
    match error {
        sqlx::Error::Database(database) => database.code().as_deref() == Some(wanted),
        _ => false,
    }
}

/// `text` as a literal that is one whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The URL without `options` and `options[name]`, and what they set.
fn without_options(url: &str) -> Result<(String, Vec<(String, String)>), BadUrl> {
    let mut parsed = Url::parse(url).map_err(|_| BadUrl)?;
    if parsed.query().is_none() {
        return Ok((url.to_owned(), Vec::new()));
    }
    let mut given = Vec::new();
    let mut others: Vec<(String, String)> = Vec::new();
    for (key, value) in parsed.query_pairs() {
        let named = key
            .strip_prefix("options[")
            .and_then(|key| key.strip_suffix(']'));
        if let Some(name) = named {
            given.push((name.to_owned(), value.into_owned()));
        } else if key == "options" {
            given.extend(command_line_settings(&value)?);
        } else {
            others.push((key.into_owned(), value.into_owned()));
        }
    }
    parsed.set_query(None);
    if !others.is_empty() {
        parsed.query_pairs_mut().extend_pairs(others);
    }
    Ok((parsed.to_string(), given))
}

/// The settings in `-c name=value`, `-cname=value` and `--name=value`; a backslash keeps the next
/// character, as PostgreSQL reads it.
fn command_line_settings(text: &str) -> Result<Vec<(String, String)>, BadUrl> {
    let mut words: Vec<String> = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let in_word = words.last_mut().ok_or(BadUrl)?;
        match character {
            '\\' => in_word.extend(characters.next()),
            ' ' if in_word.is_empty() => {}
            ' ' => words.push(String::new()),
            other => in_word.push(other),
        }
    }
    let mut settings = Vec::new();
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c").or_else(|| word.strip_prefix("--")) {
            Some("") => words.next().ok_or(BadUrl)?,
            Some(setting) => setting.to_owned(),
            None => return Err(BadUrl),
        };
        let (name, value) = setting.split_once('=').ok_or(BadUrl)?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

/// How far a URL says that the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// It does not leave the machine.
    Local,
    /// Encrypted, and the server is known by its certificate.
    Authenticated,
    /// Encrypted; the server could be another one.
    Encrypted,
    /// In clear, and the URL says so.
    InClear,
    /// The URL does not say: it may be in clear.
    Unsaid,
}

/// What `url` says about the protection of its connections.
pub fn protection(url: &str) -> Protection {
    let Ok(url) = Url::parse(url) else {
        return Protection::Unsaid;
    };
    // Of a key that is given twice the last counts.
    let value = |names: [&str; 2]| {
        let pairs = url.query_pairs();
        let found = pairs.filter(|(key, _)| names.contains(&key.as_ref()));
        found.last().map(|(_, value)| value.into_owned())
    };
    let host = value(["host", "hostaddr"]).or_else(|| url.host_str().map(str::to_owned));
    if host.is_none_or(|host| is_local(&host)) {
        return Protection::Local;
    }
    match value(["sslmode", "ssl-mode"]).as_deref() {
        Some("verify-full" | "verify-ca") => Protection::Authenticated,
        Some("require") => Protection::Encrypted,
        Some("disable") => Protection::InClear,
        Some(_) | None => Protection::Unsaid,
    }
}

fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address: Result<IpAddr, _> = address.parse();
    host.is_empty()
        || host.starts_with('/')
        || host.to_ascii_lowercase().starts_with("%2f")
        || host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_url_are_settings_of_the_session() {
        let url = "postgres://u:p%40s@db/lms?sslmode=require&options=-csearch_path%3Dlms%2Cpublic%20-c%20work_mem%3D4MB%20--geqo%3Doff";
        let (rest, given) = without_options(url).unwrap();
        assert_eq!(rest, "postgres://u:p%40s@db/lms?sslmode=require");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            given,
            [
                pair("search_path", "lms,public"),
                pair("work_mem", "4MB"),
                pair("geqo", "off")
            ]
        );
        assert!(without_options("postgres://db/lms?options=search_path%3Dlms").is_err());
        assert_eq!(
            command_line_settings(r"-c search_path=a\ b,c").unwrap(),
            [pair("search_path", "a b,c")]
        );
    }

    #[tokio::test]
    async fn a_server_that_has_gone_ends_the_wait_for_its_answer() {
        // Nobody listens on a port that was free a moment ago.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let settings = SessionSettings {
            read_only: true,
            lock_timeout: Duration::from_secs(1),
            statement_timeout: None,
            catalog_first: true,
        };
        let url = format!("postgres://nobody@127.0.0.1:{port}/none");
        let mut server = Server::at(&url, "kigen test", settings).unwrap();
        server.asked_after = Duration::from_millis(10);
        let silent = std::future::pending::<Result<(), sqlx::Error>>();
        let ended = tokio::time::timeout(CONNECT_TIMEOUT, server.watched(silent)).await;
        assert!(matches!(ended, Ok(Err(sqlx::Error::Io(_)))), "{ended:?}");
    }

    #[test]
    fn a_url_says_how_its_connection_is_protected() {
        for (url, protection_) in [
            ("postgres://db.example.jp/lms", Protection::Unsaid),
            (
                "postgres://db.example.jp/lms?sslmode=prefer",
                Protection::Unsaid,
            ),
            (
                "postgres://db.example.jp/lms?sslmode=require",
                Protection::Encrypted,
            ),
            (
                "postgres://db.example.jp/lms?sslmode=verify-full",
                Protection::Authenticated,
            ),
            (
                "postgres://db.example.jp/lms?sslmode=disable",
                Protection::InClear,
            ),
            ("postgres://localhost/lms", Protection::Local),
            ("postgres://127.0.0.1:5432/lms", Protection::Local),
            ("postgres://[::1]/lms", Protection::Local),
            (
                "postgres://localhost/lms?host=db.example.jp",
                Protection::Unsaid,
            ),
            (
                "postgres://localhost/lms?host=/run/postgresql",
                Protection::Local,
            ),
            ("postgres://%2Frun%2Fpostgresql/lms", Protection::Local),
        ] {
            assert_eq!(protection(url), protection_, "{url}");
        }
    }

    #[test]
    fn a_literal_is_one_under_every_setting() {
        assert_eq!(literal(r"a'b\c"), r"E'a''b\\c'");
    }
}
