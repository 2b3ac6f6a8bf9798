//! Exam attempts with their answers.

use jiff::civil::Date;

use super::days::{HISTORY_DAYS, days_before, days_between, moment_on, near_border};
use super::layout::Row;
use super::learners::Relationship;
use super::names::{ATTEMPT_COMMENTS, CLIENTS};
use super::person::Person;
use super::random::{Random, Stream};

/// Months of the periods in `jobs/exam-history.toml` that run from the end of a course.
const COURSE_MONTHS: [i32; 2] = [36, 120];

const COURSES: [&str; 8] = [
    "BOKI-2", "BOKI-3", "EIGO-B1", "EIGO-B2", "FP-3", "IT-PASS", "KAIGO-1", "TAKKEN",
];

const DEVICES: [&str; 3] = ["PC", "スマートフォン", "タブレット"];

/// Who took an attempt, and between which days.
struct Taker {
    learner_id: u64,
    client_id: &'static str,
    first_day: Date,
    last_day: Date,
}

impl Taker {
    /// Picks a learner. One attempt in a thousand is of a learner whose row went long ago, before
    /// anyone kept rules.
    fn pick(random: &mut Random, learners: u64, as_of: Date) -> Self {
        if random.happens(1) || learners == 0 {
            return Self {
                learner_id: learners + 1 + u64::from(random.below(50)),
                client_id: CLIENTS[0].0,
                first_day: days_before(as_of, HISTORY_DAYS.cast_signed()),
                last_day: days_before(as_of, (HISTORY_DAYS / 2).cast_signed()),
            };
        }
        let bound = u32::try_from(learners).unwrap_or(u32::MAX);
        let learner_id = u64::from(random.below(bound)) + 1;
        let relationship = Relationship::of(learner_id, as_of);
        Self {
            learner_id,
            client_id: relationship.client_id,
            first_day: relationship.registered_on,
            last_day: relationship.last_day(as_of),
        }
    }
}

/// How the course of an attempt ended, as the attempt's row has it.
struct Course {
    taken_on: Date,
    ended_on: Option<Date>,
    final_result: Option<&'static str>,
}

impl Course {
    fn of(random: &mut Random, taker: &Taker, as_of: Date) -> Self {
        let span = days_between(taker.first_day, taker.last_day);
        let taken_on = days_before(taker.last_day, random.between(0, span));
        let ended_on = days_before(taken_on, -random.between(7, 150));
        if random.happens(10) {
            let months = random.pick(&COURSE_MONTHS);
            let border = near_border(random, as_of, months);
            if border > taker.first_day {
                return Self::ended(random, taker.first_day.max(days_before(border, 30)), border);
            }
        }
        if ended_on > as_of {
            // A course that goes on; some have an end announced.
            let announced = random.happens(250).then_some(ended_on);
            return Self {
                taken_on,
                ended_on: announced,
                final_result: Some("受講中"),
            };
        }
        let mut course = Self::ended(random, taken_on, ended_on);
        if random.happens(5) {
            course.ended_on = None;
        }
        course
    }

    fn ended(random: &mut Random, taken_on: Date, ended_on: Date) -> Self {
        let final_result = match random.below(1000) {
            0..690 => Some("合格"),
            690..900 => Some("不合格"),
            900..997 => Some("途中退学"),
            _ => None,
        };
        Self {
            taken_on,
            ended_on: Some(ended_on),
            final_result,
        }
    }
}

/// The row of attempt `number`, taken by one of `learners`.
pub(super) fn attempt_row(number: u64, learners: u64, as_of: Date) -> Row {
    let mut random = Random::of(Stream::Attempt, number);
    let taker = Taker::pick(&mut random, learners, as_of);
    let course = Course::of(&mut random, &taker, as_of);
    let score = match course.final_result {
        Some("合格") => Some(i64::from(random.between(60, 100))),
        Some("不合格") => Some(i64::from(random.between(5, 59))),
        Some(_) | None => None,
    };
    let minutes = random.between(12, 90);
    let device = random.pick(&DEVICES);
    let comment = random.happens(60).then(|| {
        let person = Person::of(taker.learner_id, as_of);
        random
            .pick(&ATTEMPT_COMMENTS)
            .replace("{}", person.family.0)
    });
    vec![
        number.cast_signed().into(),
        taker.learner_id.cast_signed().into(),
        taker.client_id.into(),
        random.pick(&COURSES).into(),
        moment_on(&mut random, course.taken_on).into(),
        course.ended_on.map(|day| day.to_string()).into(),
        course.final_result.into(),
        score.into(),
        random.happens(400).into(),
        format!(r#"{{"device": "{device}", "minutes": {minutes}}}"#).into(),
        comment.into(),
    ]
}

/// The two answers of attempt `number`.
pub(super) fn answer_rows(number: u64) -> Vec<Row> {
    let mut random = Random::of(Stream::Answer, number);
    let mut row = |question: i64| {
        let answer = random.pick(&["ア", "イ", "ウ", "エ", "無回答"]);
        vec![number.cast_signed().into(), question.into(), answer.into()]
    };
    vec![row(1), row(2)]
}
