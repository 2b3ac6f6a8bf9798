//! The look at everything that surrounds the tables of a job.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::database::session::SqlSession;
use crate::job::{Job, OnDispose, TableName};
use crate::store::error::StoreError;
use crate::store::inspection::{Inspection, Relation};
use crate::store::sql::backend::Backend;
use crate::store::sql::columns::Tables;

/// Looks at every relation that `job` names, each once, whatever it is called there.
pub(crate) async fn look(
    backend: &dyn Backend,
    session: &mut dyn SqlSession,
    job: &Job,
    tables: &Tables,
) -> Result<Inspection, StoreError> {
    let mut names = BTreeMap::new();
    let mut relations: BTreeMap<i64, Relation> = BTreeMap::new();
    for (name, used_as) in named(job) {
        let Some(facts) = tables.get(name) else {
            continue;
        };
        names.insert(name.to_string(), facts.relation.to_string());
        let relation = match relations.entry(facts.id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(backend.surroundings(session, facts).await?),
        };
        relation.used_as.insert(used_as);
    }
    let mut relations: Vec<Relation> = relations.into_values().collect();
    relations.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Inspection {
        names,
        relations,
        own_tables: backend.own_tables(session).await?,
        not_seen: backend.not_seen().to_vec(),
    })
}

/// The tables of a job, each with what it is there for.
fn named(job: &Job) -> Vec<(&TableName, &'static str)> {
    let mut named = vec![(&job.table, "records")];
    named.extend(job.joins.iter().map(|join| (&join.table, "join")));
    named.extend(job.references.iter().map(|reference| {
        let used_as = match reference.on_dispose {
            OnDispose::GoesWith { .. } => "goes-with",
            OnDispose::Unlink => "unlink",
            OnDispose::Blocks => "blocks",
        };
        (&reference.table, used_as)
    }));
    named.extend(job.leftovers.iter().map(|one| (&one.table, "leftovers")));
    named.extend(job.effects.iter().map(|one| (&one.table, "effect")));
    named
}
