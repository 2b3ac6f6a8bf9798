//! Which job runs next. Pure: the moment is a parameter.

use jiff::Timestamp;

use crate::domain::schedule::Schedule;

/// The next fire of every job.
#[derive(Clone, Debug)]
pub struct Timetable {
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    job: String,
    schedule: Schedule,
    /// `None`: the schedule has come to its end.
    next: Option<Timestamp>,
}

/// A fire of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fire {
    /// The job's name.
    pub job: String,
    /// The moment that its schedule names.
    pub at: Timestamp,
}

impl Timetable {
    /// A timetable that begins at `now`: what would have been before is not caught up.
    pub fn new(jobs: Vec<(String, Schedule)>, now: Timestamp) -> Self {
        let rows = jobs.into_iter().map(|(job, schedule)| Row {
            next: schedule.next_after(now),
            job,
            schedule,
        });
        Self {
            rows: rows.collect(),
        }
    }

    /// The earliest fire to come. `None`: no job has one.
    pub fn next_fire(&self) -> Option<Timestamp> {
        self.rows.iter().filter_map(|row| row.next).min()
    }

    /// Takes the jobs whose time has come at `now`, in the order given to [`Timetable::new`].
    ///
    /// Each comes once, with its earliest fire, however many of its fires have passed.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Fire> {
        let mut due = Vec::new();
        for row in &mut self.rows {
            due.extend(row.take_if_due(now));
        }
        due
    }

    /// Takes the fires that found their own job still running: it ran from the last
    /// [`Timetable::take_due`], which gave `ran`, until `now`. They are skipped: the run itself
    /// decided by the day, so that a second one right after it would find nothing.
    pub fn take_skipped(&mut self, ran: &[Fire], now: Timestamp) -> Vec<Fire> {
        let mut skipped = Vec::new();
        for row in &mut self.rows {
            if ran.iter().any(|fire| fire.job == row.job) {
                skipped.extend(row.take_if_due(now));
            }
        }
        skipped
    }
}

impl Row {
    fn take_if_due(&mut self, now: Timestamp) -> Option<Fire> {
        let at = self.next.filter(|next| *next <= now)?;
        self.next = self.schedule.next_after(now);
        Some(Fire {
            job: self.job.clone(),
            at,
        })
    }
}
