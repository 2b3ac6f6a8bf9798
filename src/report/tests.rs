use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;

use crate::ledger::CertificateSummary;
use crate::ledger::entry::{
    ClauseEntry, Due, Entry, JobEntry, JobFailed, LimitEntry, Outcome, RecordedEntry, RunStarted,
    StageFinished, StageRefused, StageSurveyed, TitleEntry, Trigger,
};

use super::{Report, ReportPeriod, build, render_text};

fn period() -> ReportPeriod {
    ReportPeriod {
        from: date(2025, 4, 1),
        to: date(2025, 5, 31),
        time_zone: TimeZone::get("Asia/Tokyo").unwrap(),
        time_zone_name: "Asia/Tokyo".to_owned(),
    }
}

fn job(job: &str, ja: &str, en: &str) -> JobEntry {
    JobEntry {
        job: job.to_owned(),
        title: TitleEntry {
            ja: ja.to_owned(),
            en: en.to_owned(),
        },
        owner: "個人情報保護管理者".to_owned(),
        sha256: "aa".repeat(32),
        time_zone: "Asia/Tokyo".to_owned(),
        as_of: None,
        clause: ClauseEntry {
            document: "プライバシーポリシー 第8条".to_owned(),
            version: "2025-04-01".to_owned(),
            text_sha256: "bb".repeat(32),
            text: String::new(),
        },
        identity: None,
        effects: Vec::new(),
        approval: None,
    }
}

fn started(day: i8) -> Entry {
    Entry::RunStarted(RunStarted {
        as_of: date(2025, 4, day),
        trigger: Trigger::Cron,
        version: "0.1.0".to_owned(),
        jobs: vec![
            job("exam-history", "受験履歴", "Exam history"),
            job("learner", "受講者", "Learners"),
        ],
        targets: Vec::new(),
        reconciles: None,
    })
}

fn map(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

fn surveyed(job: &str, stage: &str, due: u64, oldest: Option<i64>) -> Entry {
    Entry::StageSurveyed(StageSurveyed {
        job: job.to_owned(),
        stage: stage.to_owned(),
        disposal: stage.to_owned(),
        total_records: 173_912,
        due: Due {
            records: due,
            subjects: due / 3,
        },
        retained: map(&[("not-expired", 170_000), ("undatable", 12)]),
        oldest_overdue_days: oldest,
        limit: LimitEntry {
            max_records: 5000,
            max_percent: 10.0,
            max_persons: 1000,
        },
    })
}

fn finished(
    job: &str,
    stage: &str,
    ended_by: &[(&str, u64)],
    failed: u64,
    remaining_due: u64,
    oldest_overdue_days: Option<i64>,
) -> Entry {
    let ended_by = map(ended_by);
    Entry::StageFinished(StageFinished {
        job: job.to_owned(),
        stage: stage.to_owned(),
        disposal: stage.to_owned(),
        disposed: ended_by.values().sum(),
        absent: 0,
        no_longer_due: 0,
        failed,
        unattempted: 0,
        remaining_due,
        oldest_overdue_days,
        elapsed_ms: 1234,
        by_client: BTreeMap::new(),
        effects: None,
        ended_by,
    })
}

fn ended(outcome: Outcome) -> Entry {
    Entry::RunFinished { outcome }
}

/// Three runs around the period's border, a fourth that was killed, a fifth after the period.
fn entries() -> Vec<RecordedEntry> {
    let exam = "exam-history";
    let sealed = |ids: &[&str]| Entry::Sealed {
        certificate_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    };
    let refused = Entry::StageRefused(StageRefused {
        job: exam.to_owned(),
        stage: "delete".to_owned(),
        code: "limit-exceeded".to_owned(),
        message: "9,000 records are due; the limit is 5,000".to_owned(),
    });
    let failed = Entry::JobFailed(JobFailed {
        job: "learner".to_owned(),
        code: "store-unreachable".to_owned(),
        message: "reach store `lms`".to_owned(),
    });
    let course = |n| [("course", n), ("readmission-screening", 7)];
    [
        // 23:59 in Tokyo on the last day before the period: counted nowhere, but known.
        ("run-0", "2025-03-31T14:59:00Z", started(1)),
        (
            "run-0",
            "2025-03-31T14:59:10Z",
            surveyed("learner", "delete", 40, Some(3)),
        ),
        (
            "run-0",
            "2025-03-31T14:59:20Z",
            finished("learner", "delete", &[("course", 38)], 0, 2, Some(3)),
        ),
        ("run-0", "2025-03-31T14:59:30Z", ended(Outcome::Partial)),
        // 00:00 in Tokyo on the first day.
        ("run-1", "2025-03-31T15:00:00Z", started(1)),
        (
            "run-1",
            "2025-03-31T15:00:10Z",
            surveyed(exam, "pseudonymize", 1207, Some(30)),
        ),
        (
            "run-1",
            "2025-03-31T15:00:20Z",
            finished(exam, "pseudonymize", &course(1200), 0, 0, None),
        ),
        ("run-1", "2025-03-31T15:00:21Z", refused),
        ("run-1", "2025-03-31T15:00:30Z", ended(Outcome::Complete)),
        ("run-1", "2025-03-31T15:00:31Z", sealed(&["0197-a"])),
        (
            "run-1",
            "2025-03-31T15:00:32Z",
            Entry::Published {
                certificate_id: "0197-a".to_owned(),
                folder: "a/0197-a".to_owned(),
            },
        ),
        ("run-2", "2025-04-30T12:00:00Z", started(30)),
        (
            "run-2",
            "2025-04-30T12:00:10Z",
            surveyed(exam, "pseudonymize", 107, Some(29)),
        ),
        (
            "run-2",
            "2025-04-30T12:00:20Z",
            finished(exam, "pseudonymize", &course(90), 3, 10, Some(29)),
        ),
        (
            "run-2",
            "2025-04-30T15:00:00Z",
            finished(exam, "delete", &[("course", 1_000_000)], 0, 0, None),
        ),
        ("run-2", "2025-04-30T15:00:01Z", failed),
        ("run-2", "2025-04-30T15:00:02Z", ended(Outcome::Partial)),
        ("run-3", "2025-05-02T12:00:00Z", started(30)),
        ("run-4", "2025-05-31T15:00:00Z", started(30)),
        (
            "run-4",
            "2025-05-31T15:00:01Z",
            finished(exam, "delete", &[("course", 55)], 0, 0, None),
        ),
    ]
    .into_iter()
    .zip(1..)
    .map(|((run_id, at, entry), entry_id)| RecordedEntry {
        entry_id,
        run_id: Some(run_id.to_owned()),
        at: at.parse().unwrap(),
        entry,
    })
    .collect()
}

fn certificates() -> Vec<CertificateSummary> {
    let certificate = |id: &str, client: &str, at: &str, signed| CertificateSummary {
        certificate_id: id.to_owned(),
        run_id: "run-1".to_owned(),
        client: client.to_owned(),
        payload_sha256: "0123456789abcdef".repeat(4),
        leaves_sha256: "fedcba9876543210".repeat(4),
        created_at: at.parse::<Timestamp>().unwrap(),
        signed,
    };
    vec![
        certificate(
            "0197-before",
            "例示ラーニング",
            "2025-03-31T14:59:59Z",
            true,
        ),
        certificate("0197-a", "例示ラーニング", "2025-03-31T15:00:31Z", true),
        certificate("0197-b", "own", "2025-05-31T14:59:59Z", false),
        certificate("0197-after", "own", "2025-05-31T15:00:00Z", true),
    ]
}

fn report() -> Report {
    build(&entries(), &certificates(), &period())
}

#[test]
fn a_report_as_json() {
    insta::assert_json_snapshot!(report());
}

#[test]
fn a_report_as_text() {
    insta::assert_snapshot!(render_text(&report(), &period().time_zone));
}

#[test]
fn an_empty_ledger_gives_an_empty_report() {
    let report = build(&[], &[], &period());
    insta::assert_snapshot!(render_text(&report, &period().time_zone), @"
    kigen report, 2025-04-01 to 2025-05-31 (Asia/Tokyo)
    runs: 0 started; 0 complete, 0 partial, 0 stopped, 0 unfinished; 0 not fully certified

    no run had anything to report

    certificates
      none was issued
    ");
}

#[test]
fn a_period_of_one_day_holds_that_day_and_no_other() {
    let mut period = period();
    period.to = period.from;
    assert_eq!(period.end(), Some("2025-04-01T15:00:00Z".parse().unwrap()));
    let report = build(&entries(), &certificates(), &period);
    assert_eq!(report.runs.started, 1);
    assert_eq!(report.certificates.len(), 1);
    let months: Vec<_> = report
        .clusters
        .iter()
        .flat_map(|cluster| &cluster.months)
        .collect();
    assert_eq!(months.len(), 1);
    assert_eq!(months[0].disposed[0].records, 1207);
}

#[test]
fn every_disposed_record_is_in_exactly_one_month() {
    let mut all = period();
    all.from = date(2000, 1, 1);
    all.to = date(2030, 1, 1);
    let report = build(&entries(), &[], &all);
    let reported: u64 = report
        .clusters
        .iter()
        .flat_map(|cluster| &cluster.months)
        .flat_map(|month| &month.disposed)
        .map(|disposed| disposed.records)
        .sum();
    let written: u64 = entries()
        .iter()
        .filter_map(|recorded| match &recorded.entry {
            Entry::StageFinished(finished) => Some(finished.disposed),
            _ => None,
        })
        .sum();
    assert_eq!(reported, written);
}
