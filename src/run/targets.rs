//! The start of a run: its targets, its key, its first entry; nothing is touched before that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use kigen_evidence::leaf::Action;

use super::day::Day;
use super::open::ObjectPlace;
use super::outcome::SchemaSeen;
use crate::job::{Disposal, Effect, Job, OnDispose, Stage, TableName};
use crate::keyring::{Keyring, KeyringError, Quarter, new_run_key};
use crate::ledger::RunKey;
use crate::ledger::entry::{
    ApprovalEntry, ClauseEntry, CutoffEntry, EffectEntry, IdentityEntry, JobEntry, RunStarted,
    TargetEntry, TitleEntry, Trigger,
};
use crate::store::{AnnouncedClients, ObjectTarget, Release, RunContext, StageTargets, TokenKey};

/// What a store is called whose engine nobody knows.
const UNKNOWN_ENGINE: &str = "unknown";

/// The targets of a run: what its leaves number.
#[derive(Default)]
pub(super) struct Targets {
    entries: Vec<TargetEntry>,
    /// By job and stage.
    of_stage: BTreeMap<(String, usize), StageTargets>,
}

/// A job, and the engine of its store.
pub(super) struct ConnectedJob<'a> {
    pub job: &'a Job,
    pub engine: String,
    /// The schema that the job met.
    pub schema: SchemaSeen,
    /// Where the objects of the job lie, by the names of their stores in `kigen.toml`.
    pub object_places: BTreeMap<String, ObjectPlace>,
}

impl Targets {
    /// Numbers everything that `jobs` may remove from, in run order.
    pub(super) fn of(jobs: &[ConnectedJob<'_>], day: Day) -> Self {
        let mut targets = Self::default();
        for ready in jobs {
            for (index, stage) in ready.job.stages.iter().enumerate() {
                targets.add_stage(ready, index, stage, day.of(ready.job));
            }
        }
        targets
    }

    /// The numbers of one stage.
    pub(super) fn stage(&self, job: &str, stage: usize) -> StageTargets {
        self.of_stage
            .get(&(job.to_owned(), stage))
            .cloned()
            .unwrap_or_default()
    }

    /// The numbers that an earlier run gave to the stages of `job`, from its first entry.
    ///
    /// `None` for a stage in which the job now removes from something that the run did not number.
    pub(super) fn recorded(job: &Job, entries: &[TargetEntry]) -> Vec<Option<StageTargets>> {
        job.stages
            .iter()
            .map(|stage| recorded_stage(job, stage, entries))
            .collect()
    }

    fn add_stage(&mut self, ready: &ConnectedJob<'_>, index: usize, stage: &Stage, as_of: Date) {
        let job = ready.job;
        let action = match stage.disposal {
            Disposal::Delete => Action::RowDeleted,
            Disposal::Pseudonymize { .. } => Action::Pseudonymized,
        };
        let own = self.add(ready, stage, &job.table.to_string(), action, as_of);
        let mut numbers = StageTargets {
            own,
            ..StageTargets::default()
        };
        // Two references of one table lead to the same rows: one target.
        let mut of_table: BTreeMap<&TableName, u16> = BTreeMap::new();
        for reference in &job.references {
            if !matches!(reference.on_dispose, OnDispose::GoesWith { .. }) {
                continue;
            }
            // A reference that takes no part in the stage has no number; its place stays filled.
            let number = if reference.stages.contains(&stage.name) {
                *of_table.entry(&reference.table).or_insert_with(|| {
                    let table = reference.table.to_string();
                    self.add(ready, stage, &table, Action::RowDeleted, as_of)
                })
            } else {
                u16::MAX
            };
            numbers.goes_with.push(number);
        }
        if matches!(stage.disposal, Disposal::Delete) {
            for link in &job.objects {
                let target = self.add_objects(ready, stage, &link.store, as_of);
                numbers.objects.push(target);
            }
        }
        self.of_stage.insert((job.cluster.clone(), index), numbers);
    }

    /// A target in an object store, which has a name and an engine of its own.
    fn add_objects(
        &mut self,
        ready: &ConnectedJob<'_>,
        stage: &Stage,
        store: &str,
        as_of: Date,
    ) -> ObjectTarget {
        let place = ready.object_places.get(store);
        let object = place.map_or(store, |place| &place.object);
        let number = self.add(ready, stage, object, Action::ObjectVersionDeleted, as_of);
        if let Some(entry) = self.entries.last_mut() {
            store.clone_into(&mut entry.store);
            // A bucket may be called like a table; it stands in no schema.
            entry.relation = None;
            let engine = place.map_or(UNKNOWN_ENGINE, |place| place.engine);
            engine.clone_into(&mut entry.engine);
            entry.replicas = place.and_then(|place| place.replicas.clone());
        }
        ObjectTarget {
            number,
            object: object.to_owned(),
        }
    }

    fn add(
        &mut self,
        ready: &ConnectedJob<'_>,
        stage: &Stage,
        object: &str,
        action: Action,
        as_of: Date,
    ) -> u16 {
        let job = ready.job;
        let index = u16::try_from(self.entries.len()).unwrap_or(u16::MAX);
        let purposes = stage.rule.purposes.iter().zip(stage.rule.cutoffs(as_of));
        let relation = ready.schema.relations.get(object);
        self.entries.push(TargetEntry {
            index,
            job: job.cluster.clone(),
            stage: stage.name.clone(),
            store: job.store.clone(),
            engine: ready.engine.clone(),
            object: object.to_owned(),
            relation: relation.filter(|relation| *relation != object).cloned(),
            inspection_sha256: Some(ready.schema.inspection_sha256.to_string()),
            replicas: None,
            action: action.code(),
            disposal: stage.disposal.name().to_owned(),
            rule_sha256: job.sha256.clone(),
            cutoffs: purposes
                .zip(&stage.sources)
                .map(|((purpose, cutoff), source)| CutoffEntry {
                    purpose: purpose.name.clone(),
                    cutoff,
                    starting_point: source.kind.name().to_owned(),
                    period: purpose.period.to_string(),
                })
                .collect(),
        });
        index
    }
}

fn recorded_stage(job: &Job, stage: &Stage, entries: &[TargetEntry]) -> Option<StageTargets> {
    let of_stage: Vec<&TargetEntry> = entries
        .iter()
        .filter(|entry| entry.job == job.cluster && entry.stage == stage.name)
        .collect();
    let number = |object: &str| {
        let entry = of_stage.iter().find(|entry| entry.object == object);
        entry.map(|entry| entry.index)
    };
    let mut goes_with = Vec::new();
    for reference in &job.references {
        if !matches!(reference.on_dispose, OnDispose::GoesWith { .. }) {
            continue;
        }
        goes_with.push(if reference.stages.contains(&stage.name) {
            number(&reference.table.to_string())?
        } else {
            u16::MAX
        });
    }
    let mut objects = Vec::new();
    if matches!(stage.disposal, Disposal::Delete) {
        for link in &job.objects {
            objects.push(object_target(&of_stage, &link.store)?);
        }
    }
    Some(StageTargets {
        own: number(&job.table.to_string())?,
        goes_with,
        objects,
    })
}

/// The target that an earlier run had in the object store of this name.
fn object_target(of_stage: &[&TargetEntry], store: &str) -> Option<ObjectTarget> {
    let mut objects = of_stage.iter().filter(|entry| is_object(entry));
    let known = objects.find(|entry| entry.store == store)?;
    Some(ObjectTarget {
        number: known.index,
        object: known.object.clone(),
    })
}

/// Whether a target is a place of objects.
fn is_object(target: &TargetEntry) -> bool {
    target.action == Action::ObjectVersionDeleted.code()
}

/// What evidence needs to release the intents of a run, by its first entry.
pub(super) fn release<'a>(
    started: &RunStarted,
    run: &'a RunContext,
    waiting: BTreeSet<String>,
) -> Release<'a> {
    let objects = started.targets.iter().filter(|target| is_object(target));
    let places = objects.map(|target| {
        let place = ObjectTarget {
            number: target.index,
            object: target.object.clone(),
        };
        let of = (
            target.job.clone(),
            target.stage.clone(),
            target.store.clone(),
        );
        (of, place)
    });
    let kinds = started.jobs.iter().filter_map(|job| {
        let identity = job.identity.as_ref()?;
        Some((job.job.clone(), identity.subject_kind.clone()))
    });
    Release {
        run,
        places: places.collect(),
        subject_kinds: kinds.collect(),
        waiting,
    }
}

/// The first entry of a run.
pub(super) fn entry(
    jobs: &[ConnectedJob<'_>],
    targets: &Targets,
    day: Day,
    trigger: Trigger,
) -> RunStarted {
    let of_all: Vec<&Job> = jobs.iter().map(|ready| ready.job).collect();
    let as_of = day.earliest(&of_all);
    RunStarted {
        as_of,
        trigger,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        jobs: of_all
            .iter()
            .map(|job| job_entry(job, day, as_of))
            .collect(),
        targets: targets.entries.clone(),
        reconciles: None,
    }
}

fn job_entry(job: &Job, day: Day, of_run: Date) -> JobEntry {
    JobEntry {
        job: job.cluster.clone(),
        title: TitleEntry {
            ja: job.title.ja.clone(),
            en: job.title.en.clone(),
        },
        owner: job.owner.clone(),
        sha256: job.sha256.clone(),
        time_zone: job.time_zone_name.clone(),
        as_of: Some(day.of(job)).filter(|day| *day != of_run),
        clause: ClauseEntry {
            document: job.clause.document.clone(),
            version: job.clause.version.clone(),
            text_sha256: job.clause.text_sha256.clone(),
            text: job.clause.text.clone(),
        },
        identity: Some(identity(job)),
        effects: job.effects.iter().map(effect_entry).collect(),
        approval: job.approval.as_ref().map(|approval| ApprovalEntry {
            role: approval.role.clone(),
            ticket: approval.ticket.clone(),
        }),
    }
}

fn effect_entry(effect: &Effect) -> EffectEntry {
    EffectEntry {
        table: effect.table.to_string(),
        operation: effect.operation.name().to_owned(),
        reason: effect.reason.clone(),
    }
}

/// By what the leaves of `job` know records and persons.
pub(super) fn identity(job: &Job) -> IdentityEntry {
    let mut keys = BTreeMap::from([(job.table.to_string(), job.key.clone())]);
    for reference in &job.references {
        if let OnDispose::GoesWith { key, .. } = &reference.on_dispose {
            keys.insert(reference.table.to_string(), key.clone());
        }
    }
    IdentityEntry {
        keys,
        subject_kind: job.subject.kind.clone(),
        subject_column: job.subject.column.clone(),
    }
}

/// Makes a new run's secrets: its own key, wrapped for the ledger, and the token key.
pub(super) fn context(
    keyring: &mut Keyring,
    run_id: &str,
    started_at: Timestamp,
) -> Result<(RunContext, RunKey), KeyringError> {
    let quarter = Quarter::of(started_at.to_zoned(jiff::tz::TimeZone::UTC).date());
    keyring.ensure_kek(quarter)?;
    let run_key = new_run_key()?;
    let wrapped = keyring.wrap(quarter, run_id, &run_key)?;
    let context = RunContext {
        run_id: run_id.to_owned(),
        run_key,
        token_key: TokenKey(*keyring.token_key()),
        started_at,
        // Until the plan stands in the clients' logs.
        announced: AnnouncedClients::to(BTreeSet::new()),
    };
    let stored = RunKey {
        kek_id: wrapped.key_id,
        wrapped: wrapped.bytes.to_vec(),
    };
    Ok((context, stored))
}
