//! `kigen witness add` and `kigen witness cosign`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use kigen_evidence::log::cosignature;
use kigen_evidence::log::history::OpenPlan;
use kigen_evidence::log::vkey::{KeyType, NoteKey};
use serde::Serialize;

use super::Own;
use crate::archive::{Archive, PublishError};
use crate::cli::failure::Failure;
use crate::cli::note_key::note_keys;
use crate::cli::{Global, load, output, verify};
use crate::clock;
use crate::config::{CertificatesBucket, CertificatesPlace};
use crate::exit;
use crate::keyring::WitnessKeyring;
use crate::progress::Progress;
use crate::witness::{Contradiction, Held, HeldError, LookError, Seen, WatchedLog};

/// Options of `kigen witness add` and `kigen witness cosign`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The published log: the folder of `checkpoint`, such as `certificates/CLIENT/log`, or
    /// `s3://bucket/prefix/CLIENT/log`
    #[arg(value_name = "LOG")]
    place: String,
    /// The log's public key (`name+id+key`, or a file that holds it), got by another way than the
    /// log; after a rotation the former one too
    #[arg(long = "log-key", value_name = "KEY", required = true)]
    log_keys: Vec<String>,
    #[command(flatten)]
    own: Own,
    /// What the witness remembers: the head that it cosigned last. Keep it as well as the key
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Where to write the cosigned head; stdout if left out
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The bucket's region; what the environment says if left out
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// URL of an S3 server other than Amazon's
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The bucket stands in the path rather than in the host's name
    #[arg(long)]
    path_style: bool,
}

/// Whether something must be remembered already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// Nothing may be.
    Anew,
    /// Something must be.
    GoOn,
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Cosigned {
    log: String,
    /// Entries that the head covers.
    size: u64,
    /// Whether the head was cosigned before: then nothing was read again.
    was_cosigned: bool,
    /// Runs that the log announces and that have no end yet.
    open_plans: Vec<Open>,
    /// The head with the log's signature and the witness's.
    checkpoint: String,
}

#[derive(Serialize)]
struct Open {
    index: u64,
    run: String,
    recorded_at: Timestamp,
}

/// Looks at the log, and cosigns its head if nothing is against it.
pub(super) async fn watch(
    global: &Global,
    arguments: &Arguments,
    begin: Begin,
) -> Result<u8, Failure> {
    load::log(global, None, &Progress::on_stderr())?;
    let keys = log_keys(arguments)?;
    let (keyring, own) = arguments.own.open().await?;
    let state = arguments.state.as_path();
    let held = match begin {
        Begin::Anew => Held::expect_none(state).map(|()| None),
        Begin::GoOn => Held::read(state, &own, &keys).map(Some),
    };
    let held = held.map_err(|error| of_state(&error))?;
    let log = open(arguments, keys).await?;
    let seen = log.look(held.as_ref()).await;
    let seen = seen.map_err(|error| refused(state, held.as_ref(), &error))?;
    let (cosigned, open_plans) = match (seen, held) {
        (Some(seen), _) => {
            let cosigned = cosign(&seen, &keyring, &own)?;
            // What was cosigned is remembered before anybody gets it.
            cosigned.write(state).map_err(|error| of_state(&error))?;
            (cosigned, Some(seen.report.open_plans))
        }
        (None, Some(held)) => (held, None),
        (None, None) => {
            return Err(Failure::new(
                exit::UNEXPECTED,
                "nothing was cosigned before",
            ));
        }
    };
    hand_out(global, arguments, &cosigned, open_plans)
}

fn log_keys(arguments: &Arguments) -> Result<Vec<NoteKey>, Failure> {
    let keys = note_keys(&arguments.log_keys, KeyType::Note)?;
    let first = keys.first().map(NoteKey::name);
    if keys.iter().any(|key| Some(key.name()) != first) {
        let message =
            "the keys are those of several logs; a witness remembers each log in a file of its own";
        return Err(Failure::new(exit::USAGE, message));
    }
    Ok(keys)
}

/// Opens the folder above the log's own, so that tiles have a path.
async fn open(arguments: &Arguments, keys: Vec<NoteKey>) -> Result<WatchedLog, Failure> {
    let named = arguments.place.trim_end_matches('/');
    let (parent, folder) = named.rsplit_once('/').unwrap_or((".", named));
    let place = if named.starts_with("s3://") {
        let bucket = CertificatesBucket::parse(parent).ok_or_else(|| {
            let message =
                format!("`{named}` is not an address of the form `s3://bucket/prefix/CLIENT/log`");
            Failure::new(exit::USAGE, message)
        })?;
        CertificatesPlace::S3(CertificatesBucket {
            region: arguments.region.clone(),
            endpoint: arguments.endpoint.clone(),
            path_style: arguments.path_style,
            ..bucket
        })
    } else {
        let parent = if parent.is_empty() { "/" } else { parent };
        CertificatesPlace::Folder(parent.into())
    };
    let place: Arc<dyn Archive> = verify::open_place(&place).await?;
    Ok(WatchedLog {
        place,
        folder: folder.to_owned(),
        keys,
    })
}

fn cosign(seen: &Seen, keyring: &WitnessKeyring, own: &NoteKey) -> Result<Held, Failure> {
    let failed = |why: String| Failure::new(exit::UNEXPECTED, format!("cosign the head: {why}"));
    let now = u64::try_from(clock::now().as_second()).map_err(|error| failed(error.to_string()))?;
    let line = cosignature::sign(seen.note.text(), own, keyring.signing_key(), now);
    let mut note = seen.note.clone();
    let added = line.and_then(|line| note.add(line));
    added.map_err(|error| failed(error.to_string()))?;
    Ok(Held {
        note,
        checkpoint: seen.checkpoint.clone(),
    })
}

fn hand_out(
    global: &Global,
    arguments: &Arguments,
    held: &Held,
    open_plans: Option<Vec<OpenPlan>>,
) -> Result<u8, Failure> {
    let text = held.note.to_string();
    if let Some(file) = &arguments.output {
        std::fs::write(file, &text).map_err(|error| {
            let message = format!("write `{}`: {error}", file.display());
            Failure::new(exit::USAGE, message)
        })?;
    }
    let was_cosigned = open_plans.is_none();
    let open_plans = open_plans.unwrap_or_default().into_iter().map(|plan| Open {
        index: plan.index,
        run: plan.run,
        recorded_at: plan.recorded_at,
    });
    let cosigned = Cosigned {
        log: held.checkpoint.origin().to_owned(),
        size: held.checkpoint.size(),
        was_cosigned,
        open_plans: open_plans.collect(),
        checkpoint: text,
    };
    if global.format == crate::cli::Format::Json {
        output::json(&cosigned)?;
        return Ok(exit::DONE);
    }
    if arguments.output.is_none() {
        output::text(&cosigned.checkpoint);
    }
    output::note(&cosigned.in_words());
    Ok(exit::DONE)
}

impl Cosigned {
    fn in_words(&self) -> String {
        let mut text = if self.was_cosigned {
            format!(
                "the log `{}` still has the {} entries that were cosigned",
                self.log, self.size
            )
        } else {
            format!(
                "the log `{}` was read from its first entry to its last, and its head over {} entries is cosigned",
                self.log, self.size
            )
        };
        for open in &self.open_plans {
            text.push_str(&format!(
                "\nentry {} plans run {} of {}, which has no end yet: it goes on, or was stopped",
                open.index, open.run, open.recorded_at
            ));
        }
        text
    }
}

fn of_state(error: &HeldError) -> Failure {
    let code = match error {
        HeldError::Missing { .. } | HeldError::Exists { .. } | HeldError::OtherLog { .. } => {
            exit::USAGE
        }
        HeldError::Damaged { .. } | HeldError::Io { .. } => exit::CONFIG_INVALID,
    };
    Failure::new(code, error.to_string())
}

/// Says why nothing is cosigned; where two heads contradict each other, both are kept.
fn refused(state: &Path, held: Option<&Held>, error: &LookError) -> Failure {
    if let (Some(held), Some(shown)) = (held, error.contradicting()) {
        let kept = match Contradiction::keep(state, held, shown) {
            Ok(kept) => kept.to_string(),
            Err(failed) => format!("the heads could not be kept beside the state: {failed}"),
        };
        return Failure::new(exit::LOG_DIFFERS, format!("{error}\nhint: {kept}"));
    }
    let code = match error {
        LookError::Place(PublishError::Server { .. }) => exit::STORE_UNREACHABLE,
        LookError::Place(_) => exit::USAGE,
        LookError::BrokenOff => exit::UNEXPECTED,
        LookError::NoHead { .. }
        | LookError::Note(_)
        | LookError::Checkpoint(_)
        | LookError::OtherLog { .. }
        | LookError::NotWhole(_)
        | LookError::OtherRoot { .. }
        | LookError::Story { .. }
        | LookError::RolledBack { .. }
        | LookError::Split { .. }
        | LookError::Rewritten { .. } => exit::DOES_NOT_HOLD,
    };
    let mut message = format!("the head is not cosigned: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        message.push_str(&format!(": {source}"));
        cause = source.source();
    }
    Failure::new(code, message)
}
