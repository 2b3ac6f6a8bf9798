//! What publication makes of a server's bad days.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;

use crate::archive::{Archive as _, Content, Put, S3Place};

use super::moody::{Mood, Moody, Rule};
use super::on_s3::{Bucket, NO_LOCK, connect, place};
use super::{LEAVES, STATEMENT, large_file};

/// A place on `server` that shares its bucket with the place on the real one.
async fn behind(server: &Moody, real: &S3Place) -> S3Place {
    let endpoint = Some(server.endpoint.clone());
    let mut place = connect(&real.bucket, endpoint, NO_LOCK).await.unwrap();
    // Each call is tried once, so that a test sees each.
    let config = place.client.config().to_builder();
    place.client = Client::from_conf(config.retry_config(RetryConfig::disabled()).build());
    place
}

fn is_conditional(head: &str) -> bool {
    head.contains("if-none-match: *")
}

#[tokio::test]
async fn every_write_wants_nothing_to_be_there_and_carries_both_checksums() {
    let Some(server) = Moody::start(Box::new(|_, _| Mood::Pass)) else {
        return;
    };
    let real = place(Bucket::Versioned, NO_LOCK).await.unwrap();
    let place = behind(&server, &real).await;
    let put = place.put_new(STATEMENT, Content::Bytes(b"{}")).await;
    assert_eq!(put.unwrap(), Put::Created);
    let words = [
        "put /",
        "if-none-match: *",
        "content-md5: mzflkyvtelc5g8xnyqrpow==",
        "x-amz-checksum-sha256: rbnvo1wzz4orrq0w9+hknpt7t8if536dembg9hyq/4o=",
    ];
    for word in words {
        assert_eq!(server.asked(&["put /", word]), 1, "{word}");
    }
    // What was written was read back by its version.
    assert_eq!(server.asked(&["get /", "versionid="]), 1);
}

#[tokio::test]
async fn a_write_that_met_another_one_is_tried_again() {
    let met = |head: &str, turn: usize| {
        if is_conditional(head) && turn < 2 {
            return Mood::Answer(409, "ConditionalRequestConflict");
        }
        Mood::Pass
    };
    let Some(server) = Moody::start(Box::new(met)) else {
        return;
    };
    let real = place(Bucket::Versioned, NO_LOCK).await.unwrap();
    let place = behind(&server, &real).await;
    let put = place.put_new(STATEMENT, Content::Bytes(b"{}")).await;
    assert_eq!(put.unwrap(), Put::Created);
    assert_eq!(server.asked(&["put /", "if-none-match: *"]), 2);
}

#[tokio::test]
async fn of_two_writers_the_slower_one_compares() {
    for (bytes, expected) in [
        (&b"{}"[..], Put::AlreadyEqual),
        (&b"[]"[..], Put::Conflict { standing: 2 }),
    ] {
        let real = place(Bucket::Versioned, NO_LOCK).await;
        // The look before finds nothing: the other one writes right after it.
        let late = |_: &str, turn: usize| match turn {
            0 => Mood::Answer(404, "NoSuchKey"),
            _ => Mood::Pass,
        };
        let (Some(server), Some(real)) = (Moody::start(Box::new(late)), real) else {
            return;
        };
        let put = real.put_new(STATEMENT, Content::Bytes(b"{}")).await;
        assert_eq!(put.unwrap(), Put::Created);
        let place = behind(&server, &real).await;
        let put = place.put_new(STATEMENT, Content::Bytes(bytes)).await;
        assert_eq!(put.unwrap(), expected);
        assert_eq!(server.asked(&["put /", "if-none-match: *"]), 1);
        let found = real.get(STATEMENT).await.unwrap();
        assert_eq!(found.as_deref(), Some(&b"{}"[..]));
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_the_condition_is_written_to_without_it() {
    let unknowing = |head: &str, _: usize| {
        if is_conditional(head) {
            return Mood::Answer(501, "NotImplemented");
        }
        Mood::Pass
    };
    publishes_once(Box::new(unknowing)).await;
}

#[tokio::test]
async fn a_server_that_ignores_the_condition_still_never_loses_what_stood_there() {
    publishes_once(Box::new(|_, _| Mood::ForgetCondition)).await;
}

async fn publishes_once(rule: Rule) {
    let Some(server) = Moody::start(rule) else {
        return;
    };
    let real = place(Bucket::Versioned, NO_LOCK).await.unwrap();
    let place = behind(&server, &real).await;
    let scratch = tempfile::tempdir().unwrap();
    let large = large_file(scratch.path(), 0);
    let contents = [
        (STATEMENT, Content::Bytes(b"{}"), Content::Bytes(b"[]")),
        (LEAVES, Content::File(&large), Content::Bytes(b"other")),
    ];
    for (path, content, other) in contents {
        let put = async |content| place.put_new(path, content).await.unwrap();
        assert_eq!(put(content).await, Put::Created, "{path}");
        assert_eq!(put(content).await, Put::AlreadyEqual, "{path}");
        let refused = put(other).await;
        assert!(matches!(refused, Put::Conflict { .. }), "{path}");
    }
    let listing = real.list("").await.unwrap();
    assert!(listing.files.iter().all(|file| file.rewritten == 0));
    assert_eq!(listing.files.len(), 2);
}

#[tokio::test]
async fn a_connection_that_breaks_off_at_any_request_leaves_nothing_that_a_second_attempt_minds() {
    let scratch = tempfile::tempdir().unwrap();
    let large = large_file(scratch.path(), 0);
    let contents = [
        (STATEMENT, Content::Bytes(&b"{}"[..])),
        (LEAVES, Content::File(large.as_path())),
    ];
    for (path, content) in contents {
        for after in [false, true] {
            let mut cuts = 0;
            loop {
                let cut = cuts;
                let rule = move |_: &str, turn: usize| match (turn.checked_sub(cut), after) {
                    (None, _) => Mood::Pass,
                    (Some(_), false) => Mood::Cut,
                    (Some(_), true) => Mood::CutAfter,
                };
                let Some(server) = Moody::start(Box::new(rule)) else {
                    return;
                };
                let real = place(Bucket::Versioned, NO_LOCK).await.unwrap();
                let place = behind(&server, &real).await;
                let put = place.put_new(path, content).await;
                let is_whole = put.is_ok();
                if !is_whole {
                    let again = real.put_new(path, content).await.unwrap();
                    assert_ne!(again, Put::Conflict { standing: 0 }, "{path} {cut}");
                    assert!(matches!(again, Put::Created | Put::AlreadyEqual));
                }
                let listing = real.list("").await.unwrap();
                assert_eq!(listing.files.len(), 1, "{path} {cut}: {listing:?}");
                assert_eq!(listing.files[0].rewritten, 0);
                if is_whole {
                    break;
                }
                cuts += 1;
            }
            assert!(cuts >= 4, "{path}: {cuts}");
        }
    }
}
