//! `kill -9` whenever it happens.

use std::time::Duration;

use super::chance::Chance;
use super::checker;
use super::process::Worker;
use super::school::Size;
use super::workplace::{Workplace, assert_recovered_well};

/// 40,000 rows, half of them due.
const SIZE: Size = Size {
    attempts: 12_000,
    logins: 27_960,
    requests: 40,
    batch: 200,
};

/// Kills by progress; between them lie kills by time, which hit starts, recoveries and seals.
const ROUNDS: u64 = 8;

/// A start with a recovery takes about as long.
const START: Duration = Duration::from_millis(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_a_run_loses_nothing_and_certifies_nothing_twice() {
    let Some(workplace) = Workplace::postgres(SIZE, 2).await else {
        return;
    };
    let mut chance = Chance::from_environment();
    let mut in_the_middle = 0;
    for round in 0..ROUNDS {
        if round % 2 == 1 {
            let worker = workplace.start_run(&[]);
            tokio::time::sleep(chance.shorter_than(START)).await;
            worker.kill();
            after_a_kill(&workplace).await;
        }
        let worker = workplace.start_run(&[]);
        if kill_in(&workplace, worker, round, &mut chance).await {
            in_the_middle += 1;
        }
        after_a_kill(&workplace).await;
    }
    assert!(
        in_the_middle >= ROUNDS / 2,
        "{in_the_middle} kills fell between removals"
    );
    assert_recovered_well(&workplace.run().await);
    checker::check(&workplace).await;
    checker::nothing_is_left(&workplace).await;
    workplace.remove().await;
}

/// Kills `worker` once as much is journaled as falls to this round. Whether that was in the middle.
async fn kill_in(
    workplace: &Workplace,
    mut worker: Worker,
    round: u64,
    chance: &mut Chance,
) -> bool {
    let share = u64::try_from(SIZE.removals()).unwrap() / (ROUNDS + 1);
    let wanted = i64::try_from(round * share + chance.below(share)).unwrap();
    while checker::journaled(workplace).await <= wanted && !worker.has_ended() {
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    tokio::time::sleep(chance.shorter_than(Duration::from_millis(20))).await;
    let was_killed = worker.kill();
    was_killed && checker::journaled(workplace).await < SIZE.removals()
}

async fn after_a_kill(workplace: &Workplace) {
    workplace.wait_for_sessions_to_end().await;
    checker::journal_agrees_with_rows(workplace).await;
}
