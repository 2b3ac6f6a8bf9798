//! What is looked for: one record by its key, or one person.

use std::fmt;

use kigen_evidence::statement::Target;
use kigen_evidence::value::Value;
use thiserror::Error;

use super::meaning;
use crate::job::{Job, OnDispose, Reference, TableName};
use crate::store::Inventory;
use crate::store::error::StoreError;
use crate::store::objects::{NO_VERSION, NULL_VERSION, ONLY_VERSION};

/// The columns that name a version of an object, in the order in which people give them.
const OBJECT_COLUMNS: [&str; 2] = ["key", "version_id"];

/// The versions of an object where people name none: in a bucket without versions, in a folder, and
/// of an object that was gone already.
const UNNAMED_VERSIONS: [&str; 3] = [NULL_VERSION, ONLY_VERSION, NO_VERSION];

/// A record or a person of one cluster. Personal data: its `Debug` shows none.
pub struct Question {
    /// The cluster, as its job and its certificates name it.
    pub(super) cluster: String,
    /// SHA-256 of the job's file as it is now, in hex.
    pub(super) rule_sha256: String,
    pub(super) about: About,
    /// What people typed.
    texts: Vec<String>,
}

pub(super) enum About {
    Record {
        place: Place,
        columns: Vec<String>,
        /// The same key in every type that it may have; the store's own stands first.
        keys: Vec<Vec<Value>>,
    },
    Person {
        kind: String,
        table: TableName,
        column: String,
        ids: Vec<Value>,
    },
}

/// Where the record lay.
pub(super) enum Place {
    Table { store: String, table: TableName },
    Objects { store: String },
}

/// Why nothing can be looked for.
#[derive(Debug, Error)]
pub enum QuestionError {
    #[error("a record of `{object}` is named by {} of its key: {}", expected.len(), expected.join(", "))]
    KeyLength {
        object: String,
        expected: Vec<String>,
    },
    #[error("cluster `{cluster}` has no `{object}`\nhint: it has {}", known.join(", "))]
    Object {
        cluster: String,
        object: String,
        known: Vec<String>,
    },
    #[error("the key has too many columns to try all the types that it may have")]
    TooManyMeanings,
}

impl Question {
    /// The record with `key` in the cluster's own table, or in another table or object store of its
    /// job that `object` names.
    pub fn record(
        job: &Job,
        object: Option<&str>,
        key: Vec<String>,
    ) -> Result<Self, QuestionError> {
        let own = job.table.to_string();
        let object = object.unwrap_or(&own);
        let (place, columns) = place(job, object)?;
        let keys = match (&place, key.as_slice()) {
            (Place::Table { .. }, _) => {
                meaning::keys(&key).ok_or(QuestionError::TooManyMeanings)?
            }
            (Place::Objects { .. }, [object]) => {
                let versions = UNNAMED_VERSIONS.iter();
                versions.map(|version| texts(&[object, version])).collect()
            }
            (Place::Objects { .. }, key) => {
                let key: Vec<&str> = key.iter().map(String::as_str).collect();
                vec![texts(&key)]
            }
        };
        if keys.iter().any(|key| key.len() != columns.len()) {
            return Err(QuestionError::KeyLength {
                object: object.to_owned(),
                expected: columns,
            });
        }
        let about = About::Record {
            place,
            columns,
            keys,
        };
        Ok(Self::new(job, about, key))
    }

    /// The person with this id, as the cluster of `job` names persons.
    pub fn person(job: &Job, id: &str) -> Self {
        let about = About::Person {
            kind: job.subject.kind.clone(),
            table: job.table.clone(),
            column: job.subject.column.clone(),
            ids: meaning::meanings(id),
        };
        Self::new(job, about, vec![id.to_owned()])
    }

    fn new(job: &Job, about: About, texts: Vec<String>) -> Self {
        Self {
            cluster: job.cluster.clone(),
            rule_sha256: job.sha256.clone(),
            about,
            texts,
        }
    }

    /// Whether it is about a row of the cluster's own table, which the store can look up.
    pub fn is_of_own_table(&self, job: &Job) -> bool {
        match &self.about {
            About::Record {
                place: Place::Table { table, .. },
                ..
            } => *table == job.table,
            About::Record {
                place: Place::Objects { .. },
                ..
            }
            | About::Person { .. } => false,
        }
    }

    /// What people typed. Personal data.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Has the store say what it would have read. What it cannot say is tried in every type.
    pub async fn ask(&mut self, store: &dyn Inventory, job: &Job) -> Result<(), StoreError> {
        match &mut self.about {
            About::Record {
                place: Place::Table { table, .. },
                columns,
                keys,
            } => {
                let typed = store.typed(job, table, columns, &self.texts).await?;
                put_first(keys, typed);
            }
            About::Record {
                place: Place::Objects { .. },
                ..
            } => {}
            About::Person {
                table, column, ids, ..
            } => {
                let columns = std::slice::from_ref(column);
                let typed = store.typed(job, table, columns, &self.texts).await?;
                for id in typed {
                    put_first(ids, id);
                }
            }
        }
        Ok(())
    }

    /// Whether what is looked for can have a leaf in `target`.
    pub(super) fn concerns(&self, target: &Target) -> bool {
        if target.job != self.cluster {
            return false;
        }
        match &self.about {
            About::Record {
                place: Place::Table { store, table },
                ..
            } => target.store.id == *store && target.object == table.to_string(),
            About::Record {
                place: Place::Objects { store },
                ..
            } => target.store.id == *store,
            About::Person { .. } => true,
        }
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

fn texts(key: &[&str]) -> Vec<Value> {
    let text = |text: &&str| Value::Text((*text).to_owned());
    key.iter().map(text).collect()
}

fn put_first<T: PartialEq>(values: &mut Vec<T>, value: T) {
    values.retain(|other| *other != value);
    values.insert(0, value);
}

fn place(job: &Job, object: &str) -> Result<(Place, Vec<String>), QuestionError> {
    let table = |table: &TableName| Place::Table {
        store: job.store.clone(),
        table: table.clone(),
    };
    if object == job.table.to_string() {
        return Ok((table(&job.table), job.key.clone()));
    }
    for (reference, key) in gone_with(job) {
        if object == reference.table.to_string() {
            return Ok((table(&reference.table), key.clone()));
        }
    }
    if job.objects.iter().any(|link| link.store == object) {
        let place = Place::Objects {
            store: object.to_owned(),
        };
        return Ok((place, OBJECT_COLUMNS.map(str::to_owned).to_vec()));
    }
    let mut known = vec![format!("`{}`", job.table)];
    known.extend(gone_with(job).map(|(reference, _)| format!("`{}`", reference.table)));
    known.extend(job.objects.iter().map(|link| format!("`{}`", link.store)));
    Err(QuestionError::Object {
        cluster: job.cluster.clone(),
        object: object.to_owned(),
        known,
    })
}

fn gone_with(job: &Job) -> impl Iterator<Item = (&Reference, &Vec<String>)> {
    job.references
        .iter()
        .filter_map(|reference| match &reference.on_dispose {
            OnDispose::GoesWith { key, .. } => Some((reference, key)),
            OnDispose::Unlink | OnDispose::Blocks => None,
        })
}
