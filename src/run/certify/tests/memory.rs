//! Memory stays as it is, however many leaves there are.

use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use kigen_evidence::leaf::Action;

use super::fixture::{Fixture, OTHER, OWN, row};
use super::journal_only::JournalOnly;

const BATCH: u64 = 5_000;

/// The most memory this process ever had, in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn growth_kib(records: u64) -> u64 {
    let mut fixture = Fixture::finished(Vec::new()).await;
    let batches = usize::try_from(records / BATCH).unwrap();
    fixture.journal = Arc::new(JournalOnly::made(
        batches,
        Box::new(move |number| {
            let start = number as u64 * BATCH;
            let client = if number % 4 == 0 { OTHER } else { OWN };
            row(
                client,
                1,
                Action::RowDeleted,
                start..start + BATCH,
                records / 7,
            )
        }),
    ));
    let (before, began) = (peak_kib(), Instant::now());
    let sealed = fixture.seal(90).await.unwrap();
    let grown = peak_kib() - before;
    eprintln!(
        "{records} leaves: {grown} KiB more at the peak, {:?}",
        began.elapsed()
    );
    let found: u64 = sealed.certificates.iter().map(|one| one.records).sum();
    assert_eq!(found, records);
    assert!(fixture.verify().await.holds());
    grown
}

/// Whether this process runs nothing but this test, so that its memory is this test's.
fn is_alone() -> bool {
    std::env::var_os("NEXTEST_EXECUTION_MODE").is_some_and(|mode| mode == "process-per-test")
}

#[tokio::test]
async fn half_a_million_leaves_are_sealed_in_16_mib() {
    if !is_alone() {
        // Past the test harness, which would swallow what a passing test prints.
        let skipped = "SKIPPED: memory is measured under `cargo nextest` (`make test`) only\n";
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return;
    }
    growth_kib(20_000).await;
    let grown = growth_kib(500_000).await;
    assert!(grown < 16 * 1024, "{grown} KiB");
}
