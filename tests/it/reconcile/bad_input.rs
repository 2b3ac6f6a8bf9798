//! What cannot be reconciled: one clear message, and nothing removed.

use kigen::exit;

use crate::bad_input::refuses;
use crate::scene::Scene;

async fn refused(name: &str, store: &str, time: &str) {
    let scene = Scene::sqlite().await;
    let arguments = [
        "reconcile",
        "--store",
        store,
        "--backup-time",
        time,
        "--apply",
    ];
    refuses(&scene, name, &arguments, exit::USAGE).await;
}

#[tokio::test]
async fn a_store_that_there_is_not() {
    refused("reconcile_unknown_store", "shool", "2026-01-01T00:00:00Z").await;
}

#[tokio::test]
async fn a_time_without_its_zone() {
    refused(
        "reconcile_time_without_zone",
        "school",
        "2026-01-01T00:00:00",
    )
    .await;
}

#[tokio::test]
async fn a_time_in_the_future() {
    refused(
        "reconcile_time_in_the_future",
        "school",
        "2999-01-01T00:00:00+09:00",
    )
    .await;
}
