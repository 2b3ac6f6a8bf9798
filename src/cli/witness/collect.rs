//! `kigen witness collect`, on the operator's side.

use std::path::PathBuf;

use jiff::Timestamp;
use kigen_evidence::log::vkey::{KeyType, NoteKey};
use serde::Serialize;

use crate::archive::PublishError;
use crate::cli::failure::Failure;
use crate::cli::note_key::note_keys;
use crate::cli::{Global, load, output, verify};
use crate::exit;
use crate::progress::Progress;
use crate::witness::{CollectError, Collected, Collector};

/// Options of `kigen witness collect`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The cosigned head that the witness sent
    file: PathBuf,
    /// The client whose log it is
    #[arg(long, value_name = "NAME")]
    client: String,
    /// A witness's public key (`name+id+key`, or a file that holds it), beside those of the client
    /// in kigen.toml; may be repeated
    #[arg(long = "witness-key", value_name = "KEY")]
    witness_keys: Vec<String>,
}

#[derive(Serialize)]
struct Line {
    witness: String,
    size: u64,
    seen_at: Option<Timestamp>,
    path: String,
    is_head: bool,
}

/// Checks the cosigned head and publishes it.
pub(super) async fn collect(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    let text = std::fs::read_to_string(&arguments.file).map_err(|error| {
        let message = format!("read `{}`: {error}", arguments.file.display());
        Failure::new(exit::USAGE, message)
    })?;
    let mut witnesses: Vec<NoteKey> = note_keys(&arguments.witness_keys, KeyType::Cosignature)?;
    let mut clients = config.clients.iter();
    let client = clients.find(|client| client.name == arguments.client);
    witnesses.extend(client.iter().flat_map(|client| client.witnesses.clone()));
    let keyring = load::keyring(&config).await?;
    let place = verify::open_place(&config.certificates.place).await?;
    let ledger = load::ledger(&config).await?;
    ledger.check_migrated().await?;
    let collector = Collector {
        ledger: &*ledger,
        keyring: &keyring,
        place: &*place,
        origin: config.certificates.origin()?,
        client: &arguments.client,
        witnesses: &witnesses,
    };
    let collected = collector.collect(&text).await.map_err(failed)?;
    ledger.close().await;
    let lines: Vec<Line> = collected.into_iter().map(line).collect();
    output::print(global.format, &lines, |lines| {
        let lines: Vec<String> = lines.iter().map(Line::render).collect();
        lines.join("\n")
    })?;
    Ok(exit::DONE)
}

fn line(one: Collected) -> Line {
    let time = i64::try_from(one.time).ok();
    Line {
        witness: one.witness,
        size: one.size,
        seen_at: time.and_then(|time| Timestamp::from_second(time).ok()),
        path: one.path,
        is_head: one.is_head,
    }
}

impl Line {
    fn render(&self) -> String {
        let seen_at = self.seen_at.map(|at| format!(" at {at}"));
        format!(
            "`{}` has cosigned {} entries{}: published as `{}`{}",
            self.witness,
            self.size,
            seen_at.unwrap_or_default(),
            self.path,
            if self.is_head {
                ", and in the log's head"
            } else {
                "; the log has grown since"
            }
        )
    }
}

fn failed(error: CollectError) -> Failure {
    let code = match error {
        CollectError::Ledger(error) => return error.into(),
        CollectError::Busy(_) => exit::BUSY,
        CollectError::Place(PublishError::Server { .. }) => exit::STORE_UNREACHABLE,
        CollectError::Place(_) | CollectError::Key(_) => exit::CONFIG_INVALID,
        CollectError::NoWitness => exit::USAGE,
        CollectError::OtherTree { .. } => exit::LOG_DIFFERS,
        CollectError::Note(_)
        | CollectError::Checkpoint(_)
        | CollectError::NotOurs { .. }
        | CollectError::OtherLog { .. }
        | CollectError::Occupied { .. } => exit::DOES_NOT_HOLD,
    };
    Failure::new(code, error.to_string())
}
