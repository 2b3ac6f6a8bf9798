//! What a case of the property consists of, and how cases are drawn.

use jiff::civil::{Date, date};
use proptest::prelude::*;

/// How the starting points of a case are stored.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stored {
    Date,
    Moment,
    LocalTime,
    UnixSeconds,
}

impl Stored {
    pub(super) const fn type_name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Moment => "timestamptz",
            Self::LocalTime => "timestamp",
            Self::UnixSeconds => "bigint",
        }
    }
}

/// What stands in a starting point's column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    Null,
    /// No day of the calendar, where the type can hold one; else null.
    Garbage,
    /// So many days after 1994-12-30: around the first day that is believed, or the zero of a clock.
    Old {
        days: i32,
        seconds: i32,
    },
    /// Near the border of purpose 0, 1 or 2, or near the day of the decision.
    Near {
        border: usize,
        days: i8,
        seconds: i32,
    },
}

#[derive(Clone, Debug)]
pub(super) struct RowPlan {
    pub(super) starts: [Start; 3],
    pub(super) kind: Option<u8>,
    pub(super) grade: Option<u8>,
    pub(super) marked: bool,
    pub(super) disputed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct PurposePlan {
    pub(super) period: &'static str,
    pub(super) counted: bool,
    pub(super) condition: Option<ConditionPlan>,
}

#[derive(Clone, Debug)]
pub(super) struct ConditionPlan {
    pub(super) on_grade: bool,
    pub(super) values: Vec<u8>,
    pub(super) negated: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) zone: &'static str,
    pub(super) written_in: &'static str,
    pub(super) as_of: Date,
    pub(super) purposes: Vec<PurposePlan>,
    pub(super) pseudonymizes: bool,
    pub(super) rows: Vec<RowPlan>,
}

const ZONES: [&str; 3] = ["Asia/Tokyo", "UTC", "America/New_York"];

fn start() -> impl Strategy<Value = Start> {
    let seconds = prop::sample::select(vec![0, 0, -1, 1, 43_200, 3_600, -3_600]);
    let old = prop::sample::select(vec![0, 1, 2, 3, 4, -9_130, -9_129, -34_700]);
    prop_oneof![
        1 => Just(Start::Null),
        1 => Just(Start::Garbage),
        2 => (old, seconds.clone()).prop_map(|(days, seconds)| Start::Old { days, seconds }),
        10 => (0..4_usize, -2..3_i8, seconds).prop_map(|(border, days, seconds)| Start::Near { border, days, seconds }),
    ]
}

fn row() -> impl Strategy<Value = RowPlan> {
    let code = || prop::option::weighted(0.8, 0..4_u8);
    let starts = [start(), start(), start()];
    (
        starts,
        code(),
        code(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(starts, kind, grade, marked, disputed)| RowPlan {
            starts,
            kind,
            grade,
            marked,
            disputed,
        })
}

fn purpose_plan() -> impl Strategy<Value = PurposePlan> {
    let condition = (
        any::<bool>(),
        prop::collection::vec(0..4_u8, 1..3),
        any::<bool>(),
    )
        .prop_map(|(on_grade, values, negated)| ConditionPlan {
            on_grade,
            values,
            negated,
        });
    let periods = vec![
        "P0D", "P1D", "P2W", "P90D", "P1M", "P6M", "P1Y", "P1Y6M", "P3Y", "P10Y",
    ];
    (
        prop::sample::select(periods),
        any::<bool>(),
        prop::option::of(condition),
    )
        .prop_map(|(period, counted, condition)| PurposePlan {
            period,
            counted,
            condition,
        })
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    // Month ends, leap days, and the days of summer time in New York.
    let days = vec![
        date(2025, 4, 1),
        date(2025, 3, 1),
        date(2024, 2, 29),
        date(2024, 3, 1),
        date(2025, 3, 31),
        date(2024, 3, 10),
        date(2024, 3, 11),
        date(2024, 11, 3),
        date(2024, 11, 4),
        date(2026, 1, 1),
    ];
    let zone = || prop::sample::select(ZONES.to_vec());
    let purposes = prop::collection::vec(purpose_plan(), 1..4);
    let rows = prop::collection::vec(row(), 1..50);
    (
        zone(),
        zone(),
        prop::sample::select(days),
        purposes,
        any::<bool>(),
        rows,
    )
        .prop_map(
            |(zone, written_in, as_of, purposes, pseudonymizes, rows)| Case {
                zone,
                written_in,
                as_of,
                purposes,
                pseudonymizes,
                rows,
            },
        )
}
