//! An intent as the JSON that a run which was killed leaves for the next one.

use kigen_evidence::value::{RecordKey, Value};
use serde::{Deserialize, Serialize};

use super::{Address, IntendedObject, Intent, store_of};
use crate::job::Job;
use crate::store::error::StoreError;
use crate::store::objects::{ObjectKey, ObjectPart};

/// A value with its type. Holds personal data: no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoredValue {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    /// In hex.
    Bytes(String),
    /// In hex.
    Uuid(String),
    Instant(i64),
    Local(String),
    Decimal(String),
}

/// Everything of an intent but its record's key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    cluster: String,
    stage: String,
    client: String,
    subject: StoredValue,
    objects: Vec<StoredObject>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredObject {
    link: usize,
    store: String,
    key: String,
    /// Kind and id of each part.
    parts: Vec<(String, String)>,
}

/// The texts of the columns `row_key` and `facts`.
pub(super) fn write(
    job: &Job,
    stage: &str,
    intent: &Intent,
) -> Result<(String, String), StoreError> {
    let key: Vec<StoredValue> = intent.key.values().iter().map(StoredValue::from).collect();
    let objects = intent.objects.iter().map(|object| StoredObject {
        link: object.link,
        store: job
            .objects
            .get(object.link)
            .map(|link| link.store.clone())
            .unwrap_or_default(),
        key: object.address.key.as_str().to_owned(),
        parts: object
            .parts
            .iter()
            .map(|part| (part.kind().to_owned(), part.id().to_owned()))
            .collect(),
    });
    let facts = Facts {
        cluster: job.cluster.clone(),
        stage: stage.to_owned(),
        client: intent.client.clone(),
        subject: StoredValue::from(&intent.subject),
        objects: objects.collect(),
    };
    let text = |written: Result<String, serde_json::Error>| {
        written.map_err(|_| StoreError::Unusable("write an intent".to_owned()))
    };
    Ok((
        text(serde_json::to_string(&key))?,
        text(serde_json::to_string(&facts))?,
    ))
}

/// The cluster of an intent's record, whatever else stands in its facts.
pub(super) fn cluster(facts: &str) -> Result<String, StoreError> {
    #[derive(Deserialize)]
    struct Cluster {
        cluster: String,
    }
    let read: Result<Cluster, _> = serde_json::from_str(facts);
    read.map(|read| read.cluster).map_err(|_| damaged())
}

/// An intent as it stands in the database, whatever became of its job. Holds personal data: no `Debug`.
pub(super) struct OpenIntent {
    pub(super) id: i64,
    pub(super) cluster: String,
    pub(super) stage: String,
    pub(super) client: String,
    pub(super) subject: Value,
    pub(super) objects: Vec<OpenObject>,
}

/// One object of an [`OpenIntent`].
pub(super) struct OpenObject {
    /// The name of its store in `kigen.toml`.
    pub(super) store: String,
    pub(super) key: ObjectKey,
    pub(super) parts: Vec<ObjectPart>,
}

/// Reads an intent back without its job.
pub(super) fn read_open(id: i64, facts: &str) -> Result<OpenIntent, StoreError> {
    let facts: Facts = serde_json::from_str(facts).map_err(|_| damaged())?;
    let objects: Option<Vec<OpenObject>> = facts
        .objects
        .into_iter()
        .map(|stored| {
            Some(OpenObject {
                parts: parts(&stored)?,
                key: ObjectKey::parse(stored.key).ok()?,
                store: stored.store,
            })
        })
        .collect();
    Ok(OpenIntent {
        id,
        cluster: facts.cluster,
        stage: facts.stage,
        client: facts.client,
        subject: facts.subject.into_value().ok_or_else(damaged)?,
        objects: objects.ok_or_else(damaged)?,
    })
}

/// Reads an intent back; `None` if it belongs to another stage or cluster, or was made with another
/// key or other links than the job has now.
pub(super) fn read(
    job: &Job,
    stage: &str,
    id: i64,
    row_key: &str,
    facts: &str,
) -> Result<Option<Intent>, StoreError> {
    let facts: Facts = serde_json::from_str(facts).map_err(|_| damaged())?;
    let key: Vec<StoredValue> = serde_json::from_str(row_key).map_err(|_| damaged())?;
    let is_of_the_job = facts.cluster == job.cluster
        && facts.stage == stage
        && key.len() == job.key.len()
        && facts.objects.iter().all(|object| is_linked(job, object));
    if !is_of_the_job {
        return Ok(None);
    }
    let key: Option<Vec<Value>> = key.into_iter().map(StoredValue::into_value).collect();
    let objects: Option<Vec<IntendedObject>> = facts
        .objects
        .into_iter()
        .map(|object| read_object(job, object))
        .collect();
    Ok(Some(Intent {
        id,
        key: RecordKey::new(key.ok_or_else(damaged)?),
        client: facts.client,
        subject: facts.subject.into_value().ok_or_else(damaged)?,
        objects: objects.ok_or_else(damaged)?,
    }))
}

/// Whether the job's link still leads to the store in which the object lies.
fn is_linked(job: &Job, stored: &StoredObject) -> bool {
    let link = job.objects.get(stored.link);
    link.is_some_and(|link| link.store == stored.store)
}

fn read_object(job: &Job, stored: StoredObject) -> Option<IntendedObject> {
    Some(IntendedObject {
        link: stored.link,
        parts: parts(&stored)?,
        address: Address {
            store: store_of(job, stored.link),
            key: ObjectKey::parse(stored.key).ok()?,
        },
    })
}

fn parts(stored: &StoredObject) -> Option<Vec<ObjectPart>> {
    let parts = stored.parts.iter();
    parts
        .map(|(kind, id)| ObjectPart::from_stored(kind, id))
        .collect()
}

fn damaged() -> StoreError {
    StoreError::Unusable("an intent cannot be read: it was changed".to_owned())
}

impl From<&Value> for StoredValue {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Text(text) => Self::Text(text.clone()),
            Value::Bytes(bytes) => Self::Bytes(hex::encode(bytes)),
            Value::Uuid(bytes) => Self::Uuid(hex::encode(bytes)),
            Value::Instant(micros) => Self::Instant(*micros),
            Value::Local(text) => Self::Local(text.clone()),
            Value::Decimal(text) => Self::Decimal(text.clone()),
        }
    }
}

impl StoredValue {
    fn into_value(self) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Text(text) => Value::Text(text),
            Self::Bytes(text) => Value::Bytes(hex::decode(text).ok()?),
            Self::Uuid(text) => Value::Uuid(hex::decode(text).ok()?.try_into().ok()?),
            Self::Instant(micros) => Value::Instant(micros),
            Self::Local(text) => Value::Local(text),
            Self::Decimal(text) => Value::Decimal(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use kigen_evidence::value::Value;

    use super::StoredValue;

    #[test]
    fn a_value_comes_back_with_its_type() {
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Int(i64::MIN),
            Value::Text("山田 \"太郎\"\\\u{1}".to_owned()),
            Value::Bytes(vec![0, 255]),
            Value::Uuid([7; 16]),
            Value::Instant(-1),
            Value::Local("2024-02-29".to_owned()),
            Value::Decimal("1.50".to_owned()),
        ];
        for value in values {
            let text = serde_json::to_string(&StoredValue::from(&value)).unwrap();
            let stored: StoredValue = serde_json::from_str(&text).unwrap();
            assert_eq!(stored.into_value(), Some(value), "{text}");
        }
    }
}
