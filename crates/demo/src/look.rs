//! Looks at the store before and after the run, by plain SQL and by listing the objects.

use std::collections::BTreeMap;

use anyhow::Context;
use jiff::civil::Date;
use serde::Serialize;

use crate::clusters::{Cluster, Count, clusters};
use crate::data::Data;
use crate::scans::{Listing, Scans};
use crate::snapshot::{Comparison, Snapshot};
use kigen::progress::Progress;

/// Everything as it is at one moment.
pub(crate) struct Picture {
    clusters: Vec<(Cluster, Snapshot)>,
    /// Key of each object that a document names, and its request.
    documents: Vec<(String, String)>,
    listing: Listing,
}

/// What two pictures say when they are laid side by side.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    pub(crate) clusters: Vec<ClusterFindings>,
    pub(crate) objects: ObjectFindings,
}

/// What became of one cluster.
#[derive(Debug, Serialize)]
pub(crate) struct ClusterFindings {
    pub(crate) cluster: &'static str,
    pub(crate) table: &'static str,
    pub(crate) due_to_pseudonymize_where: Option<String>,
    pub(crate) due_to_delete_where: String,
    #[serde(flatten)]
    pub(crate) compared: Comparison,
    /// Records past their last period, by what still names them; one may be named twice.
    pub(crate) kept_because: BTreeMap<&'static str, u64>,
    /// Traces of persons in pseudonymized records; all must be 0.
    pub(crate) traces: BTreeMap<&'static str, u64>,
    /// Key of a record that `kigen explain` can be asked about.
    pub(crate) example: Option<String>,
    /// Key of a record that a receipt can be issued for.
    pub(crate) removed: Option<String>,
}

/// What became of the objects of disclosure requests. Versions are counted one by one.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ObjectFindings {
    pub(crate) requests_removed: u64,
    pub(crate) versions_of_removed_before: u64,
    pub(crate) versions_of_removed_after: u64,
    pub(crate) versions_of_kept_before: u64,
    pub(crate) versions_of_kept_after: u64,
    /// Documents of removed requests whose object had been lost before.
    pub(crate) lost_before: u64,
    /// Versions under keys that no document names.
    pub(crate) versions_of_nobody_after: u64,
}

impl Picture {
    /// Looks at everything, for the day `as_of`.
    pub(crate) async fn take(
        data: &Data,
        scans: &Scans,
        as_of: Date,
        progress: &Progress,
        label: &str,
    ) -> anyhow::Result<Self> {
        let mut taken = Vec::new();
        for cluster in clusters(data.dialect(), as_of) {
            let table = cluster.table;
            let looking = || format!("look at `{table}`");
            let total = data.count(format!("select count(*) from {table}")).await;
            progress.start(total.with_context(looking)?, &format!("{label} {table}"));
            let snapshot = Snapshot::of(data, &cluster, &|records| progress.advance(records)).await;
            progress.finish();
            taken.push((cluster, snapshot.with_context(looking)?));
        }
        let documents = "select object_key, cast(request_id as text) from request_document";
        let documents = data.pairs(documents.to_owned()).await;
        Ok(Self {
            clusters: taken,
            documents: documents.context("look at `request_document`")?,
            listing: scans.list().await?,
        })
    }

    /// Lays `after` beside the picture from before the run.
    pub(crate) async fn compare(&self, after: &Self, data: &Data) -> anyhow::Result<Findings> {
        let mut found = Vec::new();
        for ((cluster, before), (_, now)) in self.clusters.iter().zip(&after.clusters) {
            found.push(ClusterFindings {
                cluster: cluster.name,
                table: cluster.table,
                due_to_pseudonymize_where: cluster.due_to_pseudonymize.clone(),
                due_to_delete_where: cluster.due_to_delete.clone(),
                compared: before.compare(now),
                kept_because: counted(data, &cluster.kept_because).await?,
                traces: counted(data, &cluster.traces).await?,
                example: before.example(now).map(str::to_owned),
                removed: before.removed(now).map(str::to_owned),
            });
        }
        Ok(Findings {
            clusters: found,
            objects: self.compare_objects(after),
        })
    }

    fn compare_objects(&self, after: &Self) -> ObjectFindings {
        let mut found = ObjectFindings::default();
        let versions = |listing: &Listing, key: &str| listing.get(key).copied().unwrap_or(0);
        let left: BTreeMap<&str, &str> = pairs(&after.documents);
        let mut requests_removed: Vec<&str> = Vec::new();
        for (key, request) in pairs(&self.documents) {
            let (before, now) = (versions(&self.listing, key), versions(&after.listing, key));
            if left.contains_key(key) {
                found.versions_of_kept_before += before;
                found.versions_of_kept_after += now;
                continue;
            }
            requests_removed.push(request);
            found.versions_of_removed_before += before;
            found.versions_of_removed_after += now;
            found.lost_before += u64::from(before == 0);
        }
        requests_removed.sort_unstable();
        requests_removed.dedup();
        found.requests_removed = requests_removed.len() as u64;
        found.versions_of_nobody_after = after
            .listing
            .iter()
            .filter(|(key, _)| !left.contains_key(key.as_str()))
            .map(|(_, versions)| versions)
            .sum();
        found
    }
}

fn pairs(documents: &[(String, String)]) -> BTreeMap<&str, &str> {
    documents
        .iter()
        .map(|(key, request)| (key.as_str(), request.as_str()))
        .collect()
}

async fn counted(data: &Data, counts: &[Count]) -> anyhow::Result<BTreeMap<&'static str, u64>> {
    let mut counted = BTreeMap::new();
    for count in counts {
        let rows = data.count(count.sql.clone()).await;
        counted.insert(
            count.what,
            rows.with_context(|| format!("count {}", count.what))?,
        );
    }
    Ok(counted)
}

impl Findings {
    /// Sentences about what should not be so; empty if all is well.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for found in &self.clusters {
            problems.extend(found.compared.problems(found.cluster));
            let traces = found.traces.iter().filter(|(_, rows)| **rows > 0);
            problems.extend(traces.map(|(what, rows)| format!("{}: {rows} {what}", found.cluster)));
        }
        let objects = &self.objects;
        if objects.versions_of_nobody_after > 0 {
            let versions = objects.versions_of_nobody_after;
            problems.push(format!(
                "{versions} versions of objects are left that no document names"
            ));
        }
        if objects.versions_of_kept_before != objects.versions_of_kept_after {
            problems.push("objects of requests that were kept are not as they were".to_owned());
        }
        problems
    }
}

impl ClusterFindings {
    /// A sentence if the dry run `planned` another number of records than plain SQL counts.
    pub(crate) fn disagrees_with(&self, disposal: &str, planned: u64) -> Option<String> {
        let counted = match disposal {
            "delete" => self.compared.due_to_delete,
            _ => self.compared.due_to_pseudonymize,
        };
        let cluster = self.cluster;
        (planned != counted).then(|| {
            format!(
                "{cluster}: the plan found {planned} records due to {disposal}, plain SQL {counted}"
            )
        })
    }
}
