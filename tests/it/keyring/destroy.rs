//! The end of a quarter's evidence.

use kigen::exit;
use kigen::keyring::{Keyring, Quarter};
use kigen::ledger::entry::Entry;

use super::{PAST, begin, grow_old, ledger_of, show};
use crate::scene::{Scene, redacted};

#[tokio::test]
async fn a_quarters_key_is_destroyed_after_its_evidence_period_and_what_was_issued_verifies() {
    let scene = Scene::sqlite().await;
    grow_old(&scene).await;
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let statements = scene
        .kigen(&["certificate", "list", "--format", "json"])
        .json();
    let id = statements[0]["certificate_id"].as_str().unwrap().to_owned();
    let statement = scene.kigen(&["certificate", "show", &id, "--format", "json"]);
    assert!(
        statement.stdout.contains("destroyAfter"),
        "{}",
        statement.stdout
    );

    let destroyed = scene.kigen(&["keyring", "destroy", "--quarter", PAST, "--yes"]);
    assert_eq!(destroyed.code, 0, "{}", destroyed.stderr);
    insta::assert_snapshot!("keyring_destroy", redacted(&destroyed.stdout));
    let again = scene.kigen(&[
        "keyring",
        "destroy",
        "--quarter",
        PAST,
        "--yes",
        "--format",
        "json",
    ]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    let said = again.json();
    assert_eq!(
        (&said["was_gone"], &said["runs"]),
        (&true.into(), &0.into())
    );

    let ledger = ledger_of(&scene).await;
    assert!(ledger.runs_under("kek-2020q1").await.unwrap().is_empty());
    let entries = ledger.entries(None, None).await.unwrap();
    let told = entries
        .iter()
        .filter(|one| matches!(one.entry, Entry::EvidenceKeyDestroyed(_)));
    assert_eq!(told.count(), 1);
    let quarters = &show(&scene)["quarters"];
    assert_eq!(quarters["destroyed"][0]["quarter"], PAST);
    assert_eq!(quarters["held"], 40);
    assert_eq!(scene.kigen(&["certificate", "verify"]).code, 0);
    // The report reads over what it does not count.
    let report = scene.kigen(&["report", "--from", "2020-01-01", "--to", "2030-01-01"]);
    assert_eq!(report.code, 0, "{}", report.stderr);
}

#[tokio::test]
async fn a_key_is_not_destroyed_early_or_unasked_or_without_a_stated_period() {
    let scene = Scene::sqlite().await;
    grow_old(&scene).await;
    let before = scene.sha256("keyring.toml");
    let refused = |arguments: &[&str], code: u8, why: &str| {
        let mut all = vec!["keyring", "destroy"];
        all.extend(arguments);
        let answer = scene.kigen(&all);
        assert_eq!(answer.code, i32::from(code), "{}", answer.stderr);
        assert!(answer.stderr.contains(why), "{}", answer.stderr);
        assert_eq!(scene.sha256("keyring.toml"), before);
    };
    let now = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let present = Quarter::of(now).to_string();
    refused(
        &["--quarter", &present, "--yes"],
        exit::USAGE,
        "is kept until",
    );
    refused(
        &["--quarter", PAST],
        exit::USAGE,
        "typed the quarter at a terminal",
    );
    refused(
        &["--quarter", "2019Q4", "--yes"],
        exit::USAGE,
        "no key of the quarter 2019Q4",
    );
    refused(
        &["--quarter", "2020Q5", "--yes"],
        exit::USAGE,
        "is no quarter such as",
    );
    let future = ["--quarter", &present, "--yes", "--as-of", "2090-01-01"];
    refused(&future, exit::USAGE, "goes by the clock");
    let ledger = ledger_of(&scene).await;
    let keyring = Keyring::load(&scene.path("keyring.toml")).unwrap();
    begin(&*ledger, &keyring, "run-3").await;
    ledger.close().await;
    refused(
        &["--quarter", PAST, "--yes"],
        exit::NOT_CERTIFIED,
        "are not published",
    );
    scene.edit("kigen.toml", "keep = \"P5Y\"", "");
    refused(
        &["--quarter", PAST, "--yes"],
        exit::CONFIG_INVALID,
        "does not say how long",
    );
}
