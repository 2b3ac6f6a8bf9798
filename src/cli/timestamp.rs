//! `kigen timestamp`: time stamps for the heads of logs that have none yet.

use serde::Serialize;

use super::failure::Failure;
use super::{Global, load, output, verify};
use crate::exit;
use crate::progress::Progress;
use crate::timestamp::{Authority, StampError, Stamped, Stamper};

/// What became of one client's log.
#[derive(Serialize)]
struct Line {
    client: String,
    /// `stamped`, `stamped-before`, `no-head` or `pending`
    state: &'static str,
    size: Option<u64>,
    stamped_at: Option<String>,
    why: Option<String>,
}

/// Asks for every stamp that is pending.
pub(super) async fn timestamp(global: &Global) -> Result<u8, Failure> {
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    let Some(timestamp) = &config.timestamp else {
        let message = "kigen.toml names no time-stamping authority\nhint: `[timestamp]` with `url` and `root`; docs/EVIDENCE.md says what it is for";
        return Err(Failure::new(exit::CONFIG_INVALID, message));
    };
    let keyring = load::keyring(&config).await?;
    let place = verify::open_place(&config.certificates.place).await?;
    let ledger = load::ledger(&config).await?;
    ledger.check_migrated().await?;
    let clients = ledger.log_clients().await?;
    ledger.close().await;
    let authority = Authority::new(timestamp);
    let stamper = Stamper {
        config: timestamp,
        authority: &authority,
        keyring: &keyring,
        place: &*place,
        origin: config.certificates.origin()?,
    };
    let mut lines = Vec::with_capacity(clients.len());
    let mut code = exit::DONE;
    for client in &clients {
        let stamped = stamper.stamp(client).await;
        if let Err(error) = &stamped {
            code = code.max(code_of(error));
        }
        lines.push(line(client, stamped));
    }
    output::print(global.format, &lines, |lines| {
        if lines.is_empty() {
            return "no log has been published yet".to_owned();
        }
        let lines: Vec<String> = lines.iter().map(Line::render).collect();
        lines.join("\n")
    })?;
    Ok(code)
}

fn code_of(error: &StampError) -> u8 {
    match error {
        StampError::Ask(_) => exit::STORE_UNREACHABLE,
        StampError::Answer(_)
        | StampError::Note(_)
        | StampError::Checkpoint(_)
        | StampError::Occupied { .. } => exit::DOES_NOT_HOLD,
        StampError::Place(_) | StampError::Key(_) | StampError::Request(_) => exit::UNEXPECTED,
    }
}

fn line(client: &str, stamped: Result<Stamped, StampError>) -> Line {
    let line = |state, size, stamped_at| Line {
        client: client.to_owned(),
        state,
        size,
        stamped_at,
        why: None,
    };
    match stamped {
        Ok(Stamped::NoHead) => line("no-head", None, None),
        Ok(Stamped::Before { size }) => line("stamped-before", Some(size), None),
        Ok(Stamped::Now { size, at }) => line("stamped", Some(size), Some(at.to_string())),
        Err(error) => Line {
            why: Some(error.to_string()),
            ..line("pending", None, None)
        },
    }
}

impl Line {
    fn render(&self) -> String {
        let size = self.size.unwrap_or_default();
        let what = match (&self.stamped_at, &self.why) {
            (Some(at), _) => format!("head over {size} entries stamped at {at}"),
            (None, Some(why)) => format!("pending: {why}"),
            (None, None) if self.state == "no-head" => "nothing published yet".to_owned(),
            (None, None) => format!("head over {size} entries was stamped before"),
        };
        format!("log of client `{}`: {what}", self.client)
    }
}
