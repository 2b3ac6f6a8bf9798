//! K24: what is published grows with what happened, not with the square of the nights.

use std::fs;
use std::path::Path;

use kigen::guard::Guard;

use super::{Case, JOB, LEARNERS};
use crate::scene::Engine;

/// Bytes of all files below a folder.
fn bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let sizes = entries.map(|path| match path.is_dir() {
        true => bytes(&path),
        false => fs::metadata(&path).unwrap().len(),
    });
    sizes.sum()
}

/// By how much each of some nights makes the log of `own` grow in which nothing is due.
fn growth(case: &Case, nights: usize, night: impl Fn(&Case)) -> Vec<u64> {
    let log = case.scene.path("certificates/own/log");
    let mut sizes = vec![bytes(&log)];
    for _ in 0..nights {
        night(case);
        sizes.push(bytes(&log));
    }
    sizes.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

async fn first_night() -> Case {
    let case = Case::new(Engine::Sqlite, LEARNERS, JOB).await.unwrap();
    let answer = case.run();
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    case
}

#[tokio::test]
async fn each_quiet_night_publishes_as_much_as_the_one_before() {
    let case = first_night().await;
    let grown = growth(&case, 5, |case| {
        assert_eq!(case.run().code, 0);
    });
    let (least, most) = (grown.iter().min().unwrap(), grown.iter().max().unwrap());
    // An index and a size have a digit more now and then.
    assert!(most - least < 64, "{grown:?}");
    assert!(*most < 8 * 1024, "{grown:?}");
    let answer = case.scene.on_the_day(&["verify"]);
    assert_eq!(answer.code, 0, "{}", answer.stdout);
}

#[tokio::test]
async fn without_the_guard_each_night_publishes_all_entries_again_and_both_layouts_are_read() {
    let case = first_night().await;
    let grown = growth(&case, 4, |case| {
        case.run_without(&[Guard::EntriesOnce]);
    });
    assert!(
        grown.windows(2).all(|pair| pair[1] > pair[0] + 1024),
        "{grown:?}"
    );
    let answer = case.scene.on_the_day(&["verify"]);
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    // An older kigen has published partial tiles alone: the next night goes on from there.
    fs::remove_dir_all(case.scene.path("certificates/own/log/entry")).unwrap();
    let older = case.scene.on_the_day(&["verify"]);
    assert_eq!(older.code, 0, "{}", older.stdout);
    assert_eq!(case.run().code, 0);
    let continued = case.scene.on_the_day(&["verify"]);
    assert_eq!(continued.code, 0, "{}", continued.stdout);
    assert!(case.scene.path("certificates/own/log/entry/0").exists());
}

#[tokio::test]
async fn a_quiet_night_names_no_target_again() {
    let case = first_night().await;
    for _ in 0..2 {
        assert_eq!(case.run().code, 0);
    }
    let entry = |index: u32| {
        let path = format!("certificates/own/log/entry/{index}");
        let text = fs::read(case.scene.path(&path)).unwrap();
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()["predicate"].clone()
    };
    assert!(entry(0)["like"].is_null());
    for index in [2, 4] {
        assert_eq!(entry(index)["like"]["plan"]["index"], 0);
        assert_eq!(entry(index)["targets"], serde_json::json!([]));
    }
    // Another rule is named.
    case.scene
        .edit("jobs/learner.toml", "max-percent = 100", "max-percent = 99");
    assert_eq!(case.run().code, 0);
    assert!(entry(6)["like"].is_null());
    let answer = case.scene.on_the_day(&["verify"]);
    assert_eq!(answer.code, 0, "{}", answer.stdout);
}
