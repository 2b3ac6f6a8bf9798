//! All entries of one log together: whether its story is whole.

mod problem;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::digest::Sha256;
use crate::merkle::{Hash, RootBuilder};
use crate::statement::{EntryPlace, LogPlace, Run, Statement, Target};

use super::checkpoint::Checkpoint;
use super::entry::{Entry, Plan, Resumption};

pub use problem::Problem;

/// Reads the entries of one log in their order and notes what does not fit.
#[derive(Debug)]
pub struct History {
    origin: String,
    tree: RootBuilder,
    client: Option<String>,
    last: Option<Timestamp>,
    plans: BTreeMap<u64, KnownPlan>,
    suspensions: BTreeMap<u64, KnownSuspension>,
    counts: EntryCounts,
    problems: Vec<(u64, Problem)>,
}

/// What all entries amount to.
#[derive(Debug)]
pub struct HistoryReport {
    /// Number of entries.
    pub size: u64,
    /// The root over all of them, to be compared with that of the signed checkpoint.
    pub root: Hash,
    pub counts: EntryCounts,
    /// Plans that nothing closed yet: a run that is going on, or one whose end was left out.
    pub open_plans: Vec<OpenPlan>,
    /// Indexes of suspensions that go on.
    pub open_suspensions: Vec<u64>,
    /// The time of the last entry.
    pub last: Option<Timestamp>,
    /// What does not fit, with the index of its entry.
    pub problems: Vec<(u64, Problem)>,
}

/// Entries by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryCounts {
    pub plans: u64,
    pub certificates: u64,
    pub noops: u64,
    pub aborts: u64,
    pub suspensions: u64,
    pub resumptions: u64,
    pub key_rotations: u64,
    pub unreadable: u64,
}

/// A plan without an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPlan {
    pub index: u64,
    pub run: String,
    pub recorded_at: Timestamp,
}

#[derive(Debug)]
struct KnownPlan {
    plan: Plan,
    payload: Sha256,
    /// Whether the entry itself names the targets.
    names_targets: bool,
    closed_by: Option<u64>,
}

#[derive(Debug)]
struct KnownSuspension {
    payload: Sha256,
    is_over: bool,
}

impl HistoryReport {
    /// Whether nothing was found that does not fit. Open plans are no contradiction.
    pub fn holds(&self) -> bool {
        self.problems.is_empty()
    }
}

impl History {
    /// Starts with an empty log.
    pub fn new(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            tree: RootBuilder::new(),
            client: None,
            last: None,
            plans: BTreeMap::new(),
            suspensions: BTreeMap::new(),
            counts: EntryCounts::default(),
            problems: Vec::new(),
        }
    }

    /// Reads the next entry.
    pub fn push(&mut self, payload: &[u8]) {
        match Entry::read(payload) {
            Ok(entry) => self.read(&entry, payload),
            Err(error) => {
                self.counts.unreadable += 1;
                self.note(Problem::Unreadable(error));
            }
        }
        self.tree.push(payload);
    }

    /// What all entries amount to.
    pub fn finish(self) -> HistoryReport {
        let open = self
            .plans
            .iter()
            .filter(|(_, known)| known.closed_by.is_none());
        let going_on = self.suspensions.iter().filter(|(_, known)| !known.is_over);
        HistoryReport {
            size: self.tree.size(),
            root: self.tree.root(),
            counts: self.counts,
            open_plans: open
                .map(|(index, known)| OpenPlan {
                    index: *index,
                    run: known.plan.run.id.clone(),
                    recorded_at: known.plan.recorded_at,
                })
                .collect(),
            open_suspensions: going_on.map(|(index, _)| *index).collect(),
            last: self.last,
            problems: self.problems,
        }
    }

    fn note(&mut self, problem: Problem) {
        self.problems.push((self.tree.size(), problem));
    }

    fn read(&mut self, entry: &Entry, payload: &[u8]) {
        self.check_client(&entry.controller().client);
        self.check_time(entry.at());
        match entry.place() {
            Some(place) => self.check_place(place),
            None => self.note(Problem::NoPlace),
        }
        let index = self.tree.size();
        match entry {
            Entry::Plan(plan) => self.plan(index, plan, payload),
            Entry::Certificate(statement) => self.certificate(index, statement),
            Entry::Noop(noop) => {
                self.counts.noops += 1;
                self.close(index, noop.log.plan, &noop.run);
            }
            Entry::Abort(abort) => {
                self.counts.aborts += 1;
                self.close(index, abort.log.plan, &abort.run);
            }
            Entry::Suspension(_) => {
                self.counts.suspensions += 1;
                let payload = Sha256::of(payload);
                let is_over = false;
                self.suspensions
                    .insert(index, KnownSuspension { payload, is_over });
            }
            Entry::Resumption(resumption) => self.resumption(resumption),
            Entry::KeyRotation(_) => self.counts.key_rotations += 1,
        }
    }

    fn check_client(&mut self, client: &str) {
        let first = self.client.get_or_insert_with(|| client.to_owned());
        if first != client {
            self.note(Problem::Client);
        }
    }

    fn check_time(&mut self, at: Timestamp) {
        if let Some(last) = self.last.filter(|last| *last > at) {
            self.note(Problem::BackInTime { at, last });
            return;
        }
        self.last = Some(at);
    }

    fn check_place(&mut self, place: &LogPlace) {
        if place.origin != self.origin {
            self.note(Problem::Origin(place.origin.clone()));
        }
        let size = self.tree.size();
        if place.index != size {
            self.note(Problem::Index { said: place.index });
        }
        let head = Checkpoint::new(&self.origin, size, self.tree.root());
        let is_head = head.is_ok_and(|head| head.to_string() == place.previous_checkpoint);
        if !is_head {
            self.note(Problem::PreviousCheckpoint);
        }
    }

    fn plan(&mut self, index: u64, plan: &Plan, payload: &[u8]) {
        self.counts.plans += 1;
        let same_run = self
            .plans
            .iter()
            .find(|(_, known)| known.plan.run.id == plan.run.id);
        if let Some((first, _)) = same_run {
            let problem = Problem::RunPlannedTwice { first: *first };
            self.note(problem);
        }
        let mut plan = plan.clone();
        let names_targets = plan.like.is_none();
        if let Some(like) = plan.like.take() {
            let named = self.plans.get(&like.plan.index);
            let named = named
                .filter(|known| known.names_targets && known.payload == like.plan.payload_sha256);
            match named.and_then(|known| known.plan.targets_on(&like)) {
                Some(targets) => plan.targets = targets,
                None => self.note(Problem::NotLikeAPlan {
                    index: like.plan.index,
                }),
            }
        }
        let known = KnownPlan {
            plan,
            payload: Sha256::of(payload),
            names_targets,
            closed_by: None,
        };
        self.plans.insert(index, known);
    }

    fn certificate(&mut self, index: u64, statement: &Statement) {
        self.counts.certificates += 1;
        let predicate = &statement.predicate;
        let plan = predicate.log.as_ref().and_then(|place| place.plan);
        let Some(plan) = self.close(index, plan, &predicate.run) else {
            return;
        };
        let planned = &self.plans[&plan].plan.targets;
        let is_planned = |target: &Target| planned.iter().any(|planned| planned.announces(target));
        let strangers: Vec<u16> = predicate
            .targets
            .iter()
            .filter(|target| !is_planned(target))
            .map(|target| target.index)
            .collect();
        for target in strangers {
            self.note(Problem::NotPlanned { plan, target });
        }
    }

    /// Closes the plan at `place`; returns its index if there is one.
    fn close(&mut self, index: u64, place: Option<EntryPlace>, run: &Run) -> Option<u64> {
        let Some(place) = place else {
            self.note(Problem::NoPlan);
            return None;
        };
        let plan = place.index;
        let Some(known) = self.plans.get_mut(&plan) else {
            self.note(Problem::NotAPlan { index: plan });
            return None;
        };
        let first = *known.closed_by.get_or_insert(index);
        let is_same_payload = known.payload == place.payload_sha256;
        let is_same_run = known.plan.run == *run;
        if first != index {
            self.note(Problem::ClosedTwice { plan, first });
        }
        if !is_same_payload {
            self.note(Problem::OtherPayload { index: plan });
        }
        if !is_same_run {
            self.note(Problem::OtherRun { plan });
        }
        Some(plan)
    }

    fn resumption(&mut self, resumption: &Resumption) {
        self.counts.resumptions += 1;
        let place = resumption.suspension;
        let index = place.index;
        let Some(known) = self.suspensions.get_mut(&index) else {
            self.note(Problem::NotASuspension { index });
            return;
        };
        let was_over = std::mem::replace(&mut known.is_over, true);
        let is_same_payload = known.payload == place.payload_sha256;
        if was_over {
            self.note(Problem::ResumedTwice { index });
        }
        if !is_same_payload {
            self.note(Problem::OtherPayload { index });
        }
    }
}
