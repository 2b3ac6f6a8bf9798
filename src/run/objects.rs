//! What can be known of a job's objects before anything of it goes: whether its calls are allowed, and
//! whether objects are where the rows say.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use super::outcome::JobError;
use crate::exit;
use crate::guard::{self, Guard};
use crate::job::{Job, ObjectLink};
use crate::store::objects::{Absence, ObjectDisposer, ObjectError, ObjectInventory};
use crate::store::{Inventory, NamedObjects};

/// Objects that are looked for at the same time.
const AT_ONCE: usize = 8;

/// What was found of the objects that one link of a job names.
pub struct Probed {
    /// `18 of 20 probed records …`
    pub said: String,
    /// Why the job is refused, if it is.
    pub problem: Option<String>,
}

/// Tries each call by which a run removes objects; removes nothing.
pub async fn try_calls(
    job: &Job,
    stores: &BTreeMap<String, Arc<dyn ObjectDisposer>>,
) -> Result<(), JobError> {
    if !guard::stands(Guard::ObjectCallsTried) {
        return Ok(());
    }
    for (name, store) in stores {
        if let Err(refused) = store.try_calls().await {
            let message = format!(
                "`{}` cannot remove from object store `{name}`, nothing was removed: {refused}",
                job.cluster
            );
            return Err(JobError::new(exit_of(&refused.error), message));
        }
    }
    Ok(())
}

/// Looks for some objects of `job`, and refuses it if too many are not where its rows say.
pub async fn refuse_wrong_addresses(
    store: &dyn Inventory,
    job: &Job,
    stores: &BTreeMap<String, Arc<dyn ObjectInventory>>,
) -> Result<(), JobError> {
    for probed in probe(store, job, stores).await? {
        if let Some(problem) = probed.problem {
            let message = format!("`{}`, nothing was removed: {problem}", job.cluster);
            return Err(JobError::new(exit::SCHEMA_MISMATCH, message));
        }
    }
    Ok(())
}

/// Looks for some objects by each link of `job`. Reads only.
pub async fn probe(
    store: &dyn Inventory,
    job: &Job,
    stores: &BTreeMap<String, Arc<dyn ObjectInventory>>,
) -> Result<Vec<Probed>, JobError> {
    let mut probed = Vec::new();
    for (index, link) in job.objects.iter().enumerate() {
        let Some(objects) = stores.get(&link.store) else {
            continue;
        };
        if !guard::stands(Guard::ObjectsProbed) {
            continue;
        }
        let named = store.named_objects(job, index).await;
        let named = named.map_err(|error| JobError::of_store(&error))?;
        probed.push(probe_link(&**objects, link, &named).await?);
    }
    Ok(probed)
}

async fn probe_link(
    objects: &dyn ObjectInventory,
    link: &ObjectLink,
    records: &[NamedObjects],
) -> Result<Probed, JobError> {
    let looks: Vec<_> = records.iter().map(|keys| look(objects, keys)).collect();
    let mut looks = stream::iter(looks).buffered(AT_ONCE);
    let (mut absence, mut unusable, mut found) = (Absence::default(), 0_u64, 0_u64);
    // Keys that a store cannot have fail alone, unless nothing else is there.
    let mut all = Absence::default();
    while let Some(look) = looks.next().await {
        match look.map_err(|error| failed(link, &error))? {
            Look::Found => {
                found += 1;
                absence.note(None);
                all.note(None);
            }
            Look::Absent(key) => {
                absence.note(Some(key));
                all.note(Some(key));
            }
            Look::Unusable(key) => {
                unusable += 1;
                all.note(Some(key));
            }
        }
    }
    let said = format!(
        "{found} of {} probed records have their objects in `{}` (column `{}`)",
        records.len(),
        link.store,
        link.key_column
    );
    let nothing_is_there = found == 0 && unusable > 0;
    let judged = if nothing_is_there { &all } else { &absence };
    let problem = if judged.is_too_much(link) {
        Some(judged.explain(objects, link).await)
    } else {
        None
    };
    Ok(Probed { said, problem })
}

/// What a look for the objects of one record found.
enum Look<'k> {
    Found,
    /// Nothing; one of the keys.
    Absent(&'k str),
    /// The store can have none of the keys; one of them.
    Unusable(&'k str),
}

async fn look<'k>(
    objects: &dyn ObjectInventory,
    keys: &'k NamedObjects,
) -> Result<Look<'k>, ObjectError> {
    let mut worst = Look::Unusable("");
    for key in keys.iter().flatten() {
        match objects.versions(key).await {
            Ok(found) if !found.is_empty() => return Ok(Look::Found),
            Ok(_) => worst = Look::Absent(key.as_str()),
            Err(
                ObjectError::OutsideFolder | ObjectError::NotAFile | ObjectError::UnusableKey(_),
            ) => {
                if let Look::Unusable(known) = &mut worst {
                    *known = key.as_str();
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(worst)
}

fn failed(link: &ObjectLink, error: &ObjectError) -> JobError {
    let message = format!("look for objects in object store `{}`: {error}", link.store);
    JobError::new(exit_of(error), message)
}

/// The exit code for an object store's error before anything went.
fn exit_of(error: &ObjectError) -> u8 {
    match error {
        ObjectError::AccessDenied { .. }
        | ObjectError::NoCredentials
        | ObjectError::CredentialsRefused { .. } => exit::ACCESS_REFUSED,
        ObjectError::Unreachable(_) | ObjectError::NotReady { .. } | ObjectError::Unconfirmed => {
            exit::STORE_UNREACHABLE
        }
        ObjectError::NoRegion
        | ObjectError::NoSuchBucket
        | ObjectError::NoSuchFolder
        | ObjectError::UnusableKey(_)
        | ObjectError::OutsideFolder
        | ObjectError::NotAFile
        | ObjectError::Folder(_)
        | ObjectError::Other { .. } => exit::SCHEMA_MISMATCH,
    }
}
