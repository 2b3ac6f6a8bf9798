//! `kigen ledger migrate` and `kigen journal migrate`.

use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use sqlx::Connection;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteConnectOptions;

use super::Global;
use super::failure::Failure;
use super::load;
use super::output;
use crate::clock;
use crate::config::Config;
use crate::config::StoreConfig;
use crate::config::StoreKind;
use crate::database::postgres::Server;
use crate::database::postgres::SessionError;
use crate::database::postgres::SessionSettings;
use crate::exit;
use crate::ledger::migrator;
use crate::progress::Progress;

/// How long a migration waits for another one of the same store.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// The commands of `kigen ledger`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum LedgerCommand {
    /// Creates or extends the ledger's tables; does nothing if they are there
    Migrate,
}

/// The commands of `kigen journal`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum JournalCommand {
    /// Creates or extends kigen's tables in the stores' databases
    Migrate {
        /// Only this store; may be repeated
        #[arg(long = "store", value_name = "NAME")]
        stores: Vec<String>,
    },
}

/// A database that is as this version of kigen needs it.
#[derive(Serialize)]
pub(super) struct Migrated {
    pub(super) database: String,
    /// Names of the migrations that were applied; empty if all were there.
    pub(super) applied: Vec<String>,
}

/// Migrates the ledger.
pub(super) async fn ledger(global: &Global, command: &LedgerCommand) -> Result<u8, Failure> {
    let LedgerCommand::Migrate = command;
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    show(global, vec![migrate_ledger(&config).await?])
}

/// Creates or extends the tables of the ledger that `config` names.
pub(super) async fn migrate_ledger(config: &Config) -> Result<Migrated, Failure> {
    if let Some(file) = sqlite_file(config.ledger.expose()) {
        load::make_parent(std::path::Path::new(file))?;
    }
    let ledger = load::ledger(config).await?;
    let applied = ledger.migrate(clock::now()).await?;
    ledger.close().await;
    Ok(Migrated {
        database: config.ledger.to_string(),
        applied,
    })
}

/// The file that a SQLite URL names.
fn sqlite_file(url: &str) -> Option<&str> {
    let file = url.strip_prefix("sqlite://")?;
    file.split('?').next()
}

/// Migrates the journal of every store, or of those that `--store` names.
pub(super) async fn journal(global: &Global, command: &JournalCommand) -> Result<u8, Failure> {
    let JournalCommand::Migrate { stores } = command;
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    show(global, migrate_journals(&config, stores).await?)
}

/// Creates or extends kigen's tables in the stores of these `names`; in all if there are none.
pub(super) async fn migrate_journals(
    config: &Config,
    names: &[String],
) -> Result<Vec<Migrated>, Failure> {
    let mut migrated = Vec::new();
    for (name, store) in chosen(config, names)? {
        let applied = migrate_store(store)
            .await
            .map_err(|error| error.of(name, store))?;
        migrated.push(Migrated {
            database: format!("{name} ({})", store.url),
            applied,
        });
    }
    Ok(migrated)
}

fn chosen<'a>(
    config: &'a Config,
    names: &[String],
) -> Result<Vec<(&'a String, &'a StoreConfig)>, Failure> {
    if let Some(unknown) = names.iter().find(|name| !config.stores.contains_key(*name)) {
        let known: Vec<&str> = config.stores.keys().map(String::as_str).collect();
        return Err(Failure::new(
            exit::USAGE,
            format!(
                "kigen.toml has no store `{unknown}`\nhint: it has {}",
                known.join(", ")
            ),
        ));
    }
    let wanted = |name: &String| names.is_empty() || names.contains(name);
    Ok(config
        .stores
        .iter()
        .filter(|(name, _)| wanted(name))
        .collect())
}

/// Why a journal could not be migrated. No text of the database is passed on.
enum Refused {
    Connect,
    /// The session does not keep what it is told.
    Session(String),
    Migrate(String),
}

impl Refused {
    fn of(self, name: &str, store: &StoreConfig) -> Failure {
        match self {
            Self::Connect => Failure::new(
                exit::STORE_UNREACHABLE,
                format!(
                    "reach store `{name}` at {}\nhint: does it run, and may this role log in?",
                    store.url
                ),
            ),
            Self::Session(why) => Failure::new(
                exit::CONFIG_INVALID,
                format!("use store `{name}` at {}: {why}", store.url),
            ),
            Self::Migrate(why) => Failure::new(
                exit::NOT_MIGRATED,
                format!(
                    "migrate the journal of store `{name}` at {}: {why}\nhint: the role needs the right to create tables there",
                    store.url
                ),
            ),
        }
    }
}

async fn migrate_store(store: &StoreConfig) -> Result<Vec<String>, Refused> {
    let at = clock::now();
    let refused = |error: migrator::MigrationError| Refused::Migrate(error.to_string());
    match &store.kind {
        StoreKind::Postgres { journal_schema } => {
            // A role's own limits and paths count here as little as in a run.
            let settings = SessionSettings {
                read_only: false,
                lock_timeout: LOCK_TIMEOUT,
                statement_timeout: None,
                catalog_first: true,
            };
            let server = Server::at(store.url.expose(), "kigen", settings);
            let server = server.map_err(|_| Refused::Connect)?;
            let mut connection = server.connect().await.map_err(|error| match error {
                SessionError::Driver(_) => Refused::Connect,
                other => Refused::Session(other.to_string()),
            })?;
            let schema = Some(journal_schema.as_str());
            migrator::migrate_postgres(&mut connection, &migrator::JOURNAL_POSTGRES, schema, at)
                .await
                .map_err(refused)
        }
        StoreKind::Sqlite => {
            let options =
                SqliteConnectOptions::from_str(store.url.expose()).map_err(|_| Refused::Connect)?;
            let mut connection = SqliteConnection::connect_with(&options.create_if_missing(false))
                .await
                .map_err(|_| Refused::Connect)?;
            migrator::migrate_sqlite(&mut connection, &migrator::JOURNAL_SQLITE, at)
                .await
                .map_err(refused)
        }
    }
}

fn show(global: &Global, migrated: Vec<Migrated>) -> Result<u8, Failure> {
    output::print(global.format, &migrated, |migrated| {
        let lines: Vec<String> = migrated
            .iter()
            .map(|one| match one.applied.as_slice() {
                [] => format!("{}: up to date", one.database),
                applied => format!("{}: applied {}", one.database, applied.join(", ")),
            })
            .collect();
        lines.join("\n")
    })?;
    Ok(exit::DONE)
}
