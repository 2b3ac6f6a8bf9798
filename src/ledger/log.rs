//! The clients' logs in the ledger: entries, one after the other, and the checkpoints signed over
//! them.
//!
//! An entry is fixed once it has its index: nothing can be put before it, and no index is left
//! out. Each run has one plan and one closing entry in a client's log at most.

use async_trait::async_trait;
use jiff::Timestamp;
use kigen_evidence::merkle::{self, Hash};

use super::certificates;
use super::entries::bind;
use super::error::LedgerError;
use super::open::SqlLedger;
use super::record::{NewCertificate, Stored};
use crate::database::dialect::Dialect;
use crate::database::session::SqlSession;
use crate::database::statement::{Arg, Statement, Values};
use crate::database::transaction::end;

/// What an entry is to its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRole {
    /// It says what the run is about to do.
    Plan,
    /// It says what the run did: a certificate, with removals or without, or an abort.
    Closing,
    /// It belongs to no run: a suspension, a change of keys.
    Notice,
}

/// An entry on its way into a client's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLogEntry {
    pub client: String,
    /// The place that the payload names as its own.
    pub index: u64,
    pub role: LogRole,
    /// None for notices.
    pub run_id: Option<String>,
    /// The exact bytes that are the leaf.
    pub payload: Vec<u8>,
    pub at: Timestamp,
}

/// An entry of a client's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub index: u64,
    pub role: LogRole,
    pub run_id: Option<String>,
    pub payload: Vec<u8>,
}

/// What became of a new entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    New,
    /// The run has its entry of this role already: this one.
    AlreadyThere(LogEntry),
    /// The log has another size than the entry's index: it has to be made again.
    Moved,
}

/// A signed head of a client's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogCheckpoint {
    pub client: String,
    /// Entries that it covers.
    pub size: u64,
    /// The signed note.
    pub note: String,
}

/// The clients' logs.
#[async_trait]
pub trait LogEntries: Send + Sync {
    /// The clients that have a log, in the order of their names.
    async fn log_clients(&self) -> Result<Vec<String>, LedgerError>;

    /// The leaf hashes of a client's log, in the order of their indexes; empty if there is none.
    async fn log_hashes(&self, client: &str) -> Result<Vec<Hash>, LedgerError>;

    /// The entries of a run in all logs: each client with its entries, in the order of the clients.
    async fn log_of_run(&self, run_id: &str) -> Result<Vec<(String, LogEntry)>, LedgerError>;

    /// The entry of this role that a run has in a client's log.
    async fn log_entry(
        &self,
        client: &str,
        run_id: &str,
        role: LogRole,
    ) -> Result<Option<LogEntry>, LedgerError>;

    /// The entries of a client's log from `from` (included) until `until` (excluded).
    async fn log_entries(
        &self,
        client: &str,
        from: u64,
        until: u64,
    ) -> Result<Vec<LogEntry>, LedgerError>;

    /// The notices of a client's log, in their order.
    async fn log_notices(&self, client: &str) -> Result<Vec<LogEntry>, LedgerError>;

    /// Appends an entry, and stores the certificate that it is, in one transaction; durable on
    /// return.
    ///
    /// Nothing is written unless the answer is [`Appended::New`].
    async fn append_to_log(
        &self,
        new: &NewLogEntry,
        certificate: Option<&NewCertificate>,
    ) -> Result<Appended, LedgerError>;

    /// Stores the head that is about to be published.
    ///
    /// The same note for the same size is [`Stored::AlreadyThere`]. Another note for that size, or
    /// a size below the last one, is a [`LedgerError::Conflict`]: a log never signs two stories.
    async fn store_checkpoint(
        &self,
        checkpoint: &LogCheckpoint,
        at: Timestamp,
    ) -> Result<Stored, LedgerError>;

    /// The last signed head of a client's log.
    async fn last_checkpoint(&self, client: &str) -> Result<Option<LogCheckpoint>, LedgerError>;
}

const READ: &str = "read a log";
const APPEND: &str = "append to a log";
const SIGN: &str = "sign a checkpoint";

#[async_trait]
impl LogEntries for SqlLedger {
    async fn log_clients(&self) -> Result<Vec<String>, LedgerError> {
        let sql = "select distinct client from kigen_log_entry order by client";
        let clients = self.read(&Statement::plain(READ, sql)).await?.into_iter();
        Ok(clients.map(|(client,)| client).collect())
    }

    async fn log_hashes(&self, client: &str) -> Result<Vec<Hash>, LedgerError> {
        let sql = "select log_index, leaf_hash from kigen_log_entry where client = ? \
                   order by log_index";
        let statement = Statement::of(READ, sql, [client.into()]);
        hashes(self.read(&statement).await?)
    }

    async fn log_of_run(&self, run_id: &str) -> Result<Vec<(String, LogEntry)>, LedgerError> {
        let sql = "select client, log_index, role, run_id, payload, leaf_hash \
                   from kigen_log_entry where run_id = ? order by client, log_index";
        let rows = self
            .read(&Statement::of(READ, sql, [run_id.into()]))
            .await?;
        let rows = rows.into_iter();
        rows.map(|(client, index, role, run_id, payload, hash)| {
            Ok((client, entry((index, role, run_id, payload, hash))?))
        })
        .collect()
    }

    async fn log_entry(
        &self,
        client: &str,
        run_id: &str,
        role: LogRole,
    ) -> Result<Option<LogEntry>, LedgerError> {
        let mut session = self.session(READ).await?;
        of_run(&mut *session, client, run_id, role).await
    }

    async fn log_entries(
        &self,
        client: &str,
        from: u64,
        until: u64,
    ) -> Result<Vec<LogEntry>, LedgerError> {
        let sql = "select log_index, role, run_id, payload, leaf_hash from kigen_log_entry \
                   where client = ? and log_index >= ? and log_index < ? order by log_index";
        let values = [client.into(), number(from).into(), number(until).into()];
        let rows = self.read(&Statement::of(READ, sql, values)).await?;
        rows.into_iter().map(entry).collect()
    }

    async fn log_notices(&self, client: &str) -> Result<Vec<LogEntry>, LedgerError> {
        let sql = "select log_index, role, run_id, payload, leaf_hash from kigen_log_entry \
                   where client = ? and role = 'notice' order by log_index";
        let rows = self
            .read(&Statement::of(READ, sql, [client.into()]))
            .await?;
        rows.into_iter().map(entry).collect()
    }

    async fn append_to_log(
        &self,
        new: &NewLogEntry,
        certificate: Option<&NewCertificate>,
    ) -> Result<Appended, LedgerError> {
        let mut session = self.begin(APPEND).await?;
        let appended = append(&mut *session, self.dialect(), new, certificate).await;
        end(&mut *session, appended).await
    }

    async fn store_checkpoint(
        &self,
        new: &LogCheckpoint,
        at: Timestamp,
    ) -> Result<Stored, LedgerError> {
        let mut session = self.begin(SIGN).await?;
        let stored = sign(&mut *session, self.dialect(), new, at).await;
        end(&mut *session, stored).await
    }

    async fn last_checkpoint(&self, client: &str) -> Result<Option<LogCheckpoint>, LedgerError> {
        let mut session = self.session(READ).await?;
        last(&mut *session, client).await
    }
}

async fn append(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    new: &NewLogEntry,
    certificate: Option<&NewCertificate>,
) -> Result<Appended, LedgerError> {
    one_at_a_time(session, dialect, &new.client, APPEND).await?;
    if let Some(run_id) = &new.run_id {
        let existing = of_run(session, &new.client, run_id, new.role).await?;
        if let Some(existing) = existing {
            return Ok(Appended::AlreadyThere(existing));
        }
    }
    if size(session, &new.client).await? != number(new.index) {
        return Ok(Appended::Moved);
    }
    session.execute(&insert(dialect, new)).await?;
    if let Some(certificate) = certificate {
        certificates::insert(session, dialect, certificate).await?;
    }
    Ok(Appended::New)
}

async fn sign(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    new: &LogCheckpoint,
    at: Timestamp,
) -> Result<Stored, LedgerError> {
    one_at_a_time(session, dialect, &new.client, SIGN).await?;
    let last = last(session, &new.client).await?;
    if let Some(stored) = follows(last.as_ref(), new)? {
        return Ok(stored);
    }
    let mut values = Values::default();
    let sql = format!(
        "insert into kigen_log_checkpoint (client, size, note, at) values ({}, {}, {}, {})",
        values.bind(&new.client),
        values.bind(number(new.size)),
        values.bind(&new.note),
        bind(dialect, &mut values, at)
    );
    session.execute(&Statement::new(SIGN, sql, values)).await?;
    Ok(Stored::New)
}

/// Lets one session at a time append to a client's log, until its transaction ends.
async fn one_at_a_time(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    client: &str,
    action: &'static str,
) -> Result<(), LedgerError> {
    let mut values = Values::default();
    let name = values.bind(client).to_string();
    let table = dialect.internal("log_entry");
    if let Some(sql) = dialect.serialize(&name, Some(&table)) {
        session.query(&Statement::new(action, sql, values)).await?;
    }
    Ok(())
}

async fn of_run(
    session: &mut dyn SqlSession,
    client: &str,
    run_id: &str,
    role: LogRole,
) -> Result<Option<LogEntry>, LedgerError> {
    let sql = "select log_index, role, run_id, payload, leaf_hash from kigen_log_entry \
               where client = ? and run_id = ? and role = ?";
    let values = [client.into(), run_id.into(), role.name().into()];
    let row = session
        .read_first(&Statement::of(READ, sql, values))
        .await?;
    row.map(entry).transpose()
}

/// Entries of a client's log.
async fn size(session: &mut dyn SqlSession, client: &str) -> Result<i64, LedgerError> {
    let sql = "select coalesce(max(log_index) + 1, 0) from kigen_log_entry where client = ?";
    let statement = Statement::of(READ, sql, [client.into()]);
    Ok(session.read_value(&statement).await?)
}

fn insert(dialect: &dyn Dialect, new: &NewLogEntry) -> Statement {
    let mut values = Values::default();
    let columns: [Arg; 6] = [
        (&new.client).into(),
        number(new.index).into(),
        new.role.name().into(),
        new.run_id.as_deref().into(),
        new.payload.as_slice().into(),
        hash_of(&new.payload).into(),
    ];
    let sql = format!(
        "insert into kigen_log_entry (client, log_index, role, run_id, payload, leaf_hash, at) \
         values ({}, {})",
        values.list(columns),
        bind(dialect, &mut values, new.at)
    );
    Statement::new(APPEND, sql, values)
}

async fn last(
    session: &mut dyn SqlSession,
    client: &str,
) -> Result<Option<LogCheckpoint>, LedgerError> {
    let sql = "select size, note from kigen_log_checkpoint where client = ? \
               order by size desc limit 1";
    let statement = Statement::of(READ, sql, [client.into()]);
    let row = session.read_first(&statement).await?;
    row.map(|row| checkpoint(client, row)).transpose()
}

/// `log_index, role, run_id, payload, leaf_hash`.
type LogRow = (i64, String, Option<String>, Vec<u8>, Vec<u8>);

impl LogRole {
    /// As the ledger writes it.
    const fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Closing => "closing",
            Self::Notice => "notice",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Plan, Self::Closing, Self::Notice]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

/// The hash of `payload` as the leaf that it is.
fn hash_of(payload: &[u8]) -> Vec<u8> {
    merkle::leaf_hash(payload).to_vec()
}

fn number(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

/// Puts an entry together, after proving that its payload is what was hashed.
fn entry(row: LogRow) -> Result<LogEntry, LedgerError> {
    let (index, role, run_id, payload, hash) = row;
    let index = u64::try_from(index).map_err(|_| damaged("with a negative index"))?;
    if hash_of(&payload) != hash {
        return Err(damaged("whose payload does not match its hash"));
    }
    Ok(LogEntry {
        index,
        role: LogRole::from_name(&role).ok_or_else(|| damaged("of an unknown role"))?,
        run_id,
        payload,
    })
}

/// The leaf hashes out of `(log_index, leaf_hash)`, after proving that no index is left out.
fn hashes(rows: Vec<(i64, Vec<u8>)>) -> Result<Vec<Hash>, LedgerError> {
    let mut hashes = Vec::with_capacity(rows.len());
    for (place, (index, hash)) in (0..).zip(rows) {
        if index != place {
            return Err(damaged("that is missing"));
        }
        hashes.push(hash.try_into().map_err(|_| damaged("without its hash"))?);
    }
    Ok(hashes)
}

fn checkpoint(client: &str, row: (i64, String)) -> Result<LogCheckpoint, LedgerError> {
    let (size, note) = row;
    Ok(LogCheckpoint {
        client: client.to_owned(),
        size: u64::try_from(size).map_err(|_| damaged("with a negative index"))?,
        note,
    })
}

/// Whether `new` may follow the last signed head; `Some` if it stands there already.
fn follows(
    last: Option<&LogCheckpoint>,
    new: &LogCheckpoint,
) -> Result<Option<Stored>, LedgerError> {
    let Some(last) = last.filter(|last| last.size >= new.size) else {
        return Ok(None);
    };
    if last == new {
        return Ok(Some(Stored::AlreadyThere));
    }
    Err(LedgerError::Conflict {
        action: "sign a checkpoint".to_owned(),
        found: format!(
            "the log of client `{}` has a signed checkpoint of size {}",
            last.client, last.size
        ),
    })
}

fn damaged(what: &str) -> LedgerError {
    LedgerError::Damaged {
        action: "read a log".to_owned(),
        found: format!("an entry of a log {what}"),
    }
}
