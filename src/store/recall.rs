//! What is present in a store as evidence can know it again, and who knows it.
//!
//! A restored backup brings back what was removed since. Who holds the leaves and the keys of those
//! runs can tell such a record from all others; the store only shows what is there.

use jiff::civil::Date;

use kigen_evidence::value::{RecordKey, Value};

use super::error::StoreError;

/// A record of the cluster's own table. Personal data: it cannot be printed.
#[derive(Clone)]
pub struct PresentRecord {
    /// The values of the key columns, in the job's order.
    pub key: Vec<Value>,
    /// On whose behalf it is kept, as the row says now.
    pub client: String,
    /// Whom it may be about: the person whom the row names, and the tokens that stages of the job
    /// put in that person's place. Empty if the row names nobody, so that nobody can be told apart.
    pub subjects: Vec<Value>,
    /// For each stage of the job, whether every column that it changes looks as it leaves it.
    pub pseudonymized: Vec<bool>,
    /// For each stage of the job, the first day on which the record's own dates make it due; none if
    /// they never do.
    pub due_from: Vec<Option<Date>>,
}

/// A row of another table that goes with a record. Personal data: it cannot be printed.
#[derive(Clone)]
pub struct PresentRow {
    /// Index among the references of the job whose rows go with the record.
    pub reference: usize,
    /// The values of its key columns, in the job's order.
    pub key: Vec<Value>,
    /// Index of its record in the batch.
    pub owner: usize,
}

/// Some of what is present.
#[derive(Clone, Default)]
pub struct PresentBatch {
    /// All that is looked for: the records of the snapshot, or the removed keys.
    pub total: u64,
    /// How many of these are done with this batch; where keys were asked for, few or none are there.
    pub done: u64,
    pub records: Vec<PresentRecord>,
    /// Whether the records were shown before, and are here for the rows alone: more rows go with
    /// them than one batch shows.
    pub records_again: bool,
    pub rows: Vec<PresentRow>,
    /// Rows that go with records and name none that is there, each by the index of its reference
    /// and its key: nobody knows whose they are.
    pub orphans: Vec<(usize, Vec<Value>)>,
}

/// Takes what is present, some records at a time.
pub type PresentSink<'a> = &'a mut (dyn FnMut(PresentBatch) -> Result<(), StoreError> + Send);

/// Takes the keys of records, one by one.
pub type KeySink<'a> = &'a mut (dyn FnMut(RecordKey) -> Result<(), StoreError> + Send);

/// Takes the ids of persons, one by one.
pub type PersonSink<'a> = &'a mut (dyn FnMut(Value) -> Result<(), StoreError> + Send);

/// What of a batch was removed before, and is there again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackAgain {
    /// For each of the batch's records.
    pub records: Vec<bool>,
    /// For each of its rows that go with a record.
    pub rows: Vec<bool>,
}

/// Knows by evidence which present records were removed before.
pub trait Recall: Send + Sync {
    /// What of `batch` stage `stage` has removed, and is there again.
    fn back(&self, batch: &PresentBatch, stage: usize) -> Result<BackAgain, StoreError>;
}
