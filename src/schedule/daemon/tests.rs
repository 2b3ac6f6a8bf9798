use std::cell::{Cell, RefCell};
use std::future::pending;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::*;

/// A clock that moves only by hand, and what was run under it.
struct Night {
    now: Cell<Timestamp>,
    shutdown: Shutdown,
    /// Time of the day and jobs of each call.
    calls: RefCell<Vec<String>>,
}

impl Night {
    fn from(start: &str) -> Self {
        Self {
            now: Cell::new(start.parse().unwrap()),
            shutdown: Shutdown::new(),
            calls: RefCell::default(),
        }
    }

    fn pass(&self, time: Duration) {
        self.now.set(self.now.get() + time);
    }

    /// Runs the daemon until `calls` calls are over; each job takes the time that `takes` says.
    async fn run(&self, jobs: &[(&str, &str)], calls: usize, takes: fn(&str) -> u64) -> DaemonEnd {
        run_daemon(
            schedules(jobs),
            || self.now.get(),
            async |time| {
                assert!(time <= LONGEST_SLEEP);
                self.pass(time);
            },
            &self.shutdown,
            async |due| {
                let time = self.now.get().strftime("%d %H:%M:%S");
                let call = format!("{time} {}", due.join(" "));
                self.calls.borrow_mut().push(call);
                let minutes: u64 = due.iter().map(|job| takes(job)).sum();
                self.pass(Duration::from_secs(minutes * 60));
                if self.calls.borrow().len() == calls {
                    self.shutdown.request();
                }
            },
        )
        .await
    }
}

fn schedules(jobs: &[(&str, &str)]) -> Vec<(String, Schedule)> {
    jobs.iter()
        .map(|(job, expression)| {
            let schedule = Schedule::parse(expression, TimeZone::UTC).unwrap();
            ((*job).to_owned(), schedule)
        })
        .collect()
}

#[tokio::test]
async fn each_job_runs_at_its_own_time_and_jobs_of_one_moment_run_together() {
    let night = Night::from("2025-04-01T00:00:00Z");
    let jobs = [
        ("learner", "0 30 2 * * *"),
        ("exam-history", "0 0 3 * * *"),
        ("request-documents", "0 30 2 * * *"),
    ];

    let end = night.run(&jobs, 4, |_| 1).await;

    assert_eq!(end, DaemonEnd::ShutDown);
    assert_eq!(
        *night.calls.borrow(),
        [
            "01 02:30:00 learner request-documents",
            "01 03:00:00 exam-history",
            "02 02:30:00 learner request-documents",
            "02 03:00:00 exam-history",
        ]
    );
}

#[tokio::test]
async fn a_fire_that_finds_its_job_still_running_is_skipped() {
    let night = Night::from("2025-04-01T00:59:00Z");

    night.run(&[("learner", "0 0 * * * *")], 2, |_| 150).await;

    // 02:00 and 03:00 came while the run of 01:00 lasted until 03:30.
    assert_eq!(
        *night.calls.borrow(),
        ["01 01:00:00 learner", "01 04:00:00 learner"]
    );
}

#[tokio::test]
async fn a_fire_at_the_very_end_of_its_own_run_is_skipped() {
    let night = Night::from("2025-04-01T00:59:00Z");

    night.run(&[("learner", "0 0 * * * *")], 2, |_| 60).await;

    assert_eq!(
        *night.calls.borrow(),
        ["01 01:00:00 learner", "01 03:00:00 learner"]
    );
}

#[tokio::test]
async fn fires_missed_while_another_job_ran_become_one_call() {
    let night = Night::from("2025-04-01T00:59:00Z");
    let jobs = [
        ("learner", "0 0 1 * * *"),
        ("exam-history", "0 */30 * * * *"),
    ];
    let takes = |job: &str| if job == "learner" { 95 } else { 1 };

    // exam-history first runs beside learner, which keeps it; then by its own schedule.
    night.run(&jobs, 3, takes).await;

    assert_eq!(
        *night.calls.borrow(),
        [
            "01 01:00:00 learner exam-history",
            "01 03:00:00 exam-history",
            "01 03:30:00 exam-history",
        ]
    );

    let night = Night::from("2025-04-01T00:59:00Z");
    let jobs = [
        ("learner", "0 0 1 * * *"),
        ("exam-history", "0 15,45 * * * *"),
    ];
    night.run(&jobs, 3, takes).await;

    // 01:15, 01:45 and 02:15 came while learner ran until 02:35.
    assert_eq!(
        *night.calls.borrow(),
        [
            "01 01:00:00 learner",
            "01 02:35:00 exam-history",
            "01 02:45:00 exam-history",
        ]
    );
}

#[tokio::test]
async fn a_request_to_stop_ends_the_sleep_at_once() {
    let night = Night::from("2025-04-01T00:00:00Z");
    let end = run_daemon(
        schedules(&[("learner", "0 30 2 * * *")]),
        || night.now.get(),
        async |_| {
            night.shutdown.request();
            pending().await
        },
        &night.shutdown,
        async |_| unreachable!("nothing is due before 02:30"),
    )
    .await;

    assert_eq!(end, DaemonEnd::ShutDown);
}

#[tokio::test]
async fn a_request_made_during_a_call_waits_for_its_end_and_starts_no_other() {
    let night = Night::from("2025-04-01T00:59:00Z");
    let jobs = [("learner", "0 0 1 * * *"), ("exam-history", "0 15 1 * * *")];

    // The request comes in the first call; exam-history is due when it ends.
    let end = night.run(&jobs, 1, |_| 60).await;

    assert_eq!(end, DaemonEnd::ShutDown);
    assert_eq!(*night.calls.borrow(), ["01 01:00:00 learner"]);
    assert_eq!(night.now.get().to_string(), "2025-04-01T02:00:00Z");
}

#[tokio::test]
async fn without_a_fire_to_come_the_daemon_ends() {
    let night = Night::from("2025-04-01T00:00:00Z");
    let past = [("learner", "0 0 1 * * * 2024")];

    assert_eq!(night.run(&[], 1, |_| 1).await, DaemonEnd::NothingScheduled);
    assert_eq!(
        night.run(&past, 1, |_| 1).await,
        DaemonEnd::NothingScheduled
    );
}

#[tokio::test]
async fn a_clock_that_is_set_back_repeats_no_call() {
    let night = Night::from("2025-04-01T00:00:00Z");
    let set_back = Cell::new(false);
    run_daemon(
        schedules(&[("learner", "0 0 * * * *")]),
        || night.now.get(),
        async |time| {
            if night.calls.borrow().len() == 1 && !set_back.replace(true) {
                night
                    .now
                    .set(night.now.get() - SignedDuration::from_mins(50));
                return;
            }
            night.pass(time);
        },
        &night.shutdown,
        async |_| {
            let time = night.now.get().strftime("%H:%M:%S").to_string();
            night.calls.borrow_mut().push(time);
            if night.calls.borrow().len() == 2 {
                night.shutdown.request();
            }
        },
    )
    .await;

    assert!(set_back.get());
    assert_eq!(*night.calls.borrow(), ["01:00:00", "02:00:00"]);
}
