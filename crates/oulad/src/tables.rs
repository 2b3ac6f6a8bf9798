//! Builds the three tables that the jobs work on from the published files.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, anyhow};
use jiff::ToSpan;
use jiff::civil::{Date, date};

use crate::source::{Course, Info, Registration, Source};

/// One value of one row.
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Boolean(bool),
    Date(Date),
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&String> for Cell {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<Date> for Cell {
    fn from(value: Date) -> Self {
        Self::Date(value)
    }
}

/// The rows of the three tables, each in the column order of `schema`.
pub(crate) struct Tables {
    pub learner: Vec<Vec<Cell>>,
    pub enrolment: Vec<Vec<Cell>>,
    pub exam_attempt: Vec<Vec<Cell>>,
}

/// Learner, module, presentation.
type EnrolmentKey = (i64, String, String);

struct Enrolment {
    registered_on: Option<Date>,
    ended_on: Date,
    final_result: Option<String>,
}

impl Tables {
    /// Builds all rows of `source`.
    pub(crate) fn build(source: &Source) -> Result<Self> {
        let enrolments = enrolments(source)?;
        Ok(Self {
            learner: learner_rows(&source.infos, &enrolments)?,
            exam_attempt: attempt_rows(source, &enrolments)?,
            enrolment: enrolments
                .into_iter()
                .map(|((learner, module, presentation), enrolment)| {
                    vec![
                        learner.into(),
                        module.into(),
                        presentation.into(),
                        enrolment.registered_on.into(),
                        enrolment.ended_on.into(),
                        enrolment.final_result.into(),
                    ]
                })
                .collect(),
        })
    }
}

/// The day on which a presentation starts: B in February, J in October.
fn start_of(presentation: &str) -> Result<Date> {
    Ok(match presentation {
        "2013B" => date(2013, 2, 1),
        "2013J" => date(2013, 10, 1),
        "2014B" => date(2014, 2, 1),
        "2014J" => date(2014, 10, 1),
        other => return Err(anyhow!("the presentation `{other}` has no known start")),
    })
}

/// The day that lies `offset` days from a presentation's start.
fn day(presentation: &str, offset: i64) -> Result<Date> {
    let span = 0
        .days()
        .try_days(offset)
        .context("an offset is no number of days")?;
    start_of(presentation)?
        .checked_add(span)
        .context("an offset leaves the calendar")
}

fn enrolments(source: &Source) -> Result<BTreeMap<EnrolmentKey, Enrolment>> {
    let lengths: HashMap<(&str, &str), i64> = source
        .courses
        .iter()
        .map(|course: &Course| {
            let key = (
                course.code_module.as_str(),
                course.code_presentation.as_str(),
            );
            (key, course.module_presentation_length)
        })
        .collect();
    let results: HashMap<EnrolmentKey, &Option<String>> = source
        .infos
        .iter()
        .map(|info| (info.key(), &info.final_result))
        .collect();
    let mut enrolments = BTreeMap::new();
    for registration in &source.registrations {
        let presentation = registration.code_presentation.as_str();
        let course = (registration.code_module.as_str(), presentation);
        let length = *lengths
            .get(&course)
            .with_context(|| format!("`courses.csv.gz` lacks {} {}", course.0, course.1))?;
        let offset = registration.date_unregistration.unwrap_or(length);
        let key = registration.key();
        let enrolment = Enrolment {
            registered_on: registration
                .date_registration
                .map(|offset| day(presentation, offset))
                .transpose()?,
            ended_on: day(presentation, offset)?,
            final_result: results.get(&key).copied().cloned().flatten(),
        };
        enrolments.insert(key, enrolment);
    }
    Ok(enrolments)
}

impl Info {
    fn key(&self) -> EnrolmentKey {
        let (module, presentation) = (&self.code_module, &self.code_presentation);
        (self.id_student, module.clone(), presentation.clone())
    }
}

impl Registration {
    fn key(&self) -> EnrolmentKey {
        let (module, presentation) = (&self.code_module, &self.code_presentation);
        (self.id_student, module.clone(), presentation.clone())
    }
}

/// One row per learner, with what was known at the latest enrolment: that of the latest start,
/// then of the greatest module name.
fn learner_rows(
    infos: &[Info],
    enrolments: &BTreeMap<EnrolmentKey, Enrolment>,
) -> Result<Vec<Vec<Cell>>> {
    let mut ends: HashMap<i64, Date> = HashMap::new();
    for ((learner, _, _), enrolment) in enrolments {
        let end = ends.entry(*learner).or_insert(enrolment.ended_on);
        *end = enrolment.ended_on.max(*end);
    }
    let mut latest: BTreeMap<i64, ((Date, &str), &Info)> = BTreeMap::new();
    for info in infos {
        let rank = (
            start_of(&info.code_presentation)?,
            info.code_module.as_str(),
        );
        let known = latest.entry(info.id_student).or_insert((rank, info));
        if rank > known.0 {
            *known = (rank, info);
        }
    }
    let row = |(learner, (_, info)): (i64, ((Date, &str), &Info))| {
        vec![
            learner.into(),
            info.gender.as_ref().into(),
            info.region.as_ref().into(),
            info.highest_education.as_ref().into(),
            info.imd_band.as_ref().into(),
            info.age_band.as_ref().into(),
            info.disability.as_ref().into(),
            ends.get(&learner).copied().into(),
        ]
    };
    Ok(latest.into_iter().map(row).collect())
}

/// One row per submission, numbered from 1 in file order.
fn attempt_rows(
    source: &Source,
    enrolments: &BTreeMap<EnrolmentKey, Enrolment>,
) -> Result<Vec<Vec<Cell>>> {
    let assessments: HashMap<i64, _> = source
        .assessments
        .iter()
        .map(|assessment| (assessment.id_assessment, assessment))
        .collect();
    let mut rows = Vec::with_capacity(source.submissions.len());
    for (attempt_id, submission) in (1_i64..).zip(&source.submissions) {
        let assessment = *assessments
            .get(&submission.id_assessment)
            .with_context(|| format!("`assessments.csv.gz` lacks {}", submission.id_assessment))?;
        let (module, presentation) = (&assessment.code_module, &assessment.code_presentation);
        let submitted_on = submission
            .date_submitted
            .map(|offset| day(presentation, offset))
            .transpose()?;
        let key = (submission.id_student, module.clone(), presentation.clone());
        rows.push(vec![
            attempt_id.into(),
            submission.id_student.into(),
            submission.id_assessment.into(),
            module.into(),
            presentation.into(),
            (&assessment.assessment_type).into(),
            submitted_on.into(),
            submission.score.into(),
            (submission.is_banked != 0).into(),
            enrolments
                .get(&key)
                .map(|enrolment| enrolment.ended_on)
                .into(),
        ]);
    }
    Ok(rows)
}
