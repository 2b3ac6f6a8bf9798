//! The evidence of a batch: leaves and subject references, packed by target and client.

mod own;

use std::collections::{BTreeMap, HashMap};

use kigen_evidence::leaf::{
    Action, Leaf, LeafError, RecordEncoder, RecordPlace, SubjectEncoder, SubjectRef,
};
use kigen_evidence::value::Value;

use super::batch::BatchId;
use crate::job::{Disposal, Job, ObjectLink, OnDispose};
use crate::store::error::StoreError;
use crate::store::order::StageWork;
use crate::store::{ObjectTarget, RemovedKeys};

/// A key goes once in a run. Should it come back and go again while the run lasts, the two leaves
/// are equal, and sealing counts the second as repeated.
pub(super) const FIRST_OCCURRENCE: u32 = 0;

/// Makes the evidence of one worker's batches. Encoders are built once for each client.
pub(crate) struct EvidenceWriter<'a> {
    order: &'a StageWork<'a>,
    action: Action,
    clients: HashMap<String, ClientEncoders>,
}

struct ClientEncoders {
    subject: SubjectEncoder,
    own: RecordEncoder,
    /// One for each reference of the job that goes with the record, in the job's order.
    goes_with: Vec<RecordEncoder>,
    /// One for each object link, in the job's order.
    objects: Vec<RecordEncoder>,
}

/// The journal rows of one batch.
pub(crate) struct BatchEvidence<'w, 'a> {
    writer: &'w mut EvidenceWriter<'a>,
    pub id: BatchId,
    pub groups: Vec<Group>,
    /// The keys of the rows that have leaves in it.
    pub removed: RemovedKeys,
}

/// What one batch did in one target for one client.
pub(crate) struct Group {
    pub target: u16,
    pub client: String,
    pub action: Action,
    pub records: u64,
    pub leaves: Vec<u8>,
    pub refs: Vec<u8>,
    pub ended_by: BTreeMap<String, u64>,
}

impl Group {
    pub(super) fn new(target: u16, client: &str, action: Action) -> Self {
        Self {
            target,
            client: client.to_owned(),
            action,
            records: 0,
            leaves: Vec::new(),
            refs: Vec::new(),
            ended_by: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, leaf: &Leaf, reference: &SubjectRef) {
        self.records += 1;
        self.leaves.extend_from_slice(leaf.as_bytes());
        self.refs.extend_from_slice(reference.as_bytes());
    }
}

/// What kind of thing a leaf stands for.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Own,
    /// Index among the goes-with references.
    GoesWith(usize),
    /// Index of the object link.
    Object(usize),
}

impl<'a> EvidenceWriter<'a> {
    pub(crate) fn new(order: &'a StageWork<'a>) -> Self {
        let action = match order.job.stages[order.stage].disposal {
            Disposal::Delete => Action::RowDeleted,
            Disposal::Pseudonymize { .. } => Action::Pseudonymized,
        };
        Self {
            order,
            action,
            clients: HashMap::new(),
        }
    }

    pub(crate) fn batch(&mut self, id: BatchId) -> BatchEvidence<'_, 'a> {
        BatchEvidence {
            writer: self,
            id,
            groups: Vec::new(),
            removed: RemovedKeys::default(),
        }
    }

    fn client(&mut self, name: &str) -> Result<&mut ClientEncoders, StoreError> {
        if !self.clients.contains_key(name) {
            let encoders = self.take_encoders(name)?;
            self.clients.insert(name.to_owned(), encoders);
        }
        self.clients
            .get_mut(name)
            .ok_or_else(|| StoreError::Unusable("no encoder for the client".to_owned()))
    }

    /// Hands out the encoders of a client; they are made again where they do not come back.
    fn take_encoders(&mut self, name: &str) -> Result<ClientEncoders, StoreError> {
        match self.clients.remove(name) {
            Some(encoders) => Ok(encoders),
            None => ClientEncoders::new(self.order, name).map_err(not_encodable),
        }
    }
}

impl ClientEncoders {
    fn new(order: &StageWork<'_>, client: &str) -> Result<Self, LeafError> {
        let job = order.job;
        let key = &order.run.run_key;
        let record = |object: &str, columns: &[String], target: u16| {
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            let place = RecordPlace {
                client,
                store: &job.store,
                object,
            };
            RecordEncoder::new(key, place, &columns, target)
        };
        let mut goes_with = Vec::new();
        for (reference, target) in gone_with(job).zip(&order.targets.goes_with) {
            if let OnDispose::GoesWith { key, .. } = &reference.on_dispose {
                goes_with.push(record(&reference.table.to_string(), key, *target)?);
            }
        }
        let mut objects = Vec::new();
        for (link, target) in job.objects.iter().zip(&order.targets.objects) {
            objects.push(object_encoder(order, client, link, target)?);
        }
        Ok(Self {
            subject: SubjectEncoder::new(key, client, &job.subject.kind)?,
            own: record(&job.table.to_string(), &job.key, order.targets.own)?,
            goes_with,
            objects,
        })
    }
}

/// Object versions are named by the store's name, the bucket, and by key and version id.
fn object_encoder(
    order: &StageWork<'_>,
    client: &str,
    link: &ObjectLink,
    target: &ObjectTarget,
) -> Result<RecordEncoder, LeafError> {
    let place = RecordPlace {
        client,
        store: &link.store,
        object: &target.object,
    };
    let columns = ["key", "version_id"];
    RecordEncoder::new(&order.run.run_key, place, &columns, target.number)
}

/// The references of `job` whose rows go with the record.
pub(crate) fn gone_with(job: &Job) -> impl Iterator<Item = &crate::job::Reference> {
    job.references
        .iter()
        .filter(|reference| matches!(reference.on_dispose, OnDispose::GoesWith { .. }))
}

pub(super) fn not_encodable(error: LeafError) -> StoreError {
    StoreError::Unfit {
        doing: "make the evidence of a batch".to_owned(),
        reason: error.to_string(),
    }
}

impl BatchEvidence<'_, '_> {
    /// Adds something else that went with a record.
    pub(crate) fn add_part(
        &mut self,
        part: Part,
        action: Action,
        client: &str,
        key: &[Value],
        subject: &Value,
    ) -> Result<(), StoreError> {
        let target = self.target(part);
        let encoders = self.writer.client(client)?;
        let encoder = match part {
            Part::Own => Some(&mut encoders.own),
            Part::GoesWith(index) => encoders.goes_with.get_mut(index),
            Part::Object(index) => encoders.objects.get_mut(index),
        };
        let encoder =
            encoder.ok_or_else(|| StoreError::Unusable("a part has no target".to_owned()))?;
        let leaf = encoder
            .leaf(action, key, FIRST_OCCURRENCE)
            .map_err(not_encodable)?;
        let reference = encoders.subject.reference(subject).map_err(not_encodable)?;
        let at = self.group(target, action, client);
        self.groups[at].add(&leaf, &reference);
        Ok(())
    }

    fn target(&self, part: Part) -> u16 {
        let targets = &self.writer.order.targets;
        match part {
            Part::Own => targets.own,
            Part::GoesWith(index) => targets.goes_with.get(index).copied().unwrap_or(u16::MAX),
            Part::Object(index) => targets
                .objects
                .get(index)
                .map_or(u16::MAX, |target| target.number),
        }
    }

    fn group(&mut self, target: u16, action: Action, client: &str) -> usize {
        let known = self.groups.iter().position(|group| {
            group.target == target && group.action == action && group.client == client
        });
        known.unwrap_or_else(|| {
            self.groups.push(Group::new(target, client, action));
            self.groups.len() - 1
        })
    }
}
