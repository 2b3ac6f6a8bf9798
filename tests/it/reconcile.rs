//! After a store was restored from a backup: what had been removed since is found again by its
//! leaves, removed again and certified; nothing else is touched.

mod bad_input;
mod evidence;

mod sides;

use jiff::Timestamp;
use kigen::exit;
use serde_json::Value;

use crate::scene::{Answer, Database, Scene, redacted};

/// A scene whose store was backed up, run, and restored from that backup.
pub(crate) struct Restored {
    pub(crate) scene: Scene,
    pub(crate) backup_time: String,
    /// Every row as the run had left it.
    pub(crate) before: Vec<String>,
}

impl Restored {
    async fn of(scene: Scene) -> Self {
        scene.database.back_up().await;
        let backup_time = now();
        let run = scene.on_the_day(&["run"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let before = rows(&scene.database).await;
        scene.database.restore().await;
        Self {
            scene,
            backup_time,
            before,
        }
    }

    pub(crate) async fn on_sqlite() -> Self {
        Self::of(Scene::sqlite().await).await
    }

    async fn on_postgres() -> Option<Self> {
        Some(Self::of(Scene::postgres().await?).await)
    }

    pub(crate) fn reconcile(&self, further: &[&str]) -> Answer {
        let mut arguments = vec!["reconcile", "--store", "school"];
        arguments.extend(["--backup-time", &self.backup_time]);
        arguments.extend(further);
        self.scene.on_the_day(&arguments)
    }

    pub(crate) async fn rows(&self) -> Vec<String> {
        rows(&self.scene.database).await
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has a clock")]
fn now() -> String {
    Timestamp::now().to_string()
}

/// Every row of the scene, and what is marked as pseudonymized.
async fn rows(database: &Database) -> Vec<String> {
    let mut rows = Vec::new();
    let marker = if database.name() == "main" {
        "kigen_marker"
    } else {
        "kigen.marker"
    };
    for (table, columns) in [
        ("learner", "learner_id, name, withdrawn_on, client_id"),
        ("learner_contact", "contact_id, learner_id, phone"),
        (
            "exam_attempt",
            "attempt_id, learner_id, taken_on, comment, client_id",
        ),
        (marker, "object, stage, record_key"),
    ] {
        let columns: Vec<String> = columns
            .split(", ")
            .map(|column| format!("coalesce(cast({column} as text), '-')"))
            .collect();
        let row = columns.join(" || '|' || ");
        let aggregate = if database.name() == "main" {
            format!(
                "select coalesce(group_concat(r, ';'), '') from (select {row} as r from {table} order by 1)"
            )
        } else {
            format!("select coalesce(string_agg({row}, ';' order by {row}), '') from {table}")
        };
        rows.push(format!("{table}: {}", database.text(&aggregate).await));
    }
    rows
}

/// The one cluster of this name in the JSON of a reconciliation.
pub(crate) fn cluster<'v>(found: &'v Value, name: &str) -> &'v Value {
    let clusters = found["clusters"].as_array().unwrap();
    let mut named = clusters.iter().filter(|cluster| cluster["job"] == name);
    named.next().unwrap()
}

/// The five lists of a cluster: never removed, back, re-used, still pseudonymized, undecided.
pub(crate) fn lists(cluster: &Value) -> [u64; 5] {
    let number = |name: &str| cluster[name].as_u64().unwrap();
    let lists = [
        number("never_removed"),
        number("back"),
        number("key_reused"),
        number("still_pseudonymized"),
        number("undecided"),
    ];
    assert_eq!(lists.iter().sum::<u64>(), number("present"), "{cluster}");
    lists
}

/// Looks, removes again, and looks once more.
async fn a_restored_store_is_brought_back_to_what_it_was(restored: &Restored) {
    let with_backup = restored.rows().await;
    let looked = restored.reconcile(&[]);
    assert_eq!(looked.code, i32::from(exit::NOT_GONE), "{}", looked.stderr);
    assert_eq!(restored.rows().await, with_backup, "a look removes nothing");
    let found = restored.reconcile(&["--format", "json"]).json();
    assert_eq!(lists(cluster(&found, "exam-history")), [3, 2, 0, 0, 0]);
    assert_eq!(lists(cluster(&found, "learner")), [4, 2, 0, 0, 0]);

    let applied = restored.reconcile(&["--apply", "--format", "json"]);
    assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
    assert_eq!(restored.rows().await, restored.before);
    assert_eq!(restored.scene.on_the_day(&["verify"]).code, 0);
    refers_to_the_originals(restored, &applied.json());

    let again = restored.reconcile(&["--format", "json"]);
    assert_eq!(again.code, 0, "{}", again.stdout);
    let again = again.json();
    assert_eq!(lists(cluster(&again, "exam-history")), [3, 0, 0, 1, 0]);
    assert_eq!(lists(cluster(&again, "learner")), [4, 0, 0, 0, 0]);
    let run = restored.scene.on_the_day(&["run", "--format", "json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.json()["certificates"], serde_json::json!([]));
}

/// Each certificate of the reconciliation names those of its own client that it carries out again.
fn refers_to_the_originals(restored: &Restored, applied: &Value) {
    let certificates = applied["applied"]["certificates"].as_array().unwrap();
    assert_eq!(certificates.len(), 2);
    for certificate in certificates {
        let id = certificate["certificate_id"].as_str().unwrap();
        let shown = restored.scene.kigen(&["certificate", "show", id]);
        let statement: Value = serde_json::from_str(&shown.stdout).unwrap();
        let predicate = &statement["predicate"];
        assert_eq!(predicate["trigger"], "restore-reconciliation");
        let undone = applied["certificates"].as_array().unwrap();
        let own: Vec<&Value> = undone
            .iter()
            .filter(|undone| undone["client"] == certificate["client"])
            .map(|undone| &undone["certificate_id"])
            .collect();
        let named = predicate["reconciles"].as_array().unwrap();
        let named: Vec<&Value> = named.iter().map(|one| &one["certificateId"]).collect();
        assert_eq!(named, own);
        assert_eq!(own.len(), 1);
    }
}

#[tokio::test]
async fn a_restored_sqlite_store_is_brought_back_to_what_it_was() {
    let restored = Restored::on_sqlite().await;
    a_restored_store_is_brought_back_to_what_it_was(&restored).await;
}

#[tokio::test]
async fn a_restored_postgres_store_is_brought_back_to_what_it_was() {
    let Some(restored) = Restored::on_postgres().await else {
        return;
    };
    a_restored_store_is_brought_back_to_what_it_was(&restored).await;
    restored.scene.database.remove().await;
}

#[tokio::test]
async fn people_read_in_which_list_each_record_is() {
    let restored = Restored::on_sqlite().await;
    // Somebody else's attempt by now, and one that nothing was ever done with.
    let reused = "update exam_attempt set learner_id = 3 where attempt_id = 14";
    restored.scene.database.execute(reused).await;
    let looked = restored.reconcile(&[]);
    assert_eq!(looked.code, i32::from(exit::NOT_GONE));
    let without_time = |text: &str| redacted(&text.replace(&restored.backup_time, "T"));
    insta::assert_snapshot!("reconcile", without_time(&looked.stdout));
    let applied = restored.reconcile(&["--apply"]);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    insta::assert_snapshot!("reconcile_apply", without_time(&applied.stdout));
}

#[tokio::test]
async fn a_store_that_was_not_restored_has_nothing_back() {
    let scene = Scene::sqlite().await;
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let before = rows(&scene.database).await;
    let time = "2020-01-01T00:00:00Z";
    let arguments = ["reconcile", "--store", "school", "--backup-time", time];
    let looked = scene.on_the_day(&arguments);
    assert_eq!(looked.code, 0, "{}{}", looked.stdout, looked.stderr);
    let applied = scene.on_the_day(&[&arguments[..], &["--apply"]].concat());
    assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
    assert_eq!(rows(&scene.database).await, before);
}
