//! A kill between any two steps of changing the keyring: it loads, no public key is lost, and the
//! same command goes on.

use std::os::unix::process::ExitStatusExt;

use kigen::keyring::Keyring;

use crate::keyring::{PAST, grow_old, ledger_of};
use crate::scene::Scene;

const SIGABRT: i32 = 6;

/// Every failpoint of the keyring.
pub(crate) const POINTS: &[&str] = &[
    "keyring.before-write",
    "keyring.before-replace",
    "keyring.after-replace",
    "rotate.after-key",
    "rotate.after-entry",
    "rotate.after-drop",
    "destroy.after-entry",
    "destroy.after-file",
    "destroy.after-run-key",
];

const ROTATE: &[&str] = &["keyring", "rotate", "--key", "certificate"];
const DESTROY: &[&str] = &["keyring", "destroy", "--quarter", PAST, "--yes"];

/// Runs `arguments` and sees it killed at `place`.
fn killed_at(scene: &Scene, arguments: &[&str], place: &str) {
    let killed = scene
        .command(arguments)
        .env("KIGEN_KILL_AT", place)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&killed.stderr);
    assert_eq!(
        killed.status.signal(),
        Some(SIGABRT),
        "{place} was not reached: {said}"
    );
}

/// The keyring's file is whole, and nothing else than it and what a kill left is beside it.
fn load(scene: &Scene) -> Keyring {
    Keyring::load(&scene.path("keyring.toml")).unwrap()
}

fn unfinished(scene: &Scene) -> usize {
    std::fs::read_dir(scene.path(""))
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with(".unfinished")
        })
        .count()
}

#[tokio::test]
async fn killed_at_any_step_of_a_rotation_the_keyring_loads_and_the_rotation_goes_on() {
    let writes = [
        "keyring.before-write",
        "keyring.before-replace",
        "keyring.after-replace",
    ];
    let mut places: Vec<String> = Vec::new();
    for write in writes {
        places.extend((1..=2).map(|time| format!("{write}:{time}")));
    }
    let steps = POINTS.iter().filter(|point| point.starts_with("rotate."));
    places.extend(steps.map(|point| (*point).to_owned()));
    assert_eq!(places.len(), 9);
    for place in places {
        let scene = Scene::sqlite().await;
        assert_eq!(scene.on_the_day(&["run", "--job", "learner"]).code, 0);
        let first = load(&scene).verifying_key();
        killed_at(&scene, ROTATE, &place);
        let between = load(&scene).certificate_keys();
        assert_eq!(between[0].key, first, "{place}");
        // A run in between finds all that it needs.
        let run = scene.on_the_day(&["run"]);
        assert_eq!(run.code, 0, "{place}: {}", run.stderr);
        // A rotation of the same second would have no time of its own.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let again = scene.kigen(ROTATE);
        assert_eq!(again.code, 0, "{place}: {}", again.stderr);
        let after = load(&scene);
        let keys = after.certificate_keys();
        for known in &between {
            assert!(
                keys.iter().any(|key| key.key == known.key),
                "{place} lost a key"
            );
        }
        assert!(
            keys[..keys.len() - 1].iter().all(|known| !known.can_sign),
            "{place}"
        );
        let told = told_of(&scene, "key-rotated").await;
        assert_eq!(told, keys.len() - 1, "{place}");
        assert_eq!(unfinished(&scene), 0, "{place}");
        assert_eq!(scene.kigen(&["certificate", "verify"]).code, 0, "{place}");
    }
}

#[tokio::test]
async fn killed_at_any_step_of_a_destruction_the_keyring_loads_and_the_destruction_goes_on() {
    let points = POINTS.iter().filter(|point| !point.starts_with("rotate."));
    for place in points {
        let scene = Scene::sqlite().await;
        grow_old(&scene).await;
        let quarter = PAST.parse().unwrap();
        killed_at(&scene, DESTROY, place);
        let between = load(&scene);
        // Nothing is gone before the ledger says so.
        assert_eq!(
            told_of(&scene, "evidence-key-destroyed").await,
            1,
            "{place}"
        );
        assert_eq!(
            between.has_kek(quarter),
            !is_after_replace(place),
            "{place}"
        );
        let again = scene.kigen(DESTROY);
        assert_eq!(again.code, 0, "{place}: {}", again.stderr);
        let after = load(&scene);
        assert!(!after.has_kek(quarter), "{place}");
        assert_eq!(after.quarters().count(), between.quarters().count());
        assert_eq!(after.certificate_keys(), between.certificate_keys());
        assert_eq!(
            told_of(&scene, "evidence-key-destroyed").await,
            1,
            "{place}"
        );
        let left = ledger_of(&scene)
            .await
            .runs_under("kek-2020q1")
            .await
            .unwrap();
        assert!(left.is_empty(), "{place}");
        assert_eq!(unfinished(&scene), 0, "{place}");
    }
}

fn is_after_replace(place: &str) -> bool {
    [
        "keyring.after-replace",
        "destroy.after-file",
        "destroy.after-run-key",
    ]
    .contains(&place)
}

async fn told_of(scene: &Scene, kind: &str) -> usize {
    let entries = ledger_of(scene).await.entries(None, None).await.unwrap();
    entries
        .iter()
        .filter(|one| one.entry.kind() == kind)
        .count()
}

#[tokio::test]
async fn killed_while_it_is_made_or_upgraded_a_keyring_is_whole_or_not_there() {
    let scene = Scene::sqlite().await;
    let path = scene.path("keyring.toml");
    std::fs::remove_file(&path).unwrap();
    killed_at(&scene, &["keyring", "init"], "keyring.before-write");
    assert!(!path.exists());
    assert_eq!(unfinished(&scene), 1);
    assert_eq!(scene.kigen(&["keyring", "init"]).code, 0);
    assert_eq!(unfinished(&scene), 0);
    load(&scene);
}
