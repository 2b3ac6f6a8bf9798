//! The day that a run decides for, and whether it can be believed.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::error::RunError;
use super::execute::Environment;
use super::open::Stores;
use crate::clock;
use crate::guard::{self, Guard};
use crate::job::Job;

/// How far this machine's clock may be from that of a database server, or behind the ledger's last
/// entry.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// How long a ledger may have been silent where no server's clock says what time it is: longer than a
/// job that runs each quarter.
const LONGEST_SILENCE: SignedDuration = SignedDuration::from_hours(100 * 24);

/// For which day jobs are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// The day of each job's own time zone at this moment.
    At(Timestamp),
    /// The day that was asked for (`--as-of`).
    Given(Date),
}

impl Day {
    /// The day for `job`.
    pub fn of(self, job: &Job) -> Date {
        match self {
            Self::At(moment) => clock::day_of(moment, &job.time_zone),
            Self::Given(day) => day,
        }
    }

    /// The earliest day of `jobs`: what is said of all of them.
    pub fn earliest(self, jobs: &[&Job]) -> Date {
        let days = jobs.iter().map(|job| self.of(job));
        days.min().unwrap_or_else(|| match self {
            Self::At(moment) => clock::day_of(moment, &jiff::tz::TimeZone::UTC),
            Self::Given(day) => day,
        })
    }
}

/// Refuses a day that has not come: what is due on it is not due.
fn has_come(day: Day, jobs: &[&Job], now: Timestamp) -> Result<(), RunError> {
    if !guard::stands(Guard::DayHasCome) {
        return Ok(());
    }
    let today = Day::At(now);
    let ahead = jobs.iter().find(|job| day.of(job) > today.of(job));
    match ahead {
        Some(job) => Err(RunError::DayAhead {
            job: job.cluster.clone(),
            day: day.of(job),
            today: today.of(job),
            zone: job.time_zone_name.clone(),
        }),
        None => Ok(()),
    }
}

/// Refuses a day that has not come, and a clock that contradicts the stores' or the ledger's.
///
/// A store that cannot be reached says nothing here; its jobs stop later.
pub(super) async fn check(
    environment: &Environment<'_>,
    stores: &mut Stores,
    jobs: &[&Job],
    day: Day,
) -> Result<(), RunError> {
    has_come(day, jobs, (environment.now)())?;
    if !guard::stands(Guard::ClocksAgree) {
        return Ok(());
    }
    let ledger = environment.ledger.clocks().await?;
    let mut servers = Vec::new();
    servers.extend(ledger.server.map(|at| ("the ledger".to_owned(), at)));
    compare(environment, &servers)?;
    for job in jobs {
        let Ok(store) = stores.rows(environment.config, &job.store).await else {
            continue;
        };
        if let Ok(Some(at)) = store.clock().await {
            let server = (format!("store `{}`", job.store), at);
            compare(environment, std::slice::from_ref(&server))?;
            servers.push(server);
        }
    }
    let now = (environment.now)();
    let Some(last) = ledger.last_written else {
        return Ok(());
    };
    let passed = now.duration_since(last);
    // A day that was asked for does not hang on the clock.
    let by_clock = matches!(day, Day::At(_));
    let is_silent = by_clock && servers.is_empty() && passed > LONGEST_SILENCE;
    // Who says today's date has looked at a clock.
    let is_confirmed = day == Day::Given(Day::At(now).earliest(jobs));
    if (is_silent || passed < -TOLERANCE) && !is_confirmed {
        return Err(RunError::ClockLeaps {
            now,
            last,
            day: Day::At(now).earliest(jobs),
        });
    }
    Ok(())
}

/// Compares this machine's clock with those of servers, each read a moment ago.
fn compare(environment: &Environment<'_>, servers: &[(String, Timestamp)]) -> Result<(), RunError> {
    let now = (environment.now)();
    let apart = |at: &Timestamp| now.duration_since(*at).abs() > TOLERANCE;
    match servers.iter().find(|(_, at)| apart(at)) {
        Some((whose, at)) => Err(RunError::ClockDiffers {
            now,
            whose: whose.clone(),
            theirs: *at,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::civil::date;

    use super::Day;
    use crate::job::Job;

    fn job(zone: &str) -> Job {
        let text = include_str!("../../jobs/learner.toml");
        let text = text.replace("Asia/Tokyo", zone);
        crate::job::parse("learner.toml", &text).unwrap()
    }

    #[test]
    fn the_day_of_a_job_is_the_day_of_its_zone() {
        let moment: Timestamp = "2026-03-31T15:00:00Z".parse().unwrap();
        let (tokyo, new_york) = (job("Asia/Tokyo"), job("America/New_York"));
        assert_eq!(Day::At(moment).of(&tokyo), date(2026, 4, 1));
        assert_eq!(Day::At(moment).of(&new_york), date(2026, 3, 31));
        let both = [&tokyo, &new_york];
        assert_eq!(Day::At(moment).earliest(&both), date(2026, 3, 31));
        let given = Day::Given(date(2020, 1, 1));
        assert_eq!(given.of(&tokyo), date(2020, 1, 1));
    }
}
