//! Memory stays as it is, however many leaves there are.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use crate::evidence::leaf::Action;

use super::fixture::Fixture;
use super::fixture::OTHER;
use super::fixture::OWN;
use super::fixture::row;
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

/// Takes a minute; meant to be run alone, since other tests of the process count in.
#[tokio::test]
#[ignore = "takes a minute, and measures the whole process"]
async fn two_million_leaves_are_sealed_in_16_mib() {
    growth_kib(20_000).await;
    let grown = growth_kib(2_000_000).await;
    assert!(grown < 16 * 1024, "{grown} KiB");
}
