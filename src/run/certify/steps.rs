//! The steps of sealing, in their order.

use jiff::Timestamp;
use kigen_evidence::statement::Statement;
use kigen_evidence::{dsse, sshsig};

use crate::archive::{Archive, Content, Put, client_folder};
use crate::ledger::Envelope;
use crate::ledger::entry::Entry;

use super::certificate::{Draft, certificate_id};
use super::close_plan::{BeforeTheLog, Prepared, close_plans};
use super::context::{SealContext, SealedCertificate, SealedRun};
use super::error::SealError;
use super::facts::RunFacts;
use super::journal::{ClientJournal, close_fences, gather, mark_published, settle};
use super::keys::publish_keys;
use super::leaves::LeavesWriter;
use super::page::page;
use super::{read_back, work};

/// Names of the published files.
const LEAVES: &str = "leaves.bin";
const STATEMENT: &str = "statement.json";
const SSH_SIGNATURE: &str = "statement.json.sig";
const PAGE: &str = "certificate.html";
const LOG_PROOF: &str = "cert.tlog-proof";
const ENVELOPE: &str = "cert.dsse.json";

/// Seals the finished run `run_id`, or goes on where an earlier attempt ended.
///
/// Closes the run's fences first, so that nothing can join it any more. A run that removed nothing
/// is sealed without a certificate. Memory does not grow with the leaves.
///
/// The caller holds the lock of the run.
pub async fn seal(context: &SealContext<'_>, run_id: &str) -> Result<SealedRun, SealError> {
    let facts = RunFacts::read(context.ledger, run_id).await?;
    close_fences(context, &facts).await?;
    fail::fail_point!("seal.after-fence");
    let (drafts, evidence_key) = draft(context, &facts).await?;
    let looked_back = read_back::read_back(context, &facts, &drafts).await?;
    // What was looked at was looked at before the certificate is fixed.
    let now = (context.now)();
    fail::fail_point!("seal.after-look-back");
    publish_keys(context.keeper()).await?;
    let before = BeforeTheLog {
        evidence_key: &evidence_key,
        looked_back: &looked_back,
    };
    let prepared = close_plans(context, &facts, drafts, before, now).await?;
    record_sealed(context, &facts, &prepared, now).await?;
    let mut certificates = Vec::with_capacity(prepared.len());
    let last = prepared.len();
    context.progress.step(last as u64, "publishing");
    for (number, one) in (1..).zip(prepared) {
        let envelope = sign(context, &facts, &one).await?;
        let certificate = publish(context, &facts, one, &envelope).await?;
        if number == last {
            // Before the run counts as published: nobody would do it afterwards.
            mark_published(context, &facts).await?;
            settle(context, &facts).await;
        }
        record_published(context, &facts, &certificate, now).await?;
        certificates.push(certificate);
        context.progress.advance(1);
    }
    context.progress.finish();
    Ok(SealedRun {
        run_id: run_id.to_owned(),
        certificates,
    })
}

/// Writes the leaves of each client. Returns them with the name of the run's evidence key, which is
/// empty if the key is gone: a certificate that is stored needs none any more.
async fn draft(
    context: &SealContext<'_>,
    facts: &RunFacts,
) -> Result<(Vec<Draft>, String), SealError> {
    let sort_failed = |source| SealError::Sort {
        run: facts.run_id().to_owned(),
        folder: context.work_folder.to_owned(),
        source,
    };
    work::begin(context.work_folder, facts.run_id())?;
    let gathered = gather(context, facts).await?;
    let (journals, evidence) = gathered.finish().map_err(sort_failed)?;
    agree_with_what_is_sealed(facts, &journals)?;
    let evidence_key = context.ledger.run_key(facts.run_id()).await?;
    let targets = facts.targets()?.len();
    context.progress.step(evidence.left(), "sealing");
    let leaves = LeavesWriter::new(evidence, targets, context.work_folder, context.progress);
    let mut leaves = leaves.map_err(sort_failed)?;
    let mut drafts = Vec::with_capacity(journals.len());
    for (number, journal) in (0..).zip(journals) {
        let file = work::unfinished(context.work_folder, facts.run_id())?;
        let file = leaves.write(number, file).map_err(sort_failed)?;
        fail::fail_point!("seal.after-leaves");
        if file.folded.disorder.is_some() || file.folded.strangers > 0 {
            return Err(SealError::Disorder {
                run: facts.run_id().to_owned(),
            });
        }
        drafts.push(Draft {
            certificate_id: certificate_id(facts.run_id(), &journal.client),
            journal,
            leaves: file.close(),
        });
    }
    context.progress.finish();
    let evidence_key = evidence_key.map_or_else(String::new, |key| key.kek_id);
    Ok((drafts, evidence_key))
}

/// Whether the journals still name exactly the clients that were certified.
fn agree_with_what_is_sealed(
    facts: &RunFacts,
    journals: &[ClientJournal],
) -> Result<(), SealError> {
    let lost = facts
        .stored
        .iter()
        .find(|(client, _)| !journals.iter().any(|journal| journal.client == **client));
    if let Some((_, stored)) = lost {
        return Err(changed(&stored.summary.certificate_id));
    }
    let Some(sealed) = &facts.run.certificate_ids else {
        return Ok(());
    };
    let all_sealed = journals
        .iter()
        .all(|journal| sealed.contains(&certificate_id(facts.run_id(), &journal.client)));
    if !all_sealed {
        return Err(SealError::MoreThanSealed {
            run: facts.run_id().to_owned(),
        });
    }
    Ok(())
}

fn changed(certificate_id: &str) -> SealError {
    SealError::JournalChanged {
        certificate_id: certificate_id.to_owned(),
    }
}

/// Says in the ledger that the run has these certificates and no other.
async fn record_sealed(
    context: &SealContext<'_>,
    facts: &RunFacts,
    prepared: &[Prepared],
    now: Timestamp,
) -> Result<(), SealError> {
    if facts.run.certificate_ids.is_some() {
        return Ok(());
    }
    let ids = prepared.iter().map(|one| one.certificate_id.clone());
    let sealed = Entry::Sealed {
        certificate_ids: ids.collect(),
    };
    let run_id = Some(facts.run_id());
    context.ledger.append(run_id, now, &sealed).await?;
    Ok(())
}

/// Signs the stored bytes, unless they are signed already: perhaps under an older key.
///
/// The key is that of the time of sealing, so that a rotation in between changes nothing.
async fn sign(
    context: &SealContext<'_>,
    facts: &RunFacts,
    one: &Prepared,
) -> Result<Envelope, SealError> {
    let stored = facts.stored.get(&one.client);
    if let Some(envelope) = stored.and_then(|stored| stored.envelope.clone()) {
        return Ok(envelope);
    }
    // The payload that was stored, or was made just now.
    let statement: Statement = serde_json::from_slice(&one.payload)
        .map_err(|_| facts.damaged("have a certificate that cannot be read".to_owned()))?;
    let sealed_at = statement.predicate.period.sealed_at;
    let key = context.keyring.signing_key_at(sealed_at);
    let signed = dsse::sign(&one.payload, key).map_err(|source| SealError::Sign {
        certificate_id: one.certificate_id.clone(),
        source,
    })?;
    let envelope = Envelope {
        envelope: signed,
        sshsig: sshsig::sign(&one.payload, key),
    };
    let id = &one.certificate_id;
    context.ledger.store_envelope(id, &envelope).await?;
    fail::fail_point!("seal.after-sign");
    Ok(envelope)
}

/// Publishes one file, which is there for ever.
pub(super) async fn put(
    place: &dyn Archive,
    path: &str,
    content: Content<'_>,
) -> Result<(), SealError> {
    match place.put_new(path, content).await? {
        Put::Created | Put::AlreadyEqual => Ok(()),
        Put::Conflict { .. } => Err(SealError::Occupied {
            path: place.locate(path),
        }),
    }
}

/// Publishes one file unless something stands there, whatever is in it: for what people read, which
/// another version of kigen may have set in another way before it was stopped, and for a proof,
/// which may have been made when the log was shorter.
async fn put_once(place: &dyn Archive, path: &str, bytes: &[u8]) -> Result<(), SealError> {
    match place.put_new(path, Content::Bytes(bytes)).await? {
        Put::Created | Put::AlreadyEqual | Put::Conflict { .. } => Ok(()),
    }
}

/// Publishes one certificate; the envelope comes last, so that where it is, the rest is.
async fn publish(
    context: &SealContext<'_>,
    facts: &RunFacts,
    one: Prepared,
    envelope: &Envelope,
) -> Result<SealedCertificate, SealError> {
    let run_id = facts.run_id();
    let folder = format!("{}/{}", client_folder(&one.client), client_folder(run_id));
    let path = |name| format!("{folder}/{name}");
    put(context.place, &path(LEAVES), Content::File(&one.leaves)).await?;
    fail::fail_point!("seal.after-file");
    // Before the run counts as published: nobody would look for it afterwards.
    drop(one.leaves);
    if let Some(page) = page(context, &one.certificate_id, envelope)? {
        put_once(context.place, &path(PAGE), page.as_bytes()).await?;
        fail::fail_point!("seal.after-file");
    }
    let proof = one.proof.to_string();
    put_once(context.place, &path(LOG_PROOF), proof.as_bytes()).await?;
    fail::fail_point!("seal.after-file");
    for (name, bytes) in [
        (STATEMENT, one.payload.as_slice()),
        (SSH_SIGNATURE, envelope.sshsig.as_bytes()),
        (ENVELOPE, envelope.envelope.as_slice()),
    ] {
        put(context.place, &path(name), Content::Bytes(bytes)).await?;
        fail::fail_point!("seal.after-file");
    }
    let (remaining, unverifiable) = read_back::says(facts, &one.payload)?;
    Ok(SealedCertificate {
        certificate_id: one.certificate_id,
        client: one.client,
        folder,
        records: one.folded.record_total(),
        subjects: one.folded.subject_total(),
        repeated: one.repeated,
        remaining,
        unverifiable,
    })
}

async fn record_published(
    context: &SealContext<'_>,
    facts: &RunFacts,
    certificate: &SealedCertificate,
    now: Timestamp,
) -> Result<(), SealError> {
    fail::fail_point!("seal.before-published");
    if facts.run.published.contains(&certificate.certificate_id) {
        return Ok(());
    }
    let published = Entry::Published {
        certificate_id: certificate.certificate_id.clone(),
        folder: certificate.folder.clone(),
    };
    let run_id = Some(facts.run_id());
    context.ledger.append(run_id, now, &published).await?;
    Ok(())
}
