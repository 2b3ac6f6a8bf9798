//! Memory stays as it is, however many records are present.

use std::fs;
use std::io::Write;
use std::time::Instant;

use super::{Present, Runs, attempt, job};

/// The most memory this process ever had, in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let line = lines.find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Whether this process runs nothing but this test, so that its memory is this test's.
fn is_alone() -> bool {
    std::env::var_os("NEXTEST_EXECUTION_MODE").is_some_and(|mode| mode == "process-per-test")
}

/// How much the peak grows over a look at `attempts` records, half of which are back.
async fn growth_kib(runs: &mut Runs, attempts: i64) -> u64 {
    let job = job();
    let present = Present {
        attempts,
        make: Box::new(|number| attempt(number, number / 7)),
    };
    let (before, began) = (peak_kib(), Instant::now());
    let look = runs.look(&job, &[], &present).await;
    let grown = peak_kib() - before;
    eprintln!(
        "{attempts} records: {grown} KiB more at the peak, {:?}",
        began.elapsed()
    );
    assert_eq!(look.present, u64::try_from(attempts).unwrap());
    assert_eq!(look.back, look.present / 2);
    grown
}

#[tokio::test]
async fn two_hundred_thousand_records_are_looked_at_in_24_mib() {
    if !is_alone() {
        // Past the test harness, which would swallow what a passing test prints.
        let skipped = "SKIPPED: memory is measured under `cargo nextest` (`make test`) only\n";
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return;
    }
    let job = job();
    let mut runs = Runs::new();
    for run in 0..4 {
        let of_run = (0..100_000).filter(move |number| number % 4 == run);
        runs.delete(&job, of_run.map(|number| (2 * number, 2 * number / 7)));
    }
    growth_kib(&mut runs, 8_000).await;
    let grown = growth_kib(&mut runs, 200_000).await;
    assert!(grown < 24 * 1024, "{grown} KiB");
}
