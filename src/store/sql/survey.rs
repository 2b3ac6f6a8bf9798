//! Counting what is due, and why the rest is kept: one pass in one snapshot.

use std::ops::Range;

use jiff::civil::Date;
use kigen_evidence::statement::RetainReason;
use kigen_evidence::value::Value;

use super::companions;
use super::foreseen::Foreseen;
use super::rule_sql::{StageText, applies_of};
use super::starting_point::day_of;
use crate::database::dialect::quote;
use crate::database::session::{Row, SqlSession};
use crate::database::statement::Statement;
use crate::domain::rule::{Candidate, PurposeState, Undatable};
use crate::guard::{self, Guard};
use crate::job::ClientSource;
use crate::store::error::StoreError;
use crate::store::{Due, JobSurvey, Remaining, Survey};

/// Surveys one stage as it is now. The session has a read transaction open.
pub(crate) async fn survey(
    session: &mut dyn SqlSession,
    text: StageText<'_>,
    as_of: Date,
) -> Result<Survey, StoreError> {
    let surveyed = survey_stages(session, &[text], None, as_of).await?;
    Ok(surveyed.stages.into_iter().next().unwrap_or_default())
}

/// Counts what is still due in a stage. The session has a read transaction open.
pub(crate) async fn remaining(
    session: &mut dyn SqlSession,
    text: &StageText<'_>,
    as_of: Date,
) -> Result<Remaining, StoreError> {
    let sql = format!(
        "select count(*) from {} where {}",
        text.from(),
        text.due(as_of)?
    );
    let rows = session.query(&Statement::plain(doing(text), sql)).await?;
    let counted = rows.first().and_then(|row| row.first()).and_then(count);
    let records = counted.ok_or_else(no_counts)?;
    let oldest_overdue_days = if records == 0 {
        None
    } else {
        oldest_overdue(session, text, as_of).await?
    };
    Ok(Remaining {
        records,
        oldest_overdue_days,
    })
}

fn no_counts() -> StoreError {
    StoreError::Unusable("the survey's answer has no counts".to_owned())
}

/// Surveys all stages of a job, with what the run itself will have freed by then, and counts what
/// goes along.
pub(crate) async fn survey_all(
    session: &mut dyn SqlSession,
    foreseen: &Foreseen<'_>,
) -> Result<JobSurvey, StoreError> {
    let stages = foreseen.stages();
    let seen = guard::stands(Guard::RunForeseen).then_some(foreseen);
    let mut survey = survey_stages(session, &stages, seen, foreseen.as_of()).await?;
    for (text, surveyed) in stages.iter().zip(&mut survey.stages) {
        if surveyed.due.records + surveyed.freed > 0 {
            surveyed.companions = companions::count_all(session, foreseen, text).await?;
        }
    }
    Ok(survey)
}

/// Surveys `stages`, which are of one job, in one pass over its table.
async fn survey_stages(
    session: &mut dyn SqlSession,
    stages: &[StageText<'_>],
    foreseen: Option<&Foreseen<'_>>,
    as_of: Date,
) -> Result<JobSurvey, StoreError> {
    let Some(first) = stages.first() else {
        return Ok(JobSurvey::default());
    };
    let statement = counts(first, stages, foreseen, as_of)?;
    let rows = session.query(&statement).await?;
    let mut survey = read_counts(rows.first(), stages)?;
    for (text, surveyed) in stages.iter().zip(&mut survey.stages) {
        if surveyed.due.records > 0 {
            surveyed.oldest_overdue_days = oldest_overdue(session, text, as_of).await?;
        }
    }
    Ok(survey)
}

/// What a stage says of a record: due, or why it is kept.
#[derive(Clone, Copy)]
enum Verdict {
    Due,
    /// Due as soon as the run has removed what blocks it.
    Freed,
    Undatable(Undatable),
    Retain(RetainReason),
}

impl Verdict {
    /// All of them; the reasons in their order of weight.
    fn all() -> impl Iterator<Item = Self> {
        let reasons = RetainReason::ALL
            .into_iter()
            .flat_map(|reason| match reason {
                RetainReason::Undatable => Undatable::ALL.map(Self::Undatable).to_vec(),
                RetainReason::AlreadyDisposed
                | RetainReason::StartsInFuture
                | RetainReason::NotExpired => vec![Self::Retain(reason)],
                RetainReason::Referenced => vec![Self::Retain(reason), Self::Freed],
            });
        std::iter::once(Self::Due).chain(reasons)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Freed => "freed",
            Self::Undatable(why) => why.name(),
            Self::Retain(reason) => reason.name(),
        }
    }
}

/// What `text` says of each record, as an expression.
fn verdict(
    text: &StageText<'_>,
    foreseen: Option<&Foreseen<'_>>,
    as_of: Date,
) -> Result<String, StoreError> {
    let tomorrow = as_of.tomorrow().unwrap_or(Date::MAX);
    let mut arms = Vec::new();
    for verdict in Verdict::all() {
        let condition = match verdict {
            Verdict::Due | Verdict::Retain(RetainReason::Undatable) => None,
            Verdict::Undatable(why) => text.undatable(why)?,
            Verdict::Retain(RetainReason::AlreadyDisposed) => text.already_disposed(),
            Verdict::Retain(RetainReason::StartsInFuture) => Some(text.starts_from(tomorrow)?),
            Verdict::Retain(RetainReason::NotExpired) => Some(text.not_expired(as_of)?),
            Verdict::Retain(RetainReason::Referenced) => match foreseen {
                Some(foreseen) => foreseen.referenced(text)?,
                None => text.referenced(),
            },
            Verdict::Freed => {
                let now = text.referenced();
                match foreseen {
                    Some(foreseen) if foreseen.referenced(text)? != now => now,
                    Some(_) | None => None,
                }
            }
        };
        if let Some(condition) = condition {
            arms.push(format!("when {condition} then '{}'", verdict.name()));
        }
    }
    let due = Verdict::Due.name();
    Ok(format!("case {} else '{due}' end", arms.join(" ")))
}

/// Whether a record is due in one of the stages `among`; the verdict of stage n is the column rn.
fn due_in(among: Range<usize>) -> String {
    verdict_in(among, &[Verdict::Due])
}

/// Whether a record goes in one of the stages `among` in this run.
fn goes_in(among: Range<usize>) -> String {
    verdict_in(among, &[Verdict::Due, Verdict::Freed])
}

fn verdict_in(among: Range<usize>, verdicts: &[Verdict]) -> String {
    let due: Vec<String> = among
        .flat_map(|stage| {
            let verdicts = verdicts.iter();
            verdicts.map(move |verdict| format!("r{stage} = '{}'", verdict.name()))
        })
        .collect();
    if due.is_empty() {
        return "1 = 0".to_owned();
    }
    format!("({})", due.join(" or "))
}

/// Counts the records for which `condition` holds, and the persons whom they are about: as evidence
/// has them, by client; and a record without a person is one of its own, nobody knows of whom.
fn records_and_persons(condition: &str) -> [String; 3] {
    let nobody = if guard::stands(Guard::PersonsAsEvidence) {
        "s is null"
    } else {
        "1 = 0"
    };
    [
        format!("count(*) filter (where {condition})"),
        format!("count(distinct p) filter (where {condition} and s is not null)"),
        format!("count(*) filter (where {condition} and {nobody})"),
    ]
}

fn counts(
    first: &StageText<'_>,
    stages: &[StageText<'_>],
    foreseen: Option<&Foreseen<'_>>,
    as_of: Date,
) -> Result<Statement, StoreError> {
    let mut selected = vec!["count(*)".to_owned()];
    // Persons are sorted to be counted. What goes in the only stage is counted once.
    if !are_one(stages) {
        selected.extend(records_and_persons(&goes_in(0..stages.len())));
    }
    for stage in 0..stages.len() {
        let due = due_in(stage..stage + 1);
        selected.extend(records_and_persons(&due));
        let (goes, earlier) = (goes_in(stage..stage + 1), goes_in(0..stage));
        selected.push(format!("count(*) filter (where {goes} and {earlier})"));
        for verdict in Verdict::all().skip(1) {
            let name = verdict.name();
            selected.push(format!("count(*) filter (where r{stage} = '{name}')"));
        }
    }
    let mut columns = vec![
        format!("t.{} as s", quote(&first.job.subject.column)),
        format!("{} as p", person(first)?),
    ];
    for (index, text) in stages.iter().enumerate() {
        columns.push(format!("{} as r{index}", verdict(text, foreseen, as_of)?));
    }
    let sql = format!(
        "select {} from (select {} from {}{}) as x",
        selected.join(", "),
        columns.join(", "),
        StageText::from_of(stages),
        first.dialect.once()
    );
    Ok(Statement::plain(doing(first), sql))
}

/// The person of a record as evidence knows them: by client and id; the kind is the cluster's.
fn person(text: &StageText<'_>) -> Result<String, StoreError> {
    let exact = |column: &str| -> Result<String, StoreError> {
        let facts = text.own_column(column)?;
        Ok(text.dialect.exact(&format!("t.{}", quote(column)), facts))
    };
    let subject = exact(&text.job.subject.column)?;
    Ok(match &text.job.client {
        ClientSource::Fixed(_) => subject,
        ClientSource::Column(_) if !guard::stands(Guard::PersonsAsEvidence) => subject,
        ClientSource::Column(column) => text.dialect.together(&[exact(column)?, subject]),
    })
}

fn doing(text: &StageText<'_>) -> String {
    format!("survey `{}`, stage `{}`", text.job.cluster, text.stage.name)
}

/// Reads the counts in the order of the statement.
fn read_counts(row: Option<&Row>, stages: &[StageText<'_>]) -> Result<JobSurvey, StoreError> {
    let mut counts = row.into_iter().flatten().map(count);
    let mut next = || counts.next().flatten().ok_or_else(no_counts);
    let total = next()?;
    let mut survey = JobSurvey::default();
    if !are_one(stages) {
        survey.together = read_due(&mut next)?;
    }
    for _ in stages {
        let mut stage = Survey {
            total,
            due: read_due(&mut next)?,
            again: next()?,
            ..Survey::default()
        };
        for verdict in Verdict::all().skip(1) {
            let records = next()?;
            if records == 0 {
                continue;
            }
            let reason = match verdict {
                Verdict::Due => continue,
                Verdict::Freed => {
                    stage.freed = records;
                    RetainReason::Referenced
                }
                Verdict::Retain(reason) => reason,
                Verdict::Undatable(why) => {
                    stage.undatable.insert(why, records);
                    RetainReason::Undatable
                }
            };
            *stage.retained.entry(reason).or_default() += records;
        }
        survey.stages.push(stage);
    }
    if let ([only], true) = (survey.stages.as_slice(), are_one(stages)) {
        survey.together = only.due;
    }
    Ok(survey)
}

/// Whether the records that go in all stages together are those that are due in the only one: nothing
/// blocks a record that the run itself could free.
fn are_one(stages: &[StageText<'_>]) -> bool {
    matches!(stages, [only] if only.referenced().is_none())
}

fn read_due(next: &mut impl FnMut() -> Result<u64, StoreError>) -> Result<Due, StoreError> {
    Ok(Due {
        records: next()?,
        subjects: next()? + next()?,
    })
}

/// A count as the database gave it.
pub(crate) fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Int(count) => u64::try_from(*count).ok(),
        _ => None,
    }
}

/// Finds the due record that should have gone first, by the pure rule over the distinct starting
/// points of the due records.
async fn oldest_overdue(
    session: &mut dyn SqlSession,
    text: &StageText<'_>,
    as_of: Date,
) -> Result<Option<i64>, StoreError> {
    let statement = starting_points(text, as_of)?;
    let mut oldest: Option<Date> = None;
    let mut sink = |row: Row| -> Result<(), StoreError> {
        if let Some(last_day_kept) = last_day_kept(text, &row)? {
            oldest = Some(oldest.map_or(last_day_kept, |so_far| so_far.min(last_day_kept)));
        }
        Ok(())
    };
    session.stream(&statement, &mut sink).await?;
    // Due since the day after the last day kept.
    Ok(oldest
        .and_then(|day| day.tomorrow().ok())
        .map(|due_since| i64::from((as_of - due_since).get_days())))
}

/// The least of a single starting point, else the distinct combinations with their flags.
fn starting_points(text: &StageText<'_>, as_of: Date) -> Result<Statement, StoreError> {
    let alone = text.stage.sources.len() == 1 && text.may_apply(0).is_none();
    let mut selected = Vec::new();
    for index in 0..text.stage.sources.len() {
        let start = text.start(index)?;
        if alone {
            selected.push(text.applies_code(index));
            selected.push(text.dialect.least(&start));
            continue;
        }
        selected.push(text.applies_code(index));
        selected.push(start.expression);
    }
    let distinct = if alone { "" } else { "distinct " };
    let sql = format!(
        "select {distinct}{} from {} where {}",
        selected.join(", "),
        text.from(),
        text.due(as_of)?
    );
    Ok(Statement::plain(doing(text), sql))
}

fn last_day_kept(text: &StageText<'_>, row: &Row) -> Result<Option<Date>, StoreError> {
    let mut purposes = Vec::new();
    for index in 0..text.stage.sources.len() {
        let start = text.start_type(index)?;
        purposes.push(PurposeState {
            applies: applies_of(row.get(2 * index)),
            start: row
                .get(2 * index + 1)
                .map_or(crate::domain::rule::StartingPoint::Missing, |value| {
                    day_of(value, &start, &text.job.time_zone)
                }),
        });
    }
    let candidate = Candidate {
        purposes,
        already_disposed: false,
        referenced: false,
    };
    Ok(text
        .stage
        .rule
        .ends(&candidate)
        .map(|ends| ends.last_day_kept))
}
