//! `kigen ledger migrate` and `kigen journal migrate`.

use serde::Serialize;

use super::failure::Failure;
use super::{Global, load, output};
use crate::clock;
use crate::config::{Config, StoreConfig, StoreKind};
use crate::database::error::DatabaseError;
use crate::database::migrate::{self, MigrationError};
use crate::database::{self};
use crate::exit;
use crate::progress::Progress;

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
            .map_err(|error| refused(&error, name, store))?;
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
fn refused(error: &MigrationError, name: &str, store: &StoreConfig) -> Failure {
    match error {
        MigrationError::Database(error) if error.failure.is_unreachable() => Failure::new(
            exit::STORE_UNREACHABLE,
            format!(
                "reach store `{name}` at {}\nhint: does it run, and may this role log in?",
                store.url
            ),
        ),
        MigrationError::Database(DatabaseError {
            failure: database::error::Failure::UnsafeSession(why),
            ..
        }) => Failure::new(
            exit::CONFIG_INVALID,
            format!("use store `{name}` at {}: {why}", store.url),
        ),
        error => Failure::new(
            exit::NOT_MIGRATED,
            format!(
                "migrate the journal of store `{name}` at {}: {error}\nhint: the role needs the right to create tables there",
                store.url
            ),
        ),
    }
}

async fn migrate_store(store: &StoreConfig) -> Result<Vec<String>, MigrationError> {
    let schema = match &store.kind {
        StoreKind::Postgres { journal_schema } => Some(journal_schema.as_str()),
        StoreKind::Sqlite => None,
    };
    let database = migrate::journal_database(store.url.expose(), schema).await?;
    let applied = migrate::migrate(&*database, &migrate::JOURNAL, clock::now()).await;
    database.close().await;
    applied
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
