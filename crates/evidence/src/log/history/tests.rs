//! Whole logs, and what is noticed when something was done to one.

use jiff::{SignedDuration, Timestamp};

use crate::digest::Sha256;
use crate::log::checkpoint::Checkpoint;
use crate::log::entry::{
    Abort, AbortReason, Entry, LikePlan, Noop, NoopKind, Plan, PlannedLimit, PlannedTarget,
    Resumption, Suspension, SuspensionReason, to_payload,
};
use crate::merkle::RootBuilder;
use crate::sample;
use crate::statement::{EntryPlace, LogPlace, Predicate, Run};

use super::{History, HistoryReport, Problem};

const ORIGIN: &str = "certs.example.com/own";

/// Writes a log entry by entry, as the worker would.
#[derive(Clone, Default)]
struct Writer {
    entries: Vec<Vec<u8>>,
}

fn predicate() -> Predicate {
    sample::statement(&sample::leaves()).predicate
}

fn run(id: &str) -> Run {
    Run {
        id: id.to_owned(),
        ..predicate().run
    }
}

impl Writer {
    /// One minute later than the entry before.
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        start + SignedDuration::from_mins(self.entries.len() as i64)
    }

    fn place(&self, plan: Option<u64>) -> LogPlace {
        let mut tree = RootBuilder::new();
        self.entries.iter().for_each(|entry| tree.push(entry));
        let head = Checkpoint::new(ORIGIN, tree.size(), tree.root()).unwrap();
        LogPlace {
            origin: ORIGIN.to_owned(),
            index: tree.size(),
            previous_checkpoint: head.to_string(),
            plan: plan.map(|index| self.entry(index)),
        }
    }

    fn entry(&self, index: u64) -> EntryPlace {
        let payload_sha256 = Sha256::of(&self.entries[index as usize]);
        EntryPlace {
            index,
            payload_sha256,
        }
    }

    fn push(&mut self, payload: Vec<u8>) -> u64 {
        self.entries.push(payload);
        self.entries.len() as u64 - 1
    }

    fn plan(&mut self, id: &str) -> u64 {
        let predicate = predicate();
        let targets = predicate.targets.into_iter().map(|target| PlannedTarget {
            index: target.index,
            job: target.job,
            stage: target.stage,
            store: target.store,
            object: target.object,
            relation: target.relation,
            inspection_sha256: target.inspection_sha256,
            rule: target.rule,
            method: target.method,
            limit: PlannedLimit {
                max_records: 1000,
                max_percent: "5".to_owned(),
                max_persons: 100,
            },
        });
        let plan = Plan {
            log: self.place(None),
            issuer: predicate.issuer,
            controller: predicate.controller,
            trigger: predicate.trigger,
            run: run(id),
            recorded_at: self.now(),
            like: None,
            targets: targets.collect(),
        };
        self.push(to_payload(&plan).unwrap())
    }

    /// A plan with the targets of the one at `index`.
    fn plan_like(&mut self, index: u64, id: &str, change: impl Fn(&mut LikePlan)) -> u64 {
        let place = self.entry(index);
        let Ok(Entry::Plan(earlier)) = Entry::read(&self.entries[index as usize]) else {
            panic!("no plan");
        };
        let plan = Plan {
            log: self.place(None),
            run: run(id),
            recorded_at: self.now(),
            ..earlier.clone()
        };
        let mut plan = plan.shortened(&earlier, place);
        assert!(plan.targets.is_empty());
        change(plan.like.as_mut().unwrap());
        self.push(to_payload(&plan).unwrap())
    }

    fn certificate(&mut self, plan: Option<u64>, id: &str, change: impl Fn(&mut Predicate)) -> u64 {
        let mut statement = sample::statement(&sample::leaves());
        let predicate = &mut statement.predicate;
        predicate.log = Some(self.place(plan));
        predicate.run = run(id);
        predicate.period.sealed_at = self.now();
        change(predicate);
        self.push(statement.to_payload().unwrap())
    }

    fn noop(&mut self, plan: u64, id: &str) -> u64 {
        let predicate = predicate();
        let mut noop = Noop {
            certificate_id: id.to_owned(),
            kind: NoopKind::Noop,
            log: self.place(Some(plan)),
            issuer: predicate.issuer,
            controller: predicate.controller,
            trigger: predicate.trigger,
            run: run(id),
            period: predicate.period,
        };
        noop.period.sealed_at = self.now();
        self.push(to_payload(&noop).unwrap())
    }

    fn abort(&mut self, plan: u64, id: &str) -> u64 {
        let predicate = predicate();
        let abort = Abort {
            log: self.place(Some(plan)),
            issuer: predicate.issuer,
            controller: predicate.controller,
            run: run(id),
            reason: AbortReason::NotApproved,
            recorded_at: self.now(),
        };
        self.push(to_payload(&abort).unwrap())
    }

    fn suspend(&mut self) -> u64 {
        let predicate = predicate();
        let suspension = Suspension {
            log: self.place(None),
            issuer: predicate.issuer,
            controller: predicate.controller,
            clusters: None,
            reason: SuspensionReason::Incident,
            review_on: None,
            recorded_at: self.now(),
        };
        self.push(to_payload(&suspension).unwrap())
    }

    fn resume(&mut self, suspension: EntryPlace) -> u64 {
        let predicate = predicate();
        let resumption = Resumption {
            log: self.place(None),
            issuer: predicate.issuer,
            controller: predicate.controller,
            suspension,
            recorded_at: self.now(),
        };
        self.push(to_payload(&resumption).unwrap())
    }

    fn report(&self) -> HistoryReport {
        let mut history = History::new(ORIGIN);
        self.entries.iter().for_each(|entry| history.push(entry));
        history.finish()
    }

    /// What is found wrong, as `index: sentence`.
    fn problems(&self) -> Vec<String> {
        let problems = self.report().problems;
        problems
            .iter()
            .map(|(index, problem)| format!("{index}: {problem}"))
            .collect()
    }
}

/// Three nights: one with removals, one without, one that was not approved.
fn three_nights() -> Writer {
    let mut log = Writer::default();
    let plan = log.plan("run-1");
    log.certificate(Some(plan), "run-1", |_| {});
    let plan = log.plan("run-2");
    log.noop(plan, "run-2");
    let plan = log.plan("run-3");
    log.abort(plan, "run-3");
    log
}

#[test]
fn a_whole_log_holds() {
    let log = three_nights();
    let report = log.report();
    assert_eq!(log.problems(), [""; 0]);
    assert!(report.holds());
    assert_eq!(report.size, 6);
    assert_eq!((report.counts.plans, report.counts.certificates), (3, 1));
    assert_eq!((report.counts.noops, report.counts.aborts), (1, 1));
    assert!(report.open_plans.is_empty());
    let mut tree = RootBuilder::new();
    log.entries.iter().for_each(|entry| tree.push(entry));
    assert_eq!(report.root, tree.root());
}

#[test]
fn the_empty_log_holds() {
    let report = Writer::default().report();
    assert!(report.holds());
    assert_eq!((report.size, report.last), (0, None));
}

#[test]
fn a_plan_that_nothing_closed_is_listed() {
    let mut log = three_nights();
    log.plan("run-4");
    let report = log.report();
    assert!(report.holds());
    let open: Vec<_> = report
        .open_plans
        .iter()
        .map(|plan| (plan.index, plan.run.as_str()))
        .collect();
    assert_eq!(open, [(6, "run-4")]);
}

#[test]
fn an_entry_left_out_changed_or_moved_is_noticed() {
    let log = three_nights();
    for index in 0..log.entries.len() {
        let mut less = log.clone();
        less.entries.remove(index);
        // Without its last entry a log is an older log: its head tells, not its entries.
        let is_last = index == log.entries.len() - 1;
        assert_eq!(less.report().holds(), is_last, "without {index}");

        let mut changed = log.clone();
        let entry = String::from_utf8(changed.entries[index].clone()).unwrap();
        changed.entries[index] = entry.replacen("0.1.0", "0.1.1", 1).into_bytes();
        assert_ne!(changed.report().root, log.report().root);
        assert_eq!(changed.report().holds(), is_last, "changed {index}");
    }
    for index in 1..log.entries.len() {
        let mut moved = log.clone();
        moved.entries.swap(index - 1, index);
        assert!(!moved.report().holds(), "moved {index}");
    }
}

#[test]
fn what_is_wrong_with_a_place_is_said() {
    let mut log = three_nights();
    let payload = String::from_utf8(log.entries.remove(5)).unwrap();
    let mut with = |from: &str, to: &str| {
        assert!(payload.contains(from), "{from}");
        log.entries.push(payload.replacen(from, to, 1).into_bytes());
        let problems = log.problems();
        log.entries.pop();
        problems
    };
    assert_eq!(
        with("\"index\":5", "\"index\":6"),
        ["5: the entry says that it is entry 6: one was left out or added"]
    );
    assert_eq!(
        with("own\",\"index\"", "other\",\"index\""),
        ["5: the entry says that it belongs to the log `certs.example.com/other`"]
    );
    assert_eq!(
        with("own\\n5\\n", "own\\n6\\n"),
        ["5: the entry does not quote the head of the log before it: what precedes it was changed"]
    );
    assert_eq!(
        with("\"client\":\"own\"", "\"client\":\"other\""),
        ["5: the entry belongs to another client than the first entry of the log"]
    );
    assert_eq!(
        with("2026-11-22T00:05:00Z", "2026-11-22T00:03:59Z"),
        ["5: the entry is of 2026-11-22T00:03:59Z, but one before it is of 2026-11-22T00:04:00Z"]
    );
    assert_eq!(
        with("run-3", "run-2"),
        ["5: the plan 4 is about another run"]
    );
    assert!(with("not-approved", "forgotten")[0].starts_with("5: the entry cannot be read: "));
}

#[test]
fn a_plan_is_closed_once_and_by_its_own_run() {
    let mut log = three_nights();
    log.noop(0, "run-1");
    let expected = ["6: the plan 0 was closed before, by entry 1"];
    assert_eq!(log.problems(), expected);

    let mut log = three_nights();
    log.noop(1, "run-1");
    let expected = ["6: the entry closes entry 1, which is no plan before it"];
    assert_eq!(log.problems(), expected);

    let mut log = three_nights();
    log.plan("run-1");
    let expected = ["6: the run was planned before, at 0"];
    assert_eq!(log.problems(), expected);
}

#[test]
fn a_certificate_without_a_plan_is_noticed() {
    let mut log = three_nights();
    log.certificate(None, "run-4", |_| {});
    let expected = "6: the entry closes no plan: nothing was announced before the removal";
    assert_eq!(log.problems(), [expected]);

    let mut log = three_nights();
    log.certificate(None, "run-4", |predicate| predicate.log = None);
    assert_eq!(log.problems().len(), 2);
}

#[test]
fn a_certificate_names_the_plan_by_its_bytes() {
    let mut log = three_nights();
    let plan = log.plan("run-4");
    log.certificate(Some(plan), "run-4", |predicate| {
        let plan = predicate.log.as_mut().unwrap().plan.as_mut().unwrap();
        plan.payload_sha256 = Sha256::of(b"another plan");
    });
    let expected = ["7: the entry names entry 6 with another digest than it has"];
    assert_eq!(log.problems(), expected);
}

#[test]
fn what_was_not_announced_is_noticed() {
    type Change = fn(&mut Predicate);
    let changes: [Change; 5] = [
        |predicate| predicate.targets[1].job = "learner".to_owned(),
        |predicate| predicate.targets[1].index = 7,
        |predicate| predicate.targets[1].object = "public.learner".to_owned(),
        |predicate| predicate.targets[1].rule.sha256 = Sha256::of(b"another file"),
        |predicate| predicate.targets[1].method = predicate.targets[0].method.clone(),
    ];
    for change in changes {
        let mut log = Writer::default();
        let plan = log.plan("run-1");
        log.certificate(Some(plan), "run-1", change);
        let report = log.report();
        let [(1, Problem::NotPlanned { plan: 0, .. })] = report.problems[..] else {
            panic!("{:?}", report.problems);
        };
    }
}

#[test]
fn a_suspension_ends_once() {
    let mut log = three_nights();
    let suspension = log.suspend();
    assert_eq!(log.report().open_suspensions, [6]);
    let place = log.entry(suspension);
    log.resume(place);
    let report = log.report();
    assert!(report.holds() && report.open_suspensions.is_empty());
    log.resume(place);
    let other = log.entry(0);
    log.resume(other);
    let expected = [
        "8: the suspension 6 had ended before",
        "9: the entry ends entry 0, which is no suspension before it",
    ];
    assert_eq!(log.problems(), expected);
}

#[test]
fn a_plan_like_an_earlier_one_has_its_targets() {
    let mut log = Writer::default();
    let first = log.plan("run-1");
    log.certificate(Some(first), "run-1", |_| {});
    let second = log.plan_like(first, "run-2", |_| {});
    log.certificate(Some(second), "run-2", |_| {});
    let report = log.report();
    assert!(report.holds(), "{:?}", report.problems);
    // What is told by no plan is not planned.
    let changes: [fn(&mut LikePlan); 3] = [
        |like| like.plan.index = 1,
        |like| like.plan.payload_sha256 = Sha256::of(b"another"),
        |like| like.cutoffs.clear(),
    ];
    for change in changes {
        let mut log = Writer::default();
        let first = log.plan("run-1");
        log.certificate(Some(first), "run-1", |_| {});
        let second = log.plan_like(first, "run-2", change);
        log.certificate(Some(second), "run-2", |_| {});
        let problems = log.report().problems;
        assert!(
            matches!(problems[0], (2, Problem::NotLikeAPlan { .. })),
            "{problems:?}"
        );
        assert!(
            matches!(problems[1], (3, Problem::NotPlanned { .. })),
            "{problems:?}"
        );
    }
    // Only a plan that names its targets itself can be meant.
    let mut log = Writer::default();
    let first = log.plan("run-1");
    log.certificate(Some(first), "run-1", |_| {});
    let second = log.plan_like(first, "run-2", |_| {});
    let place = log.entry(second);
    let third = log.plan_like(first, "run-3", |like| like.plan = place);
    assert_eq!(log.report().problems[0].0, third);
}
