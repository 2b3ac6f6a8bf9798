//! Every record of a cluster before and after the run, and what became of each.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::clusters::Cluster;
use crate::data::Data;

/// What is remembered of one record.
struct Seen {
    due_to_pseudonymize: bool,
    due_to_delete: bool,
    expired: bool,
    /// Of all its values and those of the rows that belong to it.
    digest: [u8; 32],
}

/// All records of a cluster by key.
pub(crate) struct Snapshot {
    records: BTreeMap<String, Seen>,
}

/// What plain SQL says about one cluster.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Comparison {
    pub(crate) records_before: u64,
    pub(crate) due_to_pseudonymize: u64,
    pub(crate) due_to_delete: u64,
    /// Records that are counted in both.
    pub(crate) due_to_both: u64,
    /// Records that changed and are still there.
    pub(crate) pseudonymized: u64,
    pub(crate) deleted: u64,
    /// Records that are due after the run.
    pub(crate) still_due: u64,
    /// Records whose periods were not over, with the rows that belong to them.
    pub(crate) untouched: u64,
    pub(crate) untouched_digest_before: String,
    pub(crate) untouched_digest_after: String,
    /// Records past their last period that rows elsewhere still need.
    pub(crate) expired_but_kept: u64,
    /// What should not have happened.
    pub(crate) changed_though_not_due: u64,
    pub(crate) left_though_due: u64,
    pub(crate) appeared: u64,
}

impl Snapshot {
    /// Reads every record of `cluster`.
    pub(crate) async fn of(
        data: &Data,
        cluster: &Cluster,
        advanced: &(dyn Fn(u64) + Sync),
    ) -> Result<Self, sqlx::Error> {
        let mut records = BTreeMap::new();
        let sql = statement(data, cluster).await?;
        data.each(sql, &mut |(key, pseudonymize, delete, expired, values)| {
            let seen = Seen {
                due_to_pseudonymize: pseudonymize == 1,
                due_to_delete: delete == 1,
                expired: expired == 1,
                digest: Sha256::digest(values).into(),
            };
            records.insert(key, seen);
            advanced(1);
        })
        .await?;
        Ok(Self { records })
    }

    /// What became of the records since `self` was taken.
    pub(crate) fn compare(&self, after: &Self) -> Comparison {
        let mut compared = Comparison {
            records_before: self.records.len() as u64,
            ..Comparison::default()
        };
        let (mut digest_before, mut digest_after) = (Sha256::new(), Sha256::new());
        for (key, before) in &self.records {
            let now = after.records.get(key);
            compared.count(before, now);
            if before.is_to_stay() {
                compared.untouched += 1;
                fold(&mut digest_before, key, before);
                if let Some(now) = now {
                    fold(&mut digest_after, key, now);
                }
            }
        }
        for (key, now) in &after.records {
            compared.still_due += u64::from(now.due_to_pseudonymize || now.due_to_delete);
            compared.expired_but_kept += u64::from(now.expired && !now.due_to_delete);
            compared.appeared += u64::from(!self.records.contains_key(key));
        }
        compared.untouched_digest_before = hex::encode(digest_before.finalize());
        compared.untouched_digest_after = hex::encode(digest_after.finalize());
        compared
    }

    /// A record that was changed and is still there: worth to be looked at.
    pub(crate) fn example<'a>(&'a self, after: &'a Self) -> Option<&'a str> {
        let changed = self.records.iter().find(|(key, before)| {
            let now = after.records.get(*key);
            now.is_some_and(|now| now.digest != before.digest)
        });
        let any = || after.records.iter().next();
        changed.or_else(any).map(|(key, _)| key.as_str())
    }

    /// A record that is gone: one that a receipt can be issued for.
    pub(crate) fn removed<'a>(&'a self, after: &Self) -> Option<&'a str> {
        let mut keys = self.records.keys();
        let gone = keys.find(|key| !after.records.contains_key(*key));
        gone.map(String::as_str)
    }
}

impl Seen {
    /// Whether nothing may happen to the record.
    const fn is_to_stay(&self) -> bool {
        !self.due_to_pseudonymize && !self.due_to_delete && !self.expired
    }
}

impl Comparison {
    fn count(&mut self, before: &Seen, now: Option<&Seen>) {
        self.due_to_pseudonymize += u64::from(before.due_to_pseudonymize);
        self.due_to_delete += u64::from(before.due_to_delete);
        self.due_to_both += u64::from(before.due_to_pseudonymize && before.due_to_delete);
        let Some(now) = now else {
            self.deleted += 1;
            // A record may become free in the run itself, when what names it is pseudonymized.
            self.changed_though_not_due += u64::from(!before.expired);
            return;
        };
        self.left_though_due += u64::from(before.due_to_delete);
        if now.digest != before.digest {
            self.pseudonymized += 1;
            self.changed_though_not_due += u64::from(!before.due_to_pseudonymize);
            return;
        }
        self.left_though_due += u64::from(before.due_to_pseudonymize && !before.due_to_delete);
    }

    /// Sentences about what should not be so; empty if all is well.
    pub(crate) fn problems(&self, cluster: &str) -> Vec<String> {
        let wrong = [
            (self.still_due, "are still due"),
            (
                self.left_though_due,
                "were due and nothing happened to them",
            ),
            (
                self.changed_though_not_due,
                "were changed or deleted although they were not due",
            ),
            (self.appeared, "were not there before"),
        ];
        let mut problems: Vec<String> = wrong
            .into_iter()
            .filter(|(records, _)| *records > 0)
            .map(|(records, what)| format!("{cluster}: {records} records {what}"))
            .collect();
        if self.untouched_digest_before != self.untouched_digest_after {
            problems.push(format!(
                "{cluster}: the records that were not due are not as they were"
            ));
        }
        problems
    }
}

fn fold(digest: &mut Sha256, key: &str, seen: &Seen) {
    digest.update(key.as_bytes());
    digest.update([0]);
    digest.update(seen.digest);
}

/// One row for each record: see [`crate::data::RecordRow`].
async fn statement(data: &Data, cluster: &Cluster) -> Result<String, sqlx::Error> {
    let mut values = data.row_text(cluster.table, "t").await?;
    for dependent in cluster.dependents {
        let (table, on, order) = (dependent.table, dependent.on, dependent.order);
        let row = data.row_text(table, "d").await?;
        values = format!(
            "{values} || '|' || coalesce((select string_agg({row}, ';' order by {order}) from {table} d where {on}), '')"
        );
    }
    let pseudonymize = cluster.due_to_pseudonymize.as_deref().unwrap_or("1 = 0");
    Ok(format!(
        "select cast(t.{key} as text), {}, {}, {}, {values} from {table} t order by t.{key}",
        flag(pseudonymize),
        flag(&cluster.due_to_delete),
        flag(&cluster.expired),
        key = cluster.key,
        table = cluster.table,
    ))
}

/// 1 where `condition` holds; 0 where it does not, or nobody knows.
fn flag(condition: &str) -> String {
    format!("cast(case when {condition} then 1 else 0 end as bigint)")
}
