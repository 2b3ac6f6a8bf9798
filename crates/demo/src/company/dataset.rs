//! The whole data set: how large it is, and its rows in the order of their foreign keys.

use jiff::civil::{Date, date};

use super::attempts::{answer_rows, attempt_row};
use super::layout::{
    CLIENT, DISCLOSURE_REQUEST, EXAM_ANSWER, EXAM_ATTEMPT, LEARNER, LEARNER_CONTACT, LOGIN_LOG,
    REQUEST_DOCUMENT, Row, Table,
};
use super::learners::{contact_rows, learner_row, login_rows};
use super::names::CLIENTS;
use super::requests::{document_rows, request_row, scans_of};

/// The day for which the demonstration is made when none is named.
pub(crate) const DEFAULT_AS_OF: Date = date(2026, 4, 1);

/// How many rows the demonstration's leading tables get; the others follow from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) learners: u32,
    pub(crate) attempts: u32,
    pub(crate) requests: u32,
}

impl Default for Sizes {
    /// The size of a middling learning company.
    fn default() -> Self {
        Self {
            learners: 20_000,
            attempts: 200_000,
            requests: 500,
        }
    }
}

impl Sizes {
    /// Returns the number of rows of all tables together: the end of a progress bar.
    pub(crate) fn rows(self) -> u64 {
        TABLE_SIZES.iter().map(|size| size(self)).sum()
    }
}

/// Sizes of the tables in the order of [`Dataset::tables`].
const TABLE_SIZES: [fn(Sizes) -> u64; 8] = [
    |_| CLIENTS.len() as u64,
    |sizes| u64::from(sizes.learners),
    |sizes| u64::from(sizes.learners) + u64::from(sizes.learners / 4),
    |sizes| u64::from(sizes.learners) * 2,
    |sizes| u64::from(sizes.attempts),
    |sizes| u64::from(sizes.attempts) * 2,
    |sizes| u64::from(sizes.requests),
    |sizes| u64::from(sizes.requests) + u64::from(sizes.requests / 2),
];

/// The rows of one table, made as they are asked for.
pub(super) type Rows = Box<dyn Iterator<Item = Row> + Send>;

/// What is generated for these sizes and this day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dataset {
    pub(super) sizes: Sizes,
    pub(super) as_of: Date,
}

impl Dataset {
    /// All tables with their rows, each table after those that it refers to.
    pub(super) fn tables(self) -> [(&'static Table, Rows); 8] {
        let as_of = self.as_of;
        let learners = u64::from(self.sizes.learners);
        let all_learners = 1..=learners;
        let all_attempts = 1..=u64::from(self.sizes.attempts);
        let all_requests = 1..=u64::from(self.sizes.requests);
        [
            (
                &CLIENT,
                Box::new(
                    CLIENTS
                        .iter()
                        .map(|&(id, name)| vec![id.into(), name.into()]),
                ),
            ),
            (
                &LEARNER,
                Box::new(
                    all_learners
                        .clone()
                        .map(move |number| learner_row(number, as_of)),
                ),
            ),
            (
                &LEARNER_CONTACT,
                Box::new(
                    all_learners
                        .clone()
                        .flat_map(move |number| contact_rows(number, as_of)),
                ),
            ),
            (
                &LOGIN_LOG,
                Box::new(all_learners.flat_map(move |number| login_rows(number, as_of))),
            ),
            (
                &EXAM_ATTEMPT,
                Box::new(
                    all_attempts
                        .clone()
                        .map(move |number| attempt_row(number, learners, as_of)),
                ),
            ),
            (&EXAM_ANSWER, Box::new(all_attempts.flat_map(answer_rows))),
            (
                &DISCLOSURE_REQUEST,
                Box::new(
                    all_requests
                        .clone()
                        .map(move |number| request_row(number, learners, as_of)),
                ),
            ),
            (
                &REQUEST_DOCUMENT,
                Box::new(all_requests.flat_map(move |number| document_rows(number, as_of))),
            ),
        ]
    }

    /// The scans of all requests: object key and bytes. A key that comes twice has two versions.
    pub(super) fn scans(self) -> impl Iterator<Item = (String, Vec<u8>)> + Send {
        (1..=u64::from(self.sizes.requests)).flat_map(move |number| scans_of(number, self.as_of))
    }
}
