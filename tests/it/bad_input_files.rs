//! Files and command lines that do not check: all problems at once, with place and hint.

use kigen::exit;

use crate::bad_input::refuses;
use crate::scene::Scene;

const RUN: &[&str] = &["run"];

/// Spoils one text of a job file; every command that loads it must refuse.
async fn job_with(name: &str, from: &str, to: &str) {
    let scene = Scene::sqlite().await;
    scene.edit("jobs/learner.toml", from, to);
    refuses(&scene, name, RUN, exit::JOBS_INVALID).await;
    for command in ["check", "plan"] {
        assert_eq!(
            scene.on_the_day(&[command]).code,
            i32::from(exit::JOBS_INVALID)
        );
    }
}

#[tokio::test]
async fn an_empty_jobs_folder_is_an_error_and_not_a_run_without_work() {
    let scene = Scene::sqlite().await;
    for file in ["jobs/learner.toml", "jobs/exam-history.toml"] {
        std::fs::remove_file(scene.path(file)).unwrap();
    }
    refuses(&scene, "jobs_empty", RUN, exit::JOBS_INVALID).await;
    std::fs::remove_dir(scene.path("jobs")).unwrap();
    refuses(&scene, "jobs_folder_missing", RUN, exit::JOBS_INVALID).await;
}

#[tokio::test]
async fn two_files_of_one_cluster_do_not_check() {
    let scene = Scene::sqlite().await;
    std::fs::copy(
        scene.path("jobs/learner.toml"),
        scene.path("jobs/learner-2.toml"),
    )
    .unwrap();
    refuses(&scene, "cluster_duplicate", RUN, exit::JOBS_INVALID).await;
}

#[tokio::test]
async fn two_jobs_on_one_table_and_stage_do_not_check() {
    let scene = Scene::sqlite().await;
    std::fs::copy(
        scene.path("jobs/learner.toml"),
        scene.path("jobs/member.toml"),
    )
    .unwrap();
    scene.edit(
        "jobs/member.toml",
        "cluster = \"learner\"",
        "cluster = \"member\"",
    );
    refuses(&scene, "table_and_stage_twice", RUN, exit::JOBS_INVALID).await;
}

#[tokio::test]
async fn a_negative_period_does_not_check() {
    job_with("period_negative", "period = \"P3Y\"", "period = \"-P3Y\"").await;
}

#[tokio::test]
async fn a_period_of_zero_years_does_not_check() {
    job_with("period_zero", "period = \"P3Y\"", "period = \"P0Y\"").await;
}

#[tokio::test]
async fn a_job_without_a_period_does_not_check() {
    job_with("period_missing", "period = \"P3Y\"\n", "").await;
}

#[tokio::test]
async fn an_unknown_time_zone_does_not_check() {
    job_with("time_zone_unknown", "Asia/Tokyo", "Asia/Tokio").await;
}

#[tokio::test]
async fn an_unknown_key_does_not_check() {
    job_with("key_unknown", "max-records = 100", "max-record = 100").await;
}

#[tokio::test]
async fn an_example_that_does_not_hold_does_not_check() {
    job_with(
        "example_wrong",
        "as-of = \"2026-04-01\"",
        "as-of = \"2026-03-30\"",
    )
    .await;
}

#[tokio::test]
async fn a_job_on_an_unknown_store_does_not_check() {
    job_with("store_unknown", "name = \"school\"", "name = \"scool\"").await;
}

#[tokio::test]
async fn all_problems_of_all_files_are_said_at_once() {
    let scene = Scene::sqlite().await;
    scene.edit(
        "jobs/learner.toml",
        "period = \"P3Y\"",
        "period = \"3 years\"",
    );
    scene.edit("jobs/learner.toml", "Asia/Tokyo", "Japan/Tokyo");
    scene.edit(
        "jobs/exam-history.toml",
        "range-max = -1",
        "range-max = -9223372036854775807",
    );
    scene.edit(
        "jobs/exam-history.toml",
        "strategy = \"null\"",
        "strategy = \"keep\"",
    );
    refuses(&scene, "problems_all_at_once", RUN, exit::JOBS_INVALID).await;
    let document = scene.on_the_day(&["--format", "json", "check"]).json();
    assert_eq!(document["error"]["code"], "JOBS_INVALID");
    assert_eq!(document["error"]["exit"], exit::JOBS_INVALID);
    let problems = document["error"]["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 3);
    assert_eq!(problems[1]["file"], "jobs/learner.toml");
    assert_eq!(problems[1]["line"], 3);
}

#[tokio::test]
async fn a_configuration_of_a_newer_version_is_not_guessed_at() {
    let scene = Scene::sqlite().await;
    scene.edit("kigen.toml", "version = 1", "version = 2\nnew-key = true");
    refuses(&scene, "config_newer", RUN, exit::CONFIG_INVALID).await;
}

#[tokio::test]
async fn a_missing_configuration_is_named() {
    let scene = Scene::sqlite().await;
    refuses(
        &scene,
        "config_missing",
        &["--config", "other.toml", "run"],
        exit::CONFIG_INVALID,
    )
    .await;
}

#[tokio::test]
async fn a_variable_of_the_environment_that_is_not_set_is_named() {
    let scene = Scene::sqlite().await;
    scene.edit(
        "kigen.toml",
        "url = \"sqlite://store.db\"",
        "url-env = \"KIGEN_NOT_SET_ANYWHERE\"",
    );
    refuses(&scene, "environment_missing", RUN, exit::CONFIG_INVALID).await;
}

#[tokio::test]
async fn a_url_that_cannot_be_read_is_not_repeated() {
    let scene = Scene::sqlite().await;
    let password = crate::scene::PASSWORD;
    let url = format!("url = \"postgres://worker:{password}@x@db/lms\"");
    scene.edit(
        "kigen.toml",
        "kind = \"sqlite\"\nurl = \"sqlite://store.db\"",
        &format!("kind = \"postgres\"\n{url}"),
    );
    refuses(&scene, "url_not_encoded", RUN, exit::CONFIG_INVALID).await;
    // The mistake that shows a whole line: TOML that breaks off in the URL.
    scene.edit("kigen.toml", "@db/lms\"", "@db/lms");
    refuses(&scene, "url_breaks_off", RUN, exit::CONFIG_INVALID).await;
}

#[tokio::test]
async fn a_job_that_nobody_knows_is_not_left_out_in_silence() {
    let scene = Scene::sqlite().await;
    refuses(
        &scene,
        "job_unknown",
        &["run", "--job", "lerner"],
        exit::USAGE,
    )
    .await;
}

#[tokio::test]
async fn an_option_that_nobody_knows_is_refused() {
    let scene = Scene::sqlite().await;
    refuses(&scene, "option_unknown", &["run", "--force"], exit::USAGE).await;
    refuses(
        &scene,
        "as_of_no_day",
        &["run", "--as-of", "2026-02-30"],
        exit::USAGE,
    )
    .await;
    refuses(
        &scene,
        "log_filter_unknown",
        &["run", "--log", "sqlx=trace"],
        exit::USAGE,
    )
    .await;
}
