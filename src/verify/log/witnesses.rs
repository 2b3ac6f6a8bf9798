//! Heads that witnesses have cosigned: each is a head of this log, and the newest says how far they
//! have looked.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::note::{Note, NoteError};
use kigen_evidence::log::vkey::NoteKey;
use kigen_evidence::merkle::Hash;

use crate::archive::{Kind, Standing};
use crate::verify::VerifyError;
use crate::verify::clients::PublishedClient;
use crate::verify::finding::{PublishedFact, PublishedFinding, PublishedProblem};

/// A head that says that witnesses have cosigned it.
pub(super) struct CosignedHead {
    path: String,
    note: Note,
    pub(super) checkpoint: Checkpoint,
}

/// The cosigned heads that are published, signed by the log with one of `keys`; and the present
/// head, which may be cosigned too.
pub(super) async fn cosigned(
    client: &PublishedClient<'_>,
    keys: &[NoteKey],
    head: (&Note, &Checkpoint),
) -> Result<(Vec<CosignedHead>, Vec<PublishedFinding>), VerifyError> {
    let (note, checkpoint) = head;
    let mut heads = vec![CosignedHead {
        path: "the head of the log".to_owned(),
        note: note.clone(),
        checkpoint: checkpoint.clone(),
    }];
    let mut findings = Vec::new();
    for file in client.log {
        let kind = Kind::of(&file.path);
        let is_kept = matches!(kind, Some(Kind::Cosigned | Kind::Stamped));
        if !is_kept || file.standing != Standing::Visible {
            continue;
        }
        let path = file.path.clone();
        let bytes = client.place.get(&path).await?.unwrap_or_default();
        match read(&bytes, keys) {
            Ok((note, checkpoint)) => heads.push(CosignedHead {
                path,
                note,
                checkpoint,
            }),
            Err(why) => findings.push(PublishedProblem::Cosigned { path, why }.into()),
        }
    }
    Ok((heads, findings))
}

fn read(bytes: &[u8], keys: &[NoteKey]) -> Result<(Note, Checkpoint), String> {
    let note: Note = String::from_utf8_lossy(bytes)
        .parse()
        .map_err(|error: NoteError| error.to_string())?;
    let opened = note.open(keys).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::read(&opened).map_err(|error| error.to_string())?;
    Ok((note, checkpoint))
}

/// Whether `heads` are heads of the tree that has `roots`, and how far the trusted witnesses have
/// followed it.
pub(super) fn check(
    client: &PublishedClient<'_>,
    heads: &[CosignedHead],
    roots: &BTreeMap<u64, Hash>,
    head: &Checkpoint,
) -> Vec<PublishedFinding> {
    let mut findings = Vec::new();
    for cosigned in heads {
        let (size, path) = (cosigned.checkpoint.size(), cosigned.path.clone());
        if roots.get(&size) != Some(cosigned.checkpoint.root()) && cosigned.checkpoint != *head {
            findings.push(PublishedProblem::CosignedOtherLog { path, size }.into());
        }
    }
    for witness in client.witnesses {
        findings.push(match newest(heads, witness) {
            Err((path, error)) => {
                let why = error.to_string();
                PublishedProblem::Cosigned { path, why }.into()
            }
            Ok(Some((size, at))) => {
                let witness = witness.name().to_owned();
                let of = head.size();
                PublishedFact::CosignedBy {
                    witness,
                    size,
                    of,
                    at,
                }
                .into()
            }
            Ok(None) => {
                let witness = witness.name().to_owned();
                PublishedProblem::NotCosigned { witness }.into()
            }
        });
    }
    findings
}

/// The largest head that `witness` has cosigned, and when it did.
fn newest(
    heads: &[CosignedHead],
    witness: &NoteKey,
) -> Result<Option<(u64, Timestamp)>, (String, NoteError)> {
    let mut newest = None;
    for head in heads {
        let opened = match head.note.open(std::slice::from_ref(witness)) {
            Ok(opened) => opened,
            Err(NoteError::NobodyKnown) => continue,
            Err(error) => return Err((head.path.clone(), error)),
        };
        let time = opened.signers().first().and_then(|signer| signer.time);
        let at = time
            .and_then(|time| i64::try_from(time).ok())
            .and_then(|time| Timestamp::from_second(time).ok());
        newest = newest.max(at.map(|at| (head.checkpoint.size(), at)));
    }
    Ok(newest)
}
