//! From the journals of all stores to sorted leaves, client by client.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use kigen_evidence::leaf::{Head, Kind, LEAF_LENGTH};

use crate::store::error::StoreError;
use crate::store::{Disposer, JournalRow, add_counts};

use super::context::SealContext;
use super::error::SealError;
use super::facts::RunFacts;
use super::sorter::{Sorted, Sorter};

/// Memory for the leaves of all clients, in bytes.
const SORTING_MEMORY: usize = 6 * 1024 * 1024;

const CLIENT_LENGTH: usize = 4;
const REF_LENGTH: usize = 32;

/// A client's number, a leaf, and the subject reference of its record.
pub(super) const EVIDENCE_LENGTH: usize = CLIENT_LENGTH + LEAF_LENGTH + REF_LENGTH;

/// The evidence of a run, on its way from the journals.
///
/// One sorter for all clients, with the client's number first: memory does not grow with them.
pub(super) struct Gathered {
    /// The clients, by number.
    pub(super) clients: Vec<ClientJournal>,
    numbers: HashMap<String, u32>,
    sorter: Sorter<EVIDENCE_LENGTH>,
    targets: usize,
}

/// What the journals say of one client beside the leaves.
pub(super) struct ClientJournal {
    pub(super) client: String,
    /// Records by the purpose that ended last, for each target that the client has rows of.
    pub(super) ended_by: BTreeMap<u16, BTreeMap<String, u64>>,
    /// When the last batch of each target was written.
    last_at: BTreeMap<u16, Timestamp>,
}

impl ClientJournal {
    /// When the store wrote its last batch of `target`.
    pub(super) fn last_at(&self, target: u16) -> Option<Timestamp> {
        self.last_at.get(&target).copied()
    }
}

/// A journal row does not say what the journal's own writer says.
struct Damage {
    target: u16,
    what: &'static str,
}

enum Refusal {
    Damage(Damage),
    Sort(std::io::Error),
}

/// Closes the run's fence in every store that it removes from: waits for running batches, and no
/// worker that wakes up later can commit another one.
pub(super) async fn close_fences(
    context: &SealContext<'_>,
    facts: &RunFacts,
) -> Result<(), SealError> {
    for name in facts.journal_stores() {
        let closed = store(context, facts, name)?
            .close_fence(facts.run_id())
            .await;
        closed.map_err(|source| SealError::Store {
            doing: "close the fence",
            store: name.to_owned(),
            source,
        })?;
    }
    Ok(())
}

/// Says in every store of the run that its certificates are published, so that a rule may end the
/// life of their evidence some day.
pub(super) async fn mark_published(
    context: &SealContext<'_>,
    facts: &RunFacts,
) -> Result<(), SealError> {
    for name in facts.journal_stores() {
        let marked = store(context, facts, name)?
            .mark_published(facts.run_id())
            .await;
        marked.map_err(|source| SealError::Store {
            doing: "mark the run as published",
            store: name.to_owned(),
            source,
        })?;
    }
    Ok(())
}

/// Lets every store that the run removed from move what lies beside its tables. Says where removed rows
/// may still be read; the run has ended well all the same.
pub(super) async fn settle(context: &SealContext<'_>, facts: &RunFacts) {
    for name in facts.journal_stores() {
        let Ok(store) = store(context, facts, name) else {
            continue;
        };
        let traces = match store.settle().await {
            Ok(traces) => traces,
            Err(error) => vec![error.to_string()],
        };
        for trace in traces {
            tracing::warn!(store.name = %name, "{trace}");
        }
    }
}

/// Reads every journal row of the run.
pub(super) async fn gather(
    context: &SealContext<'_>,
    facts: &RunFacts,
) -> Result<Gathered, SealError> {
    let mut gathered = Gathered::new(context.work_folder, facts.targets()?.len());
    let removed = facts.run.stages.iter().map(|stage| stage.disposed).sum();
    context.progress.step(removed, "reading the journal");
    for name in facts.journal_stores() {
        let store = store(context, facts, name)?;
        let mut refusal = None;
        let mut sink = |row: JournalRow| {
            gathered.take(&row).map_err(|refused| {
                refusal = Some(refused);
                StoreError::Unusable("stop reading the journal".to_owned())
            })?;
            // Rows that went with a record have no purpose of their own.
            context.progress.advance(row.ended_by.values().sum());
            Ok(())
        };
        let read = store.journal(facts.run_id(), &mut sink).await;
        if let Some(refused) = refusal {
            return Err(refused.into_error(context, facts, name));
        }
        read.map_err(|source| SealError::Store {
            doing: "read the journal",
            store: name.to_owned(),
            source,
        })?;
    }
    context.progress.finish();
    Ok(gathered)
}

fn store<'a>(
    context: &'a SealContext<'_>,
    facts: &RunFacts,
    name: &str,
) -> Result<&'a Arc<dyn Disposer>, SealError> {
    context
        .stores
        .get(name)
        .ok_or_else(|| SealError::UnknownStore {
            run: facts.run_id().to_owned(),
            store: name.to_owned(),
        })
}

impl Gathered {
    fn new(folder: &Path, targets: usize) -> Self {
        Self {
            clients: Vec::new(),
            numbers: HashMap::new(),
            sorter: Sorter::new(folder, SORTING_MEMORY),
            targets,
        }
    }

    /// The clients, and their evidence: sorted by the client's number, then by the leaf.
    pub(super) fn finish(self) -> std::io::Result<(Vec<ClientJournal>, Sorted<EVIDENCE_LENGTH>)> {
        Ok((self.clients, self.sorter.finish()?))
    }

    fn take(&mut self, row: &JournalRow) -> Result<(), Refusal> {
        self.check(row).map_err(Refusal::Damage)?;
        let number = self.number(&row.client);
        let (leaves, _) = row.leaves.as_chunks::<LEAF_LENGTH>();
        let (refs, _) = row.refs.as_chunks::<REF_LENGTH>();
        for (leaf, reference) in leaves.iter().zip(refs) {
            let evidence = pack(number, leaf, reference);
            self.sorter.push(evidence).map_err(Refusal::Sort)?;
        }
        let client = &mut self.clients[number as usize];
        let ended_by = client.ended_by.entry(row.target).or_default();
        add_counts(ended_by, row.ended_by.clone());
        let last_at = client.last_at.entry(row.target).or_insert(row.at);
        *last_at = row.at.max(*last_at);
        Ok(())
    }

    /// Whether the row is one that a batch writes.
    fn check(&self, row: &JournalRow) -> Result<(), Damage> {
        let damage = |what| Damage {
            target: row.target,
            what,
        };
        if usize::from(row.target) >= self.targets {
            return Err(damage("belongs to no target of the run"));
        }
        let (leaves, rest) = row.leaves.as_chunks::<LEAF_LENGTH>();
        let (refs, rest_of_refs) = row.refs.as_chunks::<REF_LENGTH>();
        if !rest.is_empty() || !rest_of_refs.is_empty() {
            return Err(damage("does not end with a whole leaf and reference"));
        }
        if leaves.len() != refs.len() || leaves.len() as u64 != row.records {
            return Err(damage("has another number of leaves than of records"));
        }
        let fits = |leaf: &[u8; LEAF_LENGTH]| {
            let [kind, action, high, low, ..] = *leaf;
            Head::from_bytes([kind, action, high, low]).is_some_and(|head| {
                head.kind == Kind::Record
                    && head.action.code() == row.action
                    && head.target == row.target
            })
        };
        if !leaves.iter().all(fits) {
            return Err(damage("has a leaf of another action or target"));
        }
        Ok(())
    }

    fn number(&mut self, client: &str) -> u32 {
        if let Some(number) = self.numbers.get(client) {
            return *number;
        }
        // A ledger of four billion clients would have failed long before.
        let number = u32::try_from(self.clients.len()).unwrap_or(u32::MAX);
        self.numbers.insert(client.to_owned(), number);
        self.clients.push(ClientJournal {
            client: client.to_owned(),
            ended_by: BTreeMap::new(),
            last_at: BTreeMap::new(),
        });
        number
    }
}

impl Refusal {
    fn into_error(self, context: &SealContext<'_>, facts: &RunFacts, store: &str) -> SealError {
        match self {
            Self::Damage(Damage { target, what }) => SealError::DamagedJournal {
                store: store.to_owned(),
                target,
                what,
            },
            Self::Sort(source) => SealError::Sort {
                run: facts.run_id().to_owned(),
                folder: context.work_folder.to_owned(),
                source,
            },
        }
    }
}

fn pack(
    number: u32,
    leaf: &[u8; LEAF_LENGTH],
    reference: &[u8; REF_LENGTH],
) -> [u8; EVIDENCE_LENGTH] {
    let mut evidence = [0; EVIDENCE_LENGTH];
    evidence[..CLIENT_LENGTH].copy_from_slice(&number.to_be_bytes());
    evidence[CLIENT_LENGTH..CLIENT_LENGTH + LEAF_LENGTH].copy_from_slice(leaf);
    evidence[CLIENT_LENGTH + LEAF_LENGTH..].copy_from_slice(reference);
    evidence
}

/// Takes a packed record apart again.
pub(super) fn unpack(
    evidence: &[u8; EVIDENCE_LENGTH],
) -> (u32, [u8; LEAF_LENGTH], [u8; REF_LENGTH]) {
    let mut number = [0; CLIENT_LENGTH];
    let mut leaf = [0; LEAF_LENGTH];
    let mut reference = [0; REF_LENGTH];
    number.copy_from_slice(&evidence[..CLIENT_LENGTH]);
    leaf.copy_from_slice(&evidence[CLIENT_LENGTH..CLIENT_LENGTH + LEAF_LENGTH]);
    reference.copy_from_slice(&evidence[CLIENT_LENGTH + LEAF_LENGTH..]);
    (u32::from_be_bytes(number), leaf, reference)
}
