//! How far a stage has come, and how fast. Pure: the moment is a parameter.

use std::time::{Duration, Instant};

/// The least time between two log lines of one stage.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Counts the records of one stage.
#[derive(Debug)]
pub(super) struct Meter {
    label: String,
    total: u64,
    done: u64,
    started: Instant,
    last_line: Instant,
}

/// What a meter shows at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) label: String,
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) elapsed: Duration,
}

impl Meter {
    pub(super) fn new(total: u64, label: &str, now: Instant) -> Self {
        Self {
            label: label.to_owned(),
            total,
            done: 0,
            started: now,
            last_line: now,
        }
    }

    /// Counts `n` records more. Returns a reading if the last line is old enough for a new one.
    pub(super) fn advance(&mut self, n: u64, now: Instant) -> Option<Reading> {
        self.done = self.done.saturating_add(n);
        if now.saturating_duration_since(self.last_line) < BETWEEN_LINES {
            return None;
        }
        self.last_line = now;
        Some(self.read(now))
    }

    pub(super) fn read(&self, now: Instant) -> Reading {
        Reading {
            label: self.label.clone(),
            done: self.done,
            total: self.total,
            elapsed: now.saturating_duration_since(self.started),
        }
    }
}

impl Reading {
    /// Records per second since the start, rounded down.
    pub(super) fn per_second(&self) -> u64 {
        let millis = self.elapsed.as_millis().max(1);
        let rate = u128::from(self.done) * 1000 / millis;
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// Whole seconds until the end at the rate so far, rounded up; unknown before the first record.
    pub(super) fn seconds_left(&self) -> Option<u64> {
        if self.done == 0 {
            return None;
        }
        let left = u128::from(self.total.saturating_sub(self.done));
        let millis = left * self.elapsed.as_millis() / u128::from(self.done);
        u64::try_from(millis.div_ceil(1000)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_five_seconds_after_the_last_one_and_not_before() {
        let start = Instant::now();
        let mut meter = Meter::new(1_000, "learner/delete", start);

        assert_eq!(
            meter.advance(100, start + Duration::from_millis(4_999)),
            None
        );
        let first = meter.advance(100, start + Duration::from_secs(5));
        assert_eq!(first.map(|reading| reading.done), Some(200));
        assert_eq!(
            meter.advance(100, start + Duration::from_millis(9_999)),
            None
        );
        let second = meter.advance(100, start + Duration::from_secs(11));
        assert_eq!(second.map(|reading| reading.done), Some(400));
    }

    #[test]
    fn rate_and_time_left_follow_from_what_is_done() {
        let start = Instant::now();
        let mut meter = Meter::new(1_000, "learner/delete", start);
        assert_eq!(meter.read(start).seconds_left(), None);
        assert_eq!(meter.read(start).per_second(), 0);

        meter.advance(250, start);
        let reading = meter.read(start + Duration::from_secs(2));

        assert_eq!(reading.per_second(), 125);
        assert_eq!(reading.seconds_left(), Some(6));
    }

    #[test]
    fn more_records_than_expected_leave_no_time() {
        let start = Instant::now();
        let mut meter = Meter::new(10, "learner/delete", start);
        meter.advance(12, start);

        let reading = meter.read(start + Duration::from_secs(3));

        assert_eq!(reading.seconds_left(), Some(0));
        assert_eq!(reading.done, 12);
    }
}
