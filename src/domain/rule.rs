//! The deletion rule of one stage, and the decision it makes about one record.

use jiff::civil::Date;
use kigen_evidence::calendar::{FirstDay, Period};
use kigen_evidence::statement::RetainReason;
use serde::Serialize;

/// One purpose for which a record is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// The purpose's name in the job.
    pub name: String,
    pub period: Period,
    pub first_day: FirstDay,
    /// The first day that is believed of its starting point. What lies before is how some program
    /// writes "never": no event.
    pub earliest: Date,
}

/// The first day that is believed of a starting point whose purpose does not say.
///
/// The zero days of clocks, spreadsheets and libraries lie before (1601, 1899-12-30, 1900, 1904, 1970,
/// 1980, 1990), and so does what was counted in another unit than seconds. A job that keeps older
/// records says so.
pub const EARLIEST_BELIEVED: Date = Date::constant(1995, 1, 1);

/// When a purpose's period started for one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartingPoint {
    /// The column is null: the event has not happened.
    Missing,
    /// The column holds something that is no day of the calendar.
    Unreadable,
    /// The day, in the job's time zone.
    On(Date),
}

/// Whether a record is kept for a purpose at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    Yes,
    No,
    /// The column of its condition is null. The record is kept at least as long as if the purpose
    /// applied; but this alone never makes it due.
    Unknown,
}

/// What a record says about one purpose of its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurposeState {
    pub applies: Applies,
    pub start: StartingPoint,
}

/// What a store says about one record, for a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// One for each purpose of the rule, in the rule's order.
    pub purposes: Vec<PurposeState>,
    /// Whether this stage has already disposed of the record.
    pub already_disposed: bool,
    /// Whether a row that outranks the rule still names the record.
    pub referenced: bool,
}

/// Why the end of a record's purposes cannot be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undatable {
    /// No purpose surely applies to the record.
    NoPurpose,
    /// A join gives several rows for it, of which none is the one.
    Ambiguous,
    /// A starting point is null.
    Missing,
    /// A starting point holds something that is no day of the calendar.
    Unreadable,
    /// A starting point is a day before the first that is believed.
    NotBelieved,
}

impl Undatable {
    /// All of them, in order of weight: the first that holds is the one given.
    pub const ALL: [Self; 5] = [
        Self::NoPurpose,
        Self::Ambiguous,
        Self::Missing,
        Self::Unreadable,
        Self::NotBelieved,
    ];

    /// Its name in plans.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoPurpose => "no-purpose",
            Self::Ambiguous => "ambiguous",
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::NotBelieved => "not-believed",
        }
    }
}

impl Purpose {
    /// Why its end cannot be computed from `start`; `None` if it can.
    pub fn undatable(&self, start: StartingPoint) -> Option<Undatable> {
        match start {
            StartingPoint::Missing => Some(Undatable::Missing),
            StartingPoint::Unreadable => Some(Undatable::Unreadable),
            StartingPoint::On(day) if day < self.earliest => Some(Undatable::NotBelieved),
            StartingPoint::On(_) => None,
        }
    }
}

/// What becomes of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// All purposes have ended.
    Dispose {
        /// The last day on which it was kept.
        expired_after: Date,
        /// Index of the purpose that ended last.
        last_purpose: usize,
    },
    Retain(RetainReason),
}

/// The rule of one stage: a record is due when all purposes that apply to it have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub purposes: Vec<Purpose>,
}

impl Rule {
    /// Decides what is due to `candidate` on the day `as_of`.
    ///
    /// A record that no purpose surely covers, or whose end cannot be computed, is kept and reported.
    pub fn decide(&self, candidate: &Candidate, as_of: Date) -> Decision {
        if candidate.already_disposed {
            return Decision::Retain(RetainReason::AlreadyDisposed);
        }
        let Some(ends) = self.ends(candidate) else {
            return Decision::Retain(RetainReason::Undatable);
        };
        if ends.latest_start > as_of {
            return Decision::Retain(RetainReason::StartsInFuture);
        }
        if as_of <= ends.last_day_kept {
            return Decision::Retain(RetainReason::NotExpired);
        }
        if candidate.referenced {
            return Decision::Retain(RetainReason::Referenced);
        }
        Decision::Dispose {
            expired_after: ends.last_day_kept,
            last_purpose: ends.last_purpose,
        }
    }

    /// Why the end of the purposes of `candidate` cannot be computed; `None` if it can.
    pub fn undatable(&self, candidate: &Candidate) -> Option<Undatable> {
        let surely = |state: &PurposeState| state.applies == Applies::Yes;
        if !candidate.purposes.iter().any(surely) {
            return Some(Undatable::NoPurpose);
        }
        let purposes = self.purposes.iter().zip(&candidate.purposes);
        purposes
            .filter(|(_, state)| state.applies != Applies::No)
            .filter_map(|(purpose, state)| purpose.undatable(state.start))
            .min()
    }

    /// Returns when the purposes of `candidate` end, or `None` if one cannot be computed or none surely
    /// applies.
    pub fn ends(&self, candidate: &Candidate) -> Option<Ends> {
        if self.undatable(candidate).is_some() {
            return None;
        }
        let mut ends: Option<Ends> = None;
        for (index, (purpose, state)) in self.purposes.iter().zip(&candidate.purposes).enumerate() {
            if state.applies == Applies::No {
                continue;
            }
            let StartingPoint::On(start) = state.start else {
                return None;
            };
            // A period that leaves the calendar never ends within it.
            let last_day_kept = purpose
                .period
                .last_day_kept(start, purpose.first_day)
                .unwrap_or(Date::MAX);
            ends = Some(match ends {
                Some(so_far) => so_far.and(start, last_day_kept, index),
                None => Ends {
                    latest_start: start,
                    last_day_kept,
                    last_purpose: index,
                },
            });
        }
        ends
    }

    /// The first day on which a start of purpose `index` has not ended it by `as_of`.
    pub fn cutoffs(&self, as_of: Date) -> Vec<Date> {
        self.purposes
            .iter()
            .map(|purpose| purpose.period.cutoff(as_of, purpose.first_day))
            .collect()
    }
}

/// The ends of all purposes of one record, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The latest of the starting points.
    pub latest_start: Date,
    /// The last day on which any purpose goes on.
    pub last_day_kept: Date,
    /// Index of the purpose that ends last; the first of them if several end together.
    pub last_purpose: usize,
}

impl Ends {
    fn and(self, start: Date, last_day_kept: Date, index: usize) -> Self {
        let latest_start = self.latest_start.max(start);
        if last_day_kept > self.last_day_kept {
            return Self {
                latest_start,
                last_day_kept,
                last_purpose: index,
            };
        }
        Self {
            latest_start,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn rule() -> Rule {
        let purpose = |name: &str, period: &str| Purpose {
            name: name.to_owned(),
            period: period.parse().unwrap(),
            first_day: FirstDay::NotCounted,
            earliest: EARLIEST_BELIEVED,
        };
        Rule {
            purposes: vec![purpose("course", "P1Y"), purpose("screening", "P3Y")],
        }
    }

    fn on(year: i16, month: i8, day: i8) -> StartingPoint {
        StartingPoint::On(date(year, month, day))
    }

    fn candidate(course: StartingPoint, screening: Option<StartingPoint>) -> Candidate {
        let state = |start: StartingPoint, applies| PurposeState { applies, start };
        let second = screening.map_or(Applies::No, |_| Applies::Yes);
        Candidate {
            purposes: vec![
                state(course, Applies::Yes),
                state(screening.unwrap_or(StartingPoint::Missing), second),
            ],
            already_disposed: false,
            referenced: false,
        }
    }

    #[test]
    fn a_record_is_kept_on_its_last_day_and_due_on_the_next() {
        let record = candidate(on(2024, 2, 28), None);
        assert_eq!(
            rule().decide(&record, date(2025, 2, 28)),
            Decision::Retain(RetainReason::NotExpired)
        );
        assert_eq!(
            rule().decide(&record, date(2025, 3, 1)),
            Decision::Dispose {
                expired_after: date(2025, 2, 28),
                last_purpose: 0
            }
        );
    }

    #[test]
    fn a_record_is_due_when_the_last_of_its_purposes_has_ended() {
        let record = candidate(on(2020, 1, 1), Some(on(2020, 6, 1)));
        assert_eq!(
            rule().decide(&record, date(2023, 6, 1)),
            Decision::Retain(RetainReason::NotExpired)
        );
        assert_eq!(
            rule().decide(&record, date(2023, 6, 2)),
            Decision::Dispose {
                expired_after: date(2023, 6, 1),
                last_purpose: 1
            }
        );
    }

    #[test]
    fn a_record_whose_end_cannot_be_computed_is_kept_as_undatable() {
        for start in [StartingPoint::Missing, StartingPoint::Unreadable] {
            let record = candidate(start, None);
            assert_eq!(
                rule().decide(&record, date(9000, 1, 1)),
                Decision::Retain(RetainReason::Undatable)
            );
        }
    }

    #[test]
    fn a_day_before_the_first_that_is_believed_is_no_starting_point() {
        for (start, why) in [
            (on(1994, 12, 31), Some(Undatable::NotBelieved)),
            (on(1970, 1, 1), Some(Undatable::NotBelieved)),
            (on(1, 1, 2), Some(Undatable::NotBelieved)),
            (on(1995, 1, 1), None),
            (StartingPoint::Missing, Some(Undatable::Missing)),
            (StartingPoint::Unreadable, Some(Undatable::Unreadable)),
        ] {
            let record = candidate(start, Some(on(2000, 1, 1)));
            assert_eq!(rule().undatable(&record), why, "{start:?}");
            let undatable = Decision::Retain(RetainReason::Undatable);
            let decided = rule().decide(&record, date(2026, 4, 1));
            assert_eq!(decided == undatable, why.is_some(), "{start:?}");
        }
    }

    #[test]
    fn a_purpose_may_believe_older_days_or_fewer() {
        let mut rule = rule();
        rule.purposes[0].earliest = date(1960, 4, 1);
        assert_eq!(rule.undatable(&candidate(on(1960, 4, 1), None)), None);
        rule.purposes[0].earliest = date(2010, 1, 1);
        let record = candidate(on(2000, 1, 1), None);
        assert_eq!(rule.undatable(&record), Some(Undatable::NotBelieved));
    }

    #[test]
    fn a_record_that_no_purpose_covers_is_kept_as_undatable() {
        let mut record = candidate(on(2000, 1, 1), None);
        record.purposes[0].applies = Applies::No;
        assert_eq!(
            rule().decide(&record, date(2025, 1, 1)),
            Decision::Retain(RetainReason::Undatable)
        );
        assert_eq!(rule().undatable(&record), Some(Undatable::NoPurpose));
    }

    #[test]
    fn a_record_of_which_nobody_knows_whether_a_purpose_applies_is_kept_as_undatable() {
        let mut record = candidate(on(2000, 1, 1), None);
        record.purposes[0].applies = Applies::Unknown;
        assert_eq!(
            rule().decide(&record, date(2025, 1, 1)),
            Decision::Retain(RetainReason::Undatable)
        );
    }

    #[test]
    fn a_purpose_that_may_apply_keeps_a_record_as_long_as_one_that_does() {
        let mut record = candidate(on(2020, 1, 1), Some(on(2020, 6, 1)));
        record.purposes[1].applies = Applies::Unknown;
        assert_eq!(
            rule().decide(&record, date(2023, 6, 1)),
            Decision::Retain(RetainReason::NotExpired)
        );
        assert!(matches!(
            rule().decide(&record, date(2023, 6, 2)),
            Decision::Dispose { .. }
        ));
        record.purposes[1].start = StartingPoint::Missing;
        assert_eq!(
            rule().decide(&record, date(2099, 1, 1)),
            Decision::Retain(RetainReason::Undatable)
        );
    }

    #[test]
    fn a_starting_point_in_the_future_is_kept_and_named() {
        let record = candidate(on(2025, 3, 2), None);
        assert_eq!(
            rule().decide(&record, date(2025, 3, 1)),
            Decision::Retain(RetainReason::StartsInFuture)
        );
    }

    #[test]
    fn a_record_that_a_blocking_row_still_names_is_kept() {
        let mut record = candidate(on(2000, 1, 1), None);
        record.referenced = true;
        assert_eq!(
            rule().decide(&record, date(2025, 1, 1)),
            Decision::Retain(RetainReason::Referenced)
        );
    }

    #[test]
    fn a_record_that_the_stage_has_disposed_of_is_never_offered_again() {
        let mut record = candidate(on(2000, 1, 1), None);
        record.already_disposed = true;
        assert_eq!(
            rule().decide(&record, date(2025, 1, 1)),
            Decision::Retain(RetainReason::AlreadyDisposed)
        );
    }

    #[test]
    fn every_reason_is_listed_once() {
        let names: std::collections::BTreeSet<_> = RetainReason::ALL
            .iter()
            .map(|reason| reason.name())
            .collect();
        assert_eq!(names.len(), RetainReason::ALL.len());
    }
}
